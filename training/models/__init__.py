"""Backbones and the modules that objectives add to them."""
