"""Requests, the client that sends them, the server that answers them, and the models by name."""
