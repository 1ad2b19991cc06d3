"""What every stage reads and writes: the models, and the Arrow schemas derived from them."""
