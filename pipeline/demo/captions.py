"""Captions: what a person would write about an image, true of what it shows."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from .palette import colour_words, pick
from .person import Garment, Person
from .scene import Scene, visible_parts

_SHORTEST, _LONGEST = 8, 45  # words
_PLURAL = {"jeans", "trousers", "shorts", "leggings", "sneakers", "boots", "sandals", "dress shoes", "heels"}


class Phrases(BaseModel):
    """The frames and phrases of `captions.toml`, by section."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    garments: dict[str, tuple[str, ...]]
    patterns: dict[str, tuple[str, ...]]
    people: dict[str, tuple[str, ...]]
    hair: dict[str, tuple[str, ...]]
    outfit: dict[str, tuple[str, ...]]
    opening: dict[str, tuple[str, ...]]
    follow: dict[str, tuple[str, ...]]
    run_on: dict[str, tuple[str, ...]]
    terse: dict[str, tuple[str, ...]]
    acting: dict[str, tuple[str, ...]]


@cache
def phrases() -> Phrases:
    """The phrases of `captions.toml`."""
    return Phrases.model_validate(tomllib.loads(Path(__file__).with_name("captions.toml").read_text("utf-8")))


@dataclass(frozen=True)
class Facts:
    """The words one caption uses: garments with their articles, and the slots that can be filled."""

    garments: tuple[str, ...]  # upper, then lower where there is one
    slots: dict[str, str]  # slot name to words; a slot that is missing must not be used


def write_captions(person: Person, scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """Two differing captions of the image of `person` in `scene`."""
    first = _caption(person, scene, rng)
    second = _caption(person, scene, rng)
    while first.lower() == second.lower():
        second = _caption(person, scene, rng)
    return first, second


def _caption(person: Person, scene: Scene, rng: np.random.Generator) -> str:
    while True:
        facts = _facts(person, scene, rng)
        style = rng.random()
        text = _terse(facts, rng) if style < 0.14 else _prose(facts, rng, run_on=style < 0.42)
        if _SHORTEST <= len(text.split()) <= _LONGEST:
            return text


# --- words -----------------------------------------------------------------------------------------------------------


def _facts(person: Person, scene: Scene, rng: np.random.Generator) -> Facts:
    seen = visible_parts(person, scene)
    noun = pick(rng, phrases().people[person.gender])
    if person.hair.name == "grey" and "hair" in seen and rng.random() < 0.3:
        noun = f"older {noun}"
    he, his = ("he", "his") if person.gender == "man" else ("she", "her")
    slots = {"n": noun, "who": f"the {noun}", "a": with_article(noun), "he": he, "his": his}
    slots["acting"] = _acting(person, scene, seen, rng).format(his=his)
    garments = [_upper(person, seen, rng)]
    if person.lower and rng.random() < 0.94:
        slots["lower"] = name_garment(person.lower, rng)
        garments.append(slots["lower"])
    if "shoes" in seen and rng.random() < 0.7:
        slots["shoes"] = name_garment(person.shoes, rng)
    if person.hat and "hat" in seen and rng.random() < 0.85:
        slots["hat"] = name_garment(person.hat, rng)
    if person.bag and "bag" in seen and rng.random() < 0.88:
        slots["bag"] = name_garment(person.bag, rng)
        slots["where"] = _where(person, his, rng)
    if "hair" in seen and rng.random() < 0.72:
        slots["hair"] = _hair(person, scene, rng)
    face = _face(person, seen, rng)
    if face and rng.random() < 0.75:
        slots["face"] = face
    return Facts(tuple(garments), slots)


def name_garment(garment: Garment, rng: np.random.Generator, *, front: bool = True) -> str:
    """`garment` in words, with its article; a logo is left out unless its front is seen."""
    colour = pick(rng, colour_words(garment.dye))
    if garment.accent is not None and garment.pattern != "logo":
        colour = pick(rng, phrases().patterns[garment.pattern]).format(colour, pick(rng, colour_words(garment.accent)))
    template = pick(rng, phrases().garments[garment.kind])
    text = template.format(colour)
    if garment.kind == "shirt" and not garment.long and rng.random() < 0.4:
        text = f"short-sleeved {text}"
    if garment.accent is not None and garment.pattern == "logo" and front and rng.random() < 0.8:
        mark = pick(rng, ("logo on the front", "print on the chest", "logo", "design on it"))
        text = f"{text} {'and' if ' with ' in text else 'with'} a {pick(rng, colour_words(garment.accent))} {mark}"
    return text if garment.kind in _PLURAL and not text.startswith("a ") else with_article(text)


def with_article(text: str) -> str:
    """`text` after a or an, unless it already starts with one."""
    if re.match(r"(a|an|the) ", text):
        return text
    return f"{'an' if text[0].lower() in 'aeiou' else 'a'} {text}"


def _upper(person: Person, seen: frozenset[str], rng: np.random.Generator) -> str:
    text = name_garment(person.upper, rng, front="pattern front" in seen)
    if person.inner is None or "inner" not in seen or rng.random() < 0.15:
        return text
    inner = name_garment(person.inner, rng)
    joins = ("{0} over {1}", "{0} over {1}", "an open {2} over {1}", "{1} under {0}", "{0} on top of {1}")
    return pick(rng, joins).format(text, inner, re.sub(r"^(a|an) ", "", text))


def _hair(person: Person, scene: Scene, rng: np.random.Generator) -> str:
    style: str = person.hair_style
    if style == "short" and person.gender == "woman":
        style = "short woman"
    if style in ("ponytail", "bun") and scene.view == "front":
        style = "ponytail front"
    return pick(rng, phrases().hair[style]).format(pick(rng, colour_words(person.hair)))


def _face(person: Person, seen: frozenset[str], rng: np.random.Generator) -> str:
    parts: list[str] = []
    if person.beard and "profile" in seen:
        parts.append(pick(rng, ("a beard", "a full beard", f"a {pick(rng, colour_words(person.hair))} beard")))
    if person.glasses and "face" in seen:
        parts.append(pick(rng, ("glasses", "dark-rimmed glasses", "eyeglasses")))
    return " and ".join(parts)


def _where(person: Person, his: str, rng: np.random.Generator) -> str:
    match person.bag.kind if person.bag else "":
        case "backpack":
            return pick(rng, (f"on {his} back", "on both shoulders", f"on {his} shoulders"))
        case "shoulder bag":
            return pick(rng, (f"across {his} body", f"at {his} side", f"slung over {his} shoulder"))
        case _:
            return pick(rng, (f"in {his} hand", "in one hand", f"at {his} side"))


def _acting(person: Person, scene: Scene, seen: frozenset[str], rng: np.random.Generator) -> str:
    acting = phrases().acting
    if "act" in seen:
        pockets = person.lower is not None and person.lower.kind not in ("skirt", "leggings")
        return pick(rng, acting["phone" if scene.pose == "phone" else "pocket" if pockets else "hip"])
    pose = "walking" if scene.pose == "walking" else "standing"
    return pick(rng, acting[f"{pose} {scene.view}"])


# --- sentences -------------------------------------------------------------------------------------------------------


def _prose(facts: Facts, rng: np.random.Generator, *, run_on: bool) -> str:
    """An opening about the clothes, then what else is known in any order: as sentences, or all in one."""
    slots = dict(facts.slots)
    outfit = list(facts.garments)
    told = {"lower"}
    if "shoes" in slots and len(outfit) < 3 and rng.random() < 0.6:
        outfit.append(slots["shoes"])
        told.add("shoes")
    elif len(outfit) == 2 and rng.random() < 0.2:
        outfit.pop()
        told.discard("lower")
    slots["outfit"] = _join(outfit, rng)
    if " with " in slots["outfit"] and "hair" in slots and rng.random() < 0.5:
        slots["outfit"] = _plain_join(outfit)
    opening = pick(rng, [f for f in phrases().opening["frames"] if _slots_of(f) <= slots.keys()])
    told |= _slots_of(opening)
    rest: list[str] = [k for k in ("lower", "shoes", "hair", "bag", "hat", "face") if k in slots and k not in told]
    if "acting" not in told and rng.random() < 0.35:
        rest.append("act")
    rng.shuffle(rest)
    if not run_on:
        frames = [opening, *(pick(rng, phrases().follow[k]) for k in rest)]
        return " ".join(_sentence(f, slots) for f in frames)
    glued = opening.removesuffix(".") + "".join(pick(rng, phrases().run_on[k]) for k in rest[:2]) + "."
    return _sentence(glued, slots)


def _terse(facts: Facts, rng: np.random.Generator) -> str:
    """Notes rather than sentences: no articles."""
    slots = dict(facts.slots)
    clothes = [*facts.garments, *(slots[k] for k in ("shoes", "hat") if k in slots)]
    words = [*clothes, *(slots[k] for k in ("hair", "bag", "face") if k in slots)]
    if rng.random() < 0.5:
        rng.shuffle(clothes)
        rng.shuffle(words)
    slots["clothes"], slots["list"] = (", ".join(_bare(w) for w in group) for group in (clothes, words))
    return _sentence(pick(rng, phrases().terse["frames"]), slots)


def _bare(words: str) -> str:
    """`words` without articles, but for "a pair of"."""
    return re.sub(r"\b(a|an) (?!pair)", "", words)


def _join(items: list[str], rng: np.random.Generator) -> str:
    if len(items) == 1:
        return items[0]
    return pick(rng, phrases().outfit["two" if len(items) == 2 else "three"]).format(*items)


def _plain_join(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _slots_of(frame: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", frame))


def _sentence(frame: str, slots: dict[str, str]) -> str:
    """`frame` filled in, beginning with a capital."""
    text = frame.format(**slots)
    return text[0].upper() + text[1:]
