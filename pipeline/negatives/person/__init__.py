"""Rules on the parsed person: each says what may be changed, and what would then be claimed."""
