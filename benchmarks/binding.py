"""Which colour belongs to which garment: our parser beside spaCy's dependency parse, on the development captions.

    python -m benchmarks.binding

The peer binds each colour to the noun it hangs on (`amod`, `compound`, through conjunctions) or is said of (`acomp`,
`attr` of a verb with that subject), with the largest English model installed, and is given our lexicon for what is a
colour and what is a garment.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from gold.score import load, plain

from tbpr_data.pipeline.language.english import installed_model, load_english
from tbpr_data.pipeline.language.lexicon.load import lexicon
from tbpr_data.pipeline.language.parse import parse


def main() -> None:
    """Print precision and recall of (colour, garment) pairs, and captions a second on one core."""
    rows = load("captions_dev")
    truth = [_truth(row) for row in rows]
    nlp = load_english()
    ways = {
        "this parser": lambda texts: [_ours(text) for text in texts],
        f"dependencies of {installed_model()}": lambda texts: [_theirs(doc) for doc in nlp.pipe(texts)],
    }
    print("| colours bound by | precision | recall | captions/s, one core |\n|---|---:|---:|---:|")
    for name, way in ways.items():
        texts = [row["text"] for row in rows]
        way(texts)  # warm-up
        began = time.perf_counter()
        read = way(texts)
        rate = len(texts) / (time.perf_counter() - began)
        right = sum(len(a & b) for a, b in zip(truth, read, strict=True))
        precision, recall = right / sum(map(len, read)), right / sum(map(len, truth))
        print(f"| {name} | {precision:.3f} | {recall:.3f} | {rate:,.0f} |")


def _truth(row: dict) -> set[tuple[str, str]]:
    items = row.get("items", [])
    return {(_last(item["name"]), _last(colour)) for item in items for colour in item.get("colours", [])}


def _ours(text: str) -> set[tuple[str, str]]:
    return {(_last(item.name.text), _last(colour.text)) for item in parse(text).items for colour in item.colours}


def _theirs(doc) -> set[tuple[str, str]]:
    known = lexicon().meanings
    bound = set()
    for token in doc:
        if "colour" not in known.get((token.lower_,), {}) and "shade" not in known.get((token.lower_,), {}):
            continue
        head = token
        while head.dep_ in ("conj", "amod", "compound", "nmod", "advmod") and head.head is not head:
            head = head.head
            if "item" in known.get((head.lower_,), {}):
                break
        if head.pos_ in ("VERB", "AUX"):
            head = next((child for child in head.children if child.dep_ in ("nsubj", "nsubjpass")), head)
        if "item" in known.get((head.lower_,), {}):
            bound.add((_last(head.text), _last(token.text)))
    return bound


def _last(text: str) -> str:
    return (plain(text).split() or [""])[-1]


if __name__ == "__main__":
    main()
