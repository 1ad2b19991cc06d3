"""What is in a dataset: how its texts differ, what its negatives give away, and what stands where it should not."""
