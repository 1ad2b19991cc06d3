"""Turn a text-based person retrieval dataset into an augmented one that can be trusted, published and trained on."""

__version__ = "0.1.0"
