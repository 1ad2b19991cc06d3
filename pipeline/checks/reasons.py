"""Why an answer is no caption: every reason with what it means, as the card of a dataset tells it."""

REASONS = {
    "server_error": "the server gave no answer, after every retry; the same command asks again",
    "request_refused": "the server refused the request",
    "empty": "nothing was left once what chat models wrap around an answer was taken off",
    "refusal": "the model said that it cannot",
    "cut_by_length": "cut off at `max_tokens`",
    "too_short": "fewer words than `checks.min_words`",
    "too_long": "more words than `checks.max_words`, or too many for its source (`checks.max_length_ratio`)",
    "not_shorter": "no shorter than its source, from a concise prompt",
    "not_english": "in another language",
    "repeats": "six words in a row that stand there twice, or one word three times on end",
    "near_copy": "less than `checks.min_novelty` away from its source",
    "contradicted": "an attribute denies the source's: another colour, garment, side, gender",
    "added": "says an attribute that the source does not",
    "specialised": "says an attribute more exactly than the source: blue → navy",
    "dropped": "leaves out an attribute of the source; a concise prompt may",
    "generalised": "says an attribute less exactly than the source: navy → blue; a concise prompt may",
    "not_fluent": "a list of key words, a thing said twice, or chatter",
    "duplicate": "the same words as another caption of the image",
    "not_best": "passed, but other samples of the caption differ more from it and from each other",
    "negative": "not refused: asked for as a hard negative, and it is one",
    "abstained": "asked for as a hard negative, and the model answered NA",
}
"""In the order the checks are made; a rewrite has every reason that applies, and is compared only if there is one.

An answer to a negative prompt can have the names of `negatives.guards` as reasons as well."""
