"""The rendered demo dataset."""
