"""The gates a rewrite passes before it is accepted."""
