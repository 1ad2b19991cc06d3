"""Prompts: one TOML file each, and the registry that loads, validates and hashes them."""
