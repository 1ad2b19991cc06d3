"""Hard negatives: one file a rule set, one registry."""
