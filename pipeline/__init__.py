"""From a source to shards: the commands and what they run."""
