"""The rows of the table of bad inputs, a file a subject; `test_bad_inputs.py` runs them."""
