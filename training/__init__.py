"""Training CLIP and IRRA on the shards, and measuring what they learned."""
