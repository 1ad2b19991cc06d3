"""Precision and recall of the parser and of the verdict on captions and pairs labelled by hand.

Labels quote the caption. A predicted value counts when it quotes the same words for the same thing; describing words
count under the label's own field, whichever of the parser's fields holds them ("puffy" may be a fit or a style).
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbpr_data.pipeline.checks.verdict import judge_pair
from tbpr_data.pipeline.language.parse import parse
from tbpr_data.schemas.attributes import DETAILS, Item, Person, Value

HERE = Path(__file__).parent
_NOISE = re.compile(r"\b(?:coloured|colored|colou?r|in|a|an|the|his|her|their|on|of)\b|[^a-z0-9 ]")
_POSES = ("seen from", "hands ", "away from camera", "look down")
Fact = tuple[str, ...]


@dataclass
class Tally:
    """Right, invented and missed values of a slot."""

    right: int = 0
    invented: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Of what was read, the share that is there."""
        return self.right / max(1, self.right + self.invented)

    @property
    def recall(self) -> float:
        """Of what is there, the share that was read."""
        return self.right / max(1, self.right + self.missed)


def load(name: str) -> list[dict[str, Any]]:
    """The lines of a gold file."""
    return [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def plain(text: str) -> str:
    """Words alone, in the singular, without articles and "coloured"."""
    words = _NOISE.sub(" ", text.lower().replace("-", " ").replace("'", "")).split()
    return " ".join(
        word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word for word in words
    )


def score_captions(rows: Iterable[dict[str, Any]], misses: list[str] | None = None) -> dict[str, Tally]:
    """Slot → tally. Give a list to be told every miss."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for row in rows:
        person = parse(row["text"])
        truth, read = Counter(_gold_facts(row)), Counter(_read_facts(person, row))
        for fact in truth | read:
            slot, both = fact[0], min(truth[fact], read[fact])
            tallies[slot].right += both
            tallies[slot].missed += truth[fact] - both
            tallies[slot].invented += read[fact] - both
            if misses is not None and truth[fact] != read[fact]:
                misses.append(f"{'missed' if truth[fact] > both else 'invented'} {fact} in: {row['text']}")
    return dict(sorted(tallies.items()))


def _gold_facts(row: dict[str, Any]) -> list[Fact]:
    facts: list[Fact] = [("gender", row["gender"])] if row.get("gender") else []
    facts += [(slot, plain(value)) for slot in ("age", "build", "facial_hair") for value in row.get(slot, [])]
    hair = row.get("hair", {})
    facts += [
        (f"hair.{field}", plain(value)) for field in ("colours", "length", "style") for value in hair.get(field, [])
    ]
    facts += [("action", plain(value)) for value in row.get("actions", [])]
    for item in row.get("items", []):
        name = _head(item["name"])
        facts.append((f"{item['slot']}", name, "absent" if item.get("absent") else ""))
        facts += [(f"{item['slot']}.colour", name, plain(colour)) for colour in item.get("colours", [])]
        facts += [(field, name, plain(value)) for field in DETAILS for value in item.get(field, [])]
        facts += [("where", name, plain(place)) for place in item.get("where", [])]
        for part in item.get("parts", []):
            facts += [("part.colour", name, _head(part["name"]), plain(colour)) for colour in part.get("colours", [])]
    return facts


def _read_facts(person: Person, row: dict[str, Any]) -> list[Fact]:
    facts: list[Fact] = [("gender", value.value) for value in person.gender]
    for slot in ("age", "build", "facial_hair"):
        quoted = [plain(known) for known in row.get(slot, [])]
        for value in getattr(person, slot):
            words = plain(value.text)
            facts.append((slot, next((known for known in quoted if _same(known, words)), words)))
    facts += [("hair.colours", plain(value.text)) for value in person.hair.colours]
    for slot in ("length", "style"):
        quoted = [plain(known) for known in row.get("hair", {}).get(slot, [])]
        for value in getattr(person.hair, slot):
            words = plain(value.text)
            facts.append((f"hair.{slot}", next((known for known in quoted if _same(known, words)), words)))
    facts += _read_actions(person, row)
    labelled = _labelled_fields(row)
    for item in person.items:
        name = _head(item.name.value if item.name.text in ("one", "ones") else item.name.text)
        if item.name.value == "clothes" and not any(_head(known["name"]) == name for known in row.get("items", [])):
            name = "dressed"
        facts.append((item.slot, name, "absent" if item.absent else ""))
        facts += [(f"{item.slot}.colour", name, plain(colour.text)) for colour in item.colours]
        for field in DETAILS:
            for value in getattr(item, field):
                words = plain(value.text)
                quoted = next((known for known in labelled if known[0] == name and _same(known[1], words)), None)
                if quoted:
                    facts.append((labelled[quoted], *quoted))
                elif not any(_named(known, name, words) for known in row.get("items", [])):
                    facts.append((field, name, words))
        # "Sleeves rolled up", "with a skull on it": of the shirt, to the label.
        for value in (value for part in item.parts for value in (part.name, *part.details)):
            quoted = next(
                (known for known in labelled if known[0] == name and _same(known[1], plain(value.text))), None
            )
            fact = (labelled[quoted], *quoted) if quoted else None
            facts += [fact] if fact and fact not in facts else []
        # "Ankle boots" is a name to the parser, boots of ankle length to the label.
        told = set(plain(item.name.text).split()[:-1])
        facts += [
            (field, *known) for known, field in labelled.items() if known[0] == name and set(known[1].split()) <= told
        ]
        facts += [("where", name, _place(value, name, row)) for value in item.where]
        facts += _part_colours(name, item)
    return facts


def _read_actions(person: Person, row: dict[str, Any]) -> list[Fact]:
    """Actions as the label quotes them, where they share its words.

    How hands are held and how the camera sees the person is none to it.
    """
    quoted = [plain(known) for known in row.get("actions", [])]
    facts = []
    for value in person.actions:
        words = plain(value.text)
        known = next((known for known in quoted if set(known.split()) & set(words.split())), None)
        if known is not None or not value.value.startswith(_POSES):
            facts.append(("action", known or words))
    return list(dict.fromkeys(facts))


def _place(value: Value, name: str, row: dict[str, Any]) -> str:
    """A place as the label quotes it, where the label's words are among those read."""
    words = set(plain(value.text).split()) | {value.value.split()[0]}
    for item in row.get("items", []):
        for place in item.get("where", []) if _head(item["name"]) == name else ():
            if set(plain(place).split()) <= words:
                return plain(place)
    return plain(value.value)


def _part_colours(name: str, item: Item) -> list[Fact]:
    return [
        ("part.colour", name, _head(part.name.text), plain(colour.text))
        for part in item.parts
        for colour in part.colours
    ]


def _labelled_fields(row: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (_head(item["name"]), plain(value)): field
        for item in row.get("items", [])
        for field in DETAILS
        for value in item.get(field, [])
    }


def _same(label: str, read: str) -> bool:
    """Whether one quotes the other: "knee" and "down to the knees"."""
    a, b = set(label.split()), set(read.split())
    return bool(a and b) and (a <= b or b <= a)


def _named(label: dict[str, Any], head: str, words: str) -> bool:
    """Whether words are part of a label's name: "basketball" of "basketball shorts"."""
    return _head(label["name"]) == head and set(words.split()) <= set(plain(label["name"]).split())


def _head(name: str) -> str:
    words = plain(name).split()
    return words[-1] if words else ""


@dataclass
class VerdictScore:
    """How verdicts agree with the labels, under one policy."""

    pairs: int = 0
    accepted: int = 0
    accepted_faithful: int = 0
    good: int = 0
    good_found: int = 0

    @property
    def precision(self) -> float:
        """Of the accepted, the share that is faithful."""
        return self.accepted_faithful / max(1, self.accepted)

    @property
    def recall(self) -> float:
        """Of the faithful and fluent, the share that is called faithful."""
        return self.good_found / max(1, self.good)


def score_pairs(
    rows: Iterable[dict[str, Any]], policy: str, misses: list[str] | None = None, *, min_novelty: float = 0.0
) -> VerdictScore:
    """Judge labelled pairs. Near copies count as well, unless a least novelty is given."""
    score = VerdictScore()
    for row in rows:
        verdict = judge_pair(row["source"], row["rewrite"], policy, min_novelty=min_novelty)  # type: ignore[arg-type]
        truly = row[f"{policy}_ok"]
        score.pairs += 1
        score.accepted += verdict.accepted
        score.accepted_faithful += verdict.accepted and truly
        score.good += truly and row["fluent"]
        score.good_found += truly and row["fluent"] and verdict.faithful
        if misses is not None and (
            (verdict.accepted and not truly) or (truly and row["fluent"] and not verdict.faithful)
        ):
            kind = "WRONGLY ACCEPTED" if not truly else "wrongly refused"
            said = {key: row[key] for key in ("dropped", "added", "contradicted") if row.get(key)}
            misses.append(
                f"{kind} ({policy})\n  S: {row['source']}\n  R: {row['rewrite']}\n"
                f"  label {said}\n  verdict {verdict.reasons}"
            )
    return score
