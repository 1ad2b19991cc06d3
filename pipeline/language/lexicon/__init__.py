"""What the words of captions mean: the TOML files of this folder, loaded and matched."""
