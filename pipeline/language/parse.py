"""The parser: a caption's marks read from left to right into a person.

Captions of people are lists of noun phrases with little grammar and often no commas. Describing words wait until their
noun comes ("black and white striped ‹shirt›"), or, when none comes, go back to the last one ("her ‹shirt› is red").
Dependency parses bind worse here and take five times as long: `benchmarks/binding.py` measures both.
"""

from dataclasses import replace

from ...schemas.attributes import Person
from .drafts import HairDraft, ItemDraft, value_of
from .lexicon.load import Kind, Meaning, related
from .marks import Mark, mark
from .places import Places

_MODIFIERS: tuple[Kind, ...] = (
    "colour",
    "shade",
    "detail",
    "age",
    "build",
    "ethnicity",
    "hair_length",
    "hair_style",
)
_LAYERS = frozenset(("over", "under"))
_BLACK: dict[Kind, Meaning] = {"colour": Meaning("colour", "black", "black")}
_OWNED_BY = frozenset(("on", "at", "in", "down", "along", "across", "through", "around", "in front of"))
# What clothes and hair do as well as people.
_OF_THINGS = frozenset(("reach", "rest", "lie", "stretch", "stop", "extend", "fall"))
# Ways of carrying that are seen as something the body does.
_SEEN_VERBS = frozenset(("push", "pull", "swing", "lift"))


def parse(text: str) -> Person:
    """Read a caption: what it says of one person, each value with its characters.

    Never fails: what is not understood is kept in `others`.
    """
    return _Reader(text).read()


class _Reader(Places):
    """One reading of one caption: where it stands, what waits for its noun, what was read."""

    def read(self) -> Person:
        """Read all marks."""
        self.marks = mark(self.text)
        self.at = 0
        while self.at < len(self.marks):
            here = self.at
            one = self.marks[here]
            self.at += 1
            if one.closed:
                self._closed(one)
            elif not self._place(here):
                self._word(here, one)
        self.stop()
        return self.person()

    def _closed(self, one: Mark) -> None:
        match one.closed:
            case "stop":
                self.stop()
            case "comma":
                self.negated = False
                self.comma = self.at
                self.settle(self._describes_on())
            case "and" | "or":
                self.conjunction = self.at
                if one.closed == "and":
                    self.negated = False
                self.settle(self._describes_on())
            case "with":
                if not self._place(self.at - 1):
                    self.flush()
                    self.link, self.relation = "with", None
            case "'s" if self._is_verb():
                self.verb("be", "is")
            case "a" | "the" | "whose":
                self.flush()
                self.determiner = one.closed
                if one.closed == "whose":
                    self.gender(one)
            case _:
                pass

    def _word(self, here: int, one: Mark) -> None:
        if one.can_be("negation"):
            self.flush()
            self.negated = True
        elif one.can_be("number"):
            if not self.another(one):
                self.number = one
        elif one.word == "left" and self._state_next():
            pass  # "a shirt ‹left› open"
        elif one.word == "back" and self._noun_follows(here):
            self.wait(here, replace(one, meanings=_BLACK))  # "back pants": the commonest misspelt colour
        elif self._is_modifier(here, one):
            self.wait(here, one)
        elif (item := one.can_be("item")) is not None and not self._is_part(one):
            self.item(one, item)
        elif one.can_be("hair"):
            self.hair(haired=one.word == "haired")
        elif one.can_be("facial_hair"):
            self.facial_hair(one)
        elif (part := one.can_be("part", "marking", "graphic")) is not None:
            self.part(one, part, self._owner_follows(here))
        elif one.can_be("gender"):
            self.person_noun(one)
        elif (verb := one.can_be("verb")) is not None:
            self.verb(verb.group, one.word)
            if verb.value in _SEEN_VERBS:
                self.actions.append(value_of(one, verb.value))
        elif (action := one.can_be("action")) is not None:
            if action.value in _OF_THINGS and isinstance(self.last, (ItemDraft, HairDraft)):
                return  # "a skirt reaching her knees"
            self.flush()
            self.actions.append(value_of(one, action.value))
            self.link, self.relation, self.last = "act", None, None
        elif (preposition := one.can_be("preposition")) is not None:
            self._preposition(preposition)
        elif one.can_be("filler"):
            pass
        elif one.can_be("body", "side"):
            self.body(one)
        else:
            degree = one.word.endswith("ly") and self._describes_on()  # "are ‹heavily› patterned"
            self.other(here, one, modifies=degree or self._noun_follows(here))

    def _preposition(self, meaning: Meaning) -> None:
        self.flush()
        self.link = meaning.value
        if meaning.value == "in":
            self.relation = "worn"
        if meaning.value in _LAYERS and isinstance(self.last, ItemDraft):
            if self._item_comes():
                self.layer = (meaning.value, self.last)
            elif len(self.items) > 1 and self.items[-1] is self.last:
                # "a robe and a suit ‹under› it"
                here = self.marks[self.at - 1]
                self.last.where.append(value_of(here, f"{meaning.value} {self.items[-2].name.value}"))

    def _is_modifier(self, here: int, one: Mark) -> bool:
        """Whether a word describes what comes, or is said of what was, rather than being a noun of its own."""
        if one.can_be(*_MODIFIERS) is None:
            return self._names_a_kind(here, one)
        if one.can_be("item", "hair", "gender", "marking", "graphic", "action") is None:
            return True
        if one.can_be("gender"):
            return False
        if one.can_be("item") and self._coloured_next(here + 1):
            return False
        return self._noun_follows(here)

    def _coloured_next(self, here: int) -> bool:
        """Whether a colour begins what comes: "a white ‹turtleneck› khaki capris"."""
        return here < len(self.marks) and self.marks[here].can_be("colour", "shade") is not None

    def _names_a_kind(self, here: int, one: Mark) -> bool:
        """The first noun of two: "a ‹drawstring› pouch", "a ‹band› t-shirt". Related items are one told twice."""
        following = self.marks[here + 1] if here + 1 < len(self.marks) else None
        kind = one.can_be("item", "part", "marking", "graphic", "action")
        if kind is None or following is None or following.closed:
            return False
        if kind.kind == "action":
            # "A lime green ‹cycling› jersey", not "the man is ‹pulling› suitcases".
            before = self.marks[here - 1] if here else None
            named = before is not None and (bool(before.closed) or before.can_be(*_MODIFIERS) is not None)
            return not one.word.endswith(("s", "ed")) and named and following.can_be("item") is not None
        item = following.can_be("item")
        if item is None or (kind.plural and kind.kind == "item"):
            return False
        return kind.kind != "item" or not related(kind.value, item.value)

    def _state_next(self) -> bool:
        following = self.marks[self.at] if self.at < len(self.marks) else None
        detail = following.can_be("detail") if following is not None else None
        return detail is not None and detail.group == "state"

    def _describes_on(self) -> bool:
        """Whether describing words go on: "black ‹and white›"."""
        following = self.marks[self.at] if self.at < len(self.marks) else None
        return following is not None and not following.closed and self._is_modifier(self.at, following)

    def _is_verb(self) -> bool:
        """Whether an 's stands for "is": "he's", "that's"."""
        before = self.marks[self.at - 2].word if self.at > 1 else ""
        return before in ("he", "she", "it", "that", "there", "who")

    def _noun_follows(self, here: int) -> bool:
        """Whether describing words and then a thing come next, with nothing between."""
        for one in self.marks[here + 1 : here + 6]:
            if one.closed:
                return False
            if one.can_be("item", "hair", "part", "facial_hair"):
                return True
            if one.can_be(*_MODIFIERS, "filler") is None:
                return False
        return False

    def _item_comes(self) -> bool:
        """Whether an item comes before the clause ends: "over ‹a white shirt›"."""
        for one in self.marks[self.at : self.at + 7]:
            if one.closed in ("stop", "and", "comma"):
                return False
            if one.can_be("item"):
                return True
            if one.can_be("verb", "action", "body") or one.word in ("it", "them", "this"):
                return False
        return False

    def _is_part(self, one: Mark) -> bool:
        """A word that is an item or a part of one (hood, belt, heels): a part behind "with" and an item."""
        if one.can_be("part") is None or self.link == "wear":
            return False
        item = one.can_be("item")
        if (
            item is not None
            and item.group == "footwear"
            and not (isinstance(self.last, ItemDraft) and self.last.slot == "footwear")
        ):
            return False  # "tights with black heels"
        if isinstance(self.last, ItemDraft) and (self.link == "with" or self.conjunction == self.at - 1):
            return True
        return one.word in ("hood", "hoods") and any(item.slot in ("outer", "upper") for item in self.items)

    def _owner_follows(self, here: int) -> bool:
        """Whether a part is followed by whose it is: "a logo on ‹his shirt›"."""
        preposition = False
        for one in self.marks[here + 1 : here + 9]:
            if one.closed in ("stop", "comma", "and", "or", "with"):
                return False
            if (found := one.can_be("preposition")) is not None:
                preposition = found.value in _OWNED_BY
            elif one.can_be("item") and preposition:
                return True
            elif one.can_be("verb", "action", "gender", "part", "marking") and not one.closed:
                return False
        return False

    def _place(self, here: int) -> bool:
        """Read "on his left shoulder", "in hand", "down to the knees"; False where no such phrase begins."""
        opening = self.marks[here]
        preposition = opening.can_be("preposition")
        if preposition is None and not (opening.closed == "with" and isinstance(self.last, ItemDraft)):
            return False
        side: Meaning | None = None
        passed_over = 0
        for j in range(here + 1, min(here + 8, len(self.marks))):
            one = self.marks[j]
            if one.closed in ("a", "the", "whose") or (one.can_be("filler") and not one.can_be("body", "side")):
                continue
            if (number := one.can_be("number")) is not None:
                side = number
                continue
            body = one.can_be("body")
            if body is not None and not one.closed and not (one.can_be("side") and self._body_at(j + 1)):
                if preposition is None and (body.value not in ("hand", "arm") or self._goes_on(j + 1)):
                    return False
                self.at = j + 1
                for passed in self.marks[here:j]:
                    if passed.closed == "whose":
                        self.gender(passed)
                how = preposition.value if preposition else "in"
                self.place(here, j, how, side.value if side else "", body.value)
                self._second_place(how)
                return True
            if (found := one.can_be("side")) is not None:
                side = found
                continue
            if one.can_be("preposition"):
                continue
            # "under her ‹straight› right arm"
            if one.can_be("detail", "hair_style") and not one.can_be("item") and not passed_over:
                passed_over += 1
                continue
            return False
        return False

    def _second_place(self, preposition: str) -> None:
        """ "On legs ‹and arms›"."""
        if self.at + 1 < len(self.marks) and self.marks[self.at].closed == "and":
            one = self.marks[self.at + 1]
            body = one.can_be("body")
            if body is not None and not one.closed and not self._goes_on(self.at + 2):
                self.at += 2
                self.place(self.at - 1, self.at - 1, preposition, "", body.value)

    def _body_at(self, here: int) -> bool:
        return here < len(self.marks) and self.marks[here].can_be("body") is not None

    def _goes_on(self, here: int) -> bool:
        """Whether a body part is told more of ("with his hands ‹in› his pockets"): no place, but a pose."""
        return here < len(self.marks) and self.marks[here].can_be("preposition", "action", "verb") is not None
