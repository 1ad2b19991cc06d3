"""Breaks `tbpr-data augment` in every way we can think of, and looks whether anything was lost."""
