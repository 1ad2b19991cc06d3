"""Random inputs for whatever reads what others wrote: nothing but a one-line error may come of them."""
