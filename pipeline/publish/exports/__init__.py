"""Formats that other trainers read."""
