"""The parser: a caption's marks read from left to right into a person.

Captions of people are lists of noun phrases with little grammar and often no commas. Describing words wait until their
noun comes ("black and white striped ‹shirt›"), or, when none comes, go back to the last one ("her ‹shirt› is red").
Dependency parses bind worse here and take fourteen times as long: `benchmarks/binding.py` measures both.
"""

from dataclasses import replace
from functools import lru_cache

from ...schemas.attributes import Person, Value
from .ahead import Ahead
from .drafts import HairDraft, ItemDraft, value_of
from .lexicon.load import Kind, Meaning, lexicon
from .marks import Mark, mark
from .places import SIDES
from .state import LAYERS

# "Carries a bag ‹in front of him›".
_AROUND = {"in front of": "front", "behind": "behind"}
_TO = Meaning("preposition", "to")
_BLACK: dict[Kind, Meaning] = {"colour": Meaning("colour", "black", "black")}
# What clothes and hair do as well as people.
_OF_THINGS = frozenset(("reach", "rest", "lie", "stretch", "stop", "extend", "fall", "touch"))
_COVER = frozenset(("cover", "covers", "covering", "crosses", "hide", "hides", "hiding"))
# The same of what opens a sentence.
_OF_SUBJECTS = frozenset(("sit", "swing", "cross", "turn", "hide"))
# Ways of carrying that are seen as something the body does.
_SEEN_VERBS = frozenset(("push", "pull", "swing", "raise"))


@lru_cache(maxsize=4096)
def parse_once(text: str) -> Person:
    """`parse`, remembered: of an identity every caption is looked at beside each of the others."""
    return parse(text)


def parse(text: str) -> Person:
    """Read a caption: what it says of one person, each value with its characters.

    Never fails: what is not understood is kept in `others`.
    """
    return _Reader(text).read()


class _Reader(Ahead):
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
            case "stop" if one.word == ":" and isinstance(self.last, ItemDraft) and self._describes_on():
                self.verb("be", "are")  # "pants: black"
            case "stop":
                self.stop()
            case "comma":
                self.end_negation()
                self.comma = self.at
                self.settle(self._describes_on())
            case "and" | "or":
                self.conjunction = self.at
                if one.closed == "and":
                    self.end_negation()
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
        if one.word == "nothing" and self.link == "carry":
            self.items.append(ItemDraft("carried", value_of(one, "something"), absent=True, relation="carried"))
        elif one.can_be("negation"):
            self.flush()
            self.negated, self.negation = True, one
        elif one.can_be("number"):
            if not self.another(one):
                self.number = one
        elif one.word == "left" and self._state_next():
            pass  # "a shirt ‹left› open"
        elif one.word == "bottom" and self.waiting and self._bottom_half():
            self.item(one, lexicon().meanings[("bottoms",)]["item"])  # "blue top grey bottom"
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
        elif one.can_be("gender") and not self.items:  # "a character", printed only on something
            self.person_noun(one)
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
            if action.value in _OF_SUBJECTS and self.subjects_open and self.last_at == here - 1:
                return  # "her sunglasses sit on her head"
            if action.value == "look" and self._coloured_next(self.at):
                self.verb("be", one.word)  # "trousers, which look grey"
                return
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

    def _bottom_half(self) -> bool:
        """ "A blue top, a grey ‹bottom›", not the bottom of the shoes or of a bag."""
        last = self.last
        worn = not isinstance(last, ItemDraft) or last.slot in ("upper", "outer", "headwear")
        return worn and self.determiner in ("", "a") and self.link not in ("with", "have")

    def _preposition(self, meaning: Meaning) -> None:
        if isinstance(self.last, HairDraft) and meaning.value in ("up", "down") and not self._body_ahead():
            self.flush()
            self.hair_read.style.append(value_of(self.marks[self.at - 1], meaning.value))  # "her hair is down"
            return
        if meaning.value in LAYERS and self._layer_opens(meaning.value):
            return
        if meaning.value in _AROUND and self._pronoun_next():
            self.at += 1
            self.place(self.at - 2, self.at - 1, meaning.value, "", _AROUND[meaning.value])
            return
        self.flush()
        self.link = meaning.value
        if meaning.value == "in":
            self.relation = "worn"
        if meaning.value in LAYERS and isinstance(self.last, ItemDraft):
            if self._item_comes():
                self.layer = (meaning.value, self.last, self.marks[self.at - 1].start)
            elif len(self.items) > 1 and self.items[-1] is self.last:
                # "a robe and a suit ‹under› it"
                here = self.marks[self.at - 1]
                self.last.where.append(value_of(here, f"{meaning.value} {self.items[-2].called_beside(self.last)}"))

    def _layer_opens(self, preposition: str) -> bool:
        """ "‹Under it› she wears …", "‹over the› dress is …", where a clause begins: the layer of an item to come."""
        here, before, following = self.marks[self.at - 1], self.mark_at(self.at - 2), self.mark_at(self.at)
        if following is None or not (before is None or before.closed in ("stop", "comma", "and")):
            return False
        known = self.last if isinstance(self.last, ItemDraft) else self.previous
        pronoun = following.word in ("it", "this", "that", "which", "them")
        if pronoun and following.closed and self._item_next(self.at + 1):
            pronoun = False  # "under ‹this› jacket"
        if (pronoun and not isinstance(known, ItemDraft)) or not (pronoun or following.closed in ("the", "whose")):
            return False
        self.flush()
        self.last, self.link = None, ""
        self.beneath = (value_of(here, preposition), known if pronoun and isinstance(known, ItemDraft) else None)
        self.at += pronoun
        return True

    def _place(self, here: int) -> bool:
        """Read "on his left shoulder", "in hand", "down to the knees"; False where no such phrase begins."""
        opening = self.marks[here]
        preposition = opening.can_be("preposition")
        action = opening.can_be("action")
        of_thing = (action is not None and action.value in _OF_THINGS) or opening.word in _COVER
        if of_thing and isinstance(self.last, (ItemDraft, HairDraft)):
            preposition = _TO  # "a skirt reaching her knees", "glasses covering his eyes"
        following = self.mark_at(here + 1)
        if opening.word == "round" and (following is None or following.closed not in ("the", "whose")):
            return False  # "a round neck"
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
            if body is not None and not one.closed and not (one.can_be("side") and self.body_at(j + 1)):
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
                if self._side_of_marking(here, j):
                    return True
                if self._hand_understood(j, preposition):
                    self.at = j + 1
                    self.place(here, j, "in", side.value, self.limb)
                    return True
                continue
            if one.can_be("preposition"):
                continue
            # "under her ‹straight› right arm"
            if one.can_be("detail", "hair_style") and not one.can_be("item") and not passed_over:
                passed_over += 1
                continue
            return False
        return False

    def _hand_understood(self, here: int, preposition: Meaning | None) -> bool:
        """ "A bag in one hand and a cup in the ‹other›"."""
        following = self.mark_at(here + 1)
        ends = following is None or bool(following.closed) or following.can_be("verb", "gender") is not None
        side = self.marks[here].can_be("side")
        told = side is not None and side.value in SIDES and not self.marks[here].word.endswith("side")
        return told and ends and bool(self.limb) and preposition is not None and preposition.value in ("in", "on")

    def _side_of_marking(self, here: int, last: int) -> bool:
        """ "A shirt with letters ‹on the front›": where the marking is."""
        if self.last_part is None or self.last_at != here - 1 or self.body_at(last + 1):
            return False
        start, end = self.marks[here].start, self.marks[last].end
        self.last_part.details.append(
            Value(self.marks[last].meanings["side"].value, self.text[start:end], (start, end))
        )
        self.at = last + 1
        return True

    def _second_place(self, preposition: str) -> None:
        """ "On legs ‹and arms›"."""
        if self.at + 1 < len(self.marks) and self.marks[self.at].closed == "and":
            one = self.marks[self.at + 1]
            body = one.can_be("body")
            if body is not None and not one.closed and not self._goes_on(self.at + 2):
                self.at += 2
                self.place(self.at - 1, self.at - 1, preposition, "", body.value)
