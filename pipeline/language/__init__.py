"""What is known of English: the spaCy model in use and the CLIP tokenizer."""
