"""One reader a dataset, and the validation they share."""
