"""From shards and sources to batches."""
