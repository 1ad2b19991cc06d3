"""Verbs and places: what is worn and what carried, where, and how long."""

from ...schemas.attributes import Value
from .drafts import BodyHead, HairDraft, ItemDraft, PartDraft, PersonHead, value_of
from .lexicon.load import lexicon
from .nouns import Nouns
from .state import GARMENTS, WORN

_HANGS = frozenset(
    ("hangs", "hang", "rests", "sits", "lies", "is", "are", "he", "she", "they", "there is", "there are")
)
SIDES = frozenset(("left", "right", "other"))
_HANGING = frozenset(("hang", "hangs", "dangle", "dangles", "rest", "rests", "lies", "sits", "slung", "strapped"))
_REACHING = frozenset(("to", "above", "below", "past", "down"))


class Places(Nouns):
    """What verbs and places do to what was read."""

    def verb(self, sort: str, word: str) -> None:
        """ "Wears", "carries", "has", "is"."""
        if self.aside and self.comma == self.at - 1:
            self.flush()
            self.aside = False  # "who is with an adult in white, ‹wears› …"
        self.flush()
        if sort in ("be", "have") and self.at > 1 and self.marks[self.at - 2].closed == "and":
            self.last = PersonHead()  # "has long hair ‹and is› thin"
        self.part_speaks = sort == "be" and self.last_part is not None and self.last_at == self.at - 2
        many = isinstance(self.last, ItemDraft) and self.last.plural and not self.last_named
        if many and sort == "be" and word in ("is", "was"):
            # "A man in grey slacks ‹is› rolled up": one of whom "is" is said, so not the slacks.
            self.last = PersonHead()
        if not self._negation_just_before():
            self.end_negation()
        self.link = sort
        if sort == "be" and self.place_at == self.at - 2 and self.place_opens:
            self._turn_round()
        if sort == "carry" and not self._held_in_other() and isinstance(self.last, BodyHead):
            self._held_in(self.last)
        if sort in ("wear", "carry"):
            self.relation = "worn" if sort == "wear" else "carried"
        elif sort == "have":
            self.relation = None
        if sort != "be":
            self.items_since_verb = 0

    def place(self, first: int, last: int, preposition: str, side: str, body: str) -> None:
        """ "On his left shoulder": where the last item is, how long it is, or where the next one will be."""
        if self._length_ahead(first, last, preposition, body):
            return
        self.flush()
        self._note_limb(body)
        self.place_at = last
        self.place_opens = first == 0 or self.marks[first - 1].closed in ("stop", "and", "comma")
        start, end = self.marks[first].start, self.marks[last].end
        text = self.text[start:end]
        head = None if isinstance(self.last, PartDraft) or self._opens_clause(first, last) else self.last
        if isinstance(head, ItemDraft) and head.holder is not None:
            head = head.holder
        if self.subject is not None and self._hangs_before(first):
            head = self.subject
        if isinstance(head, HairDraft) and body in lexicon().length_at["hair"] and preposition != "on":
            past = "past " if "past" in text.lower() or "below" in text.lower() else ""
            head.length.append(Value(f"{past}{body} length", text, (start, end)))
            return
        if isinstance(head, ItemDraft):
            told = preposition in _REACHING and body in lexicon().length_at["garment"]
            if head.slot in GARMENTS and told:
                relation = next((word for word in ("above", "below", "past") if word in text.lower().split()), "")
                head.details.setdefault("length", []).append(
                    Value(f"{relation} {body}".strip() if relation else f"{body} length", text, (start, end))
                )
                return
            if head.slot in GARMENTS and self.last_part is not None and self.last_at == first - 1:
                self.last_part.details.append(Value(f"{side} {body}".strip(), text, (start, end)))
                return
            torn = preposition == "at" and head.slot in ("lower", "legwear") and body != "waist"  # "… at the knee"
            if head.slot in GARMENTS and ((body in ("back", "body") and not side) or torn):
                self.others.append(Value(body, text, (start, end)))
                return
            head.where.append(Value(f"{side} {body}".strip(), text, (start, end)))
            if body in ("hand", "arm") and head.slot in WORN - {"legwear"} and head.relation is None:
                head.relation, head.slot = "carried", "carried"
            return
        value = Value(f"{side} {body}".strip(), text, (start, end))
        free = not self.items_since_verb and self.link != "act"  # "hands together in front of her" is a pose
        if head is None and (free or self._opens_clause(first, last)):
            self.places.append(value)
        else:
            self.others.append(value)

    def _length_ahead(self, first: int, last: int, preposition: str, body: str) -> bool:
        """ "Black over-the-knee ‹boots›", "an above the knee black ‹skirt›": how long what comes is."""
        start, end = self.marks[first].start, self.marks[last].end
        hyphened = "-" in self.text[start : end + 1]
        before = bool(self.waiting) or self.determiner == "a"
        if body not in lexicon().length_at["garment"] or not (hyphened or before) or not self._garment_next(last + 1):
            return False
        how = preposition if preposition in ("above", "below", "past", "over") else ""
        value = f"{how} {body}" if how else f"{body} length"
        self.lengths.append(Value(value, self.text[start:end], (start, end)))
        return True

    def _garment_next(self, here: int) -> bool:
        for one in self.marks[here : here + 4]:
            if one.closed or not one.meanings:
                return False
            item = one.can_be("item")
            if item is not None:
                return item.group in GARMENTS
        return False

    def _opens_clause(self, first: int, last: int) -> bool:
        """ "… and on her left shoulder hangs ‹a purse›", "and in his hand he has ‹a phone›"."""
        if first == 0 or self.marks[first - 1].closed not in ("and", "comma") or last + 1 >= len(self.marks):
            return False
        return self.marks[last + 1].word in _HANGS

    def _hangs_before(self, first: int) -> bool:
        """ "A bag with two pins ‹hangs› from one shoulder"."""
        before = self.mark_at(first - 1)
        return before is not None and before.word in _HANGING

    def _turn_round(self) -> None:
        """ "On his feet are ‹black shoes›": the place is the next thing's."""
        places = self.last.where if isinstance(self.last, ItemDraft) else self.others
        if places and places[-1].span[1] == self.marks[self.place_at].end:
            self.places.append(places.pop())
        self.last, self.link, self.items_since_verb = None, "", 0

    def _held_in_other(self) -> bool:
        """ "One hand holds a cup and the ‹other› holds …"."""
        hand = self.mark_at(self.at - 2)
        side = hand.can_be("side") if hand is not None else None
        if hand is None or side is None or side.value not in SIDES or not self.limb:
            return False
        self.others = [value for value in self.others if value.span != (hand.start, hand.end)]
        self.places.append(value_of(hand, f"{side.value} {self.limb}"))
        return True

    def _held_in(self, head: BodyHead) -> None:
        """ "Her left hand is holding ‹a leash›": the thing is in the left hand."""
        if head.name.split()[-1] in ("hand", "hands", "arm", "arms") and head.span is not None:
            start, end = head.span
            self.others = [value for value in self.others if not start <= value.span[0] < end]
            self.places.append(Value(head.name, self.text[start:end], head.span))

    def _negation_just_before(self) -> bool:
        """ "Is not ‹wearing› a hat" denies the hat; "no hat ‹holding› a cup" not the cup."""
        return self.at > 1 and self.marks[self.at - 2].can_be("negation") is not None
