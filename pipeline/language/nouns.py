"""Nouns: the person, the hair, the body, items and their parts, and words the lexicon has no place for."""

from dataclasses import replace

from ...schemas.attributes import Colour, Value
from .drafts import BodyHead, ItemDraft, PartDraft, PersonHead, value_of
from .lexicon.load import Meaning, lexicon
from .marks import Mark
from .modifiers import Modifiers
from .state import GARMENTS, HELD, WORN, Waiting

_GENERIC = frozenset(
    ("shoes", "boots", "pants", "shirt", "top", "skirt", "jacket", "vest", "shorts", "coat", "hat", "socks", "bottoms")
)
_NAMELESS = frozenset(("something", "object", "item", "thing"))
# Before scenery: "outside a shop" is not "in a shop". The others (in, on, at, along …) stand for one another.
_TELLING_PREPOSITIONS = frozenset(
    ("outside", "near", "behind", "beside", "in front of", "under", "over", "above", "below", "toward", "up", "down")
)
_ASIDE = "somebody"
_CARRIED_PEOPLE = frozenset(("child", "kid", "toddler", "baby", "boy", "girl"))
_PRONOUNS = frozenset(("he", "she", "they", "him", "them", "himself", "herself", "themselves"))


class Nouns(Modifiers):
    """What each noun does to what was read."""

    def person_noun(self, one: Mark) -> None:
        """ "Man", "she", "the lady": the person."""
        if self._possessive_plural(one):
            return
        if one.word in _PRONOUNS:
            self.flush()
            relative = self.at > 1 and self.marks[self.at - 2].word in ("that", "which") and self.last_at == self.at - 3
            if relative or (self.last_named and self.last_at == self.at - 2):
                self.gender(one)  # "the shoes ‹she› is wearing are …": the shoes are spoken of
                return
        pronoun = one.meanings["gender"].value == "unknown" and not self.waiting
        if pronoun and isinstance(self.last or self.previous, ItemDraft):
            # "they are brown" may speak of the shoes.
            self.flush()
            self.last = self.last or self.previous
            self.link = ""
            return
        waiting, self.waiting = self._to_hair(self.waiting, before_noun=True), []
        head = PersonHead()
        somebody_else = self._somebody_else(one)
        if self.number is not None and self.number.meanings["number"].value != "one":
            self._otherwise(self.number, self.number.meanings["number"].value)  # "two men"
        if somebody_else:
            self.aside, self.number = True, None
            self._otherwise(one, of=_ASIDE)
            self._say_of(BodyHead(_ASIDE), waiting)
            return
        if self.link == "carry" and one.word in _CARRIED_PEOPLE:
            draft = ItemDraft("carried", value_of(one, "child"), relation="carried")
            self.items.append(draft)
            self._say_of(draft, waiting)
            self.last, self.last_at, self.link, self.determiner = draft, self.at - 1, "", ""
            return
        self._say_of(head, waiting)
        self.gender(one)
        if (age := one.can_be("age")) is not None:
            self.traits["age"].append(value_of(one, age.value))
        self.last, self.link, self.determiner, self.number = head, "", "", None

    def _somebody_else(self, one: Mark) -> bool:
        """ "… walks with ‹a woman› in a white shirt": what is said from here to the end of the sentence is hers."""
        known = bool(self.genders or self.items) and one.word not in _PRONOUNS
        new = self.determiner == "a" or self.number is not None
        return known and new and (self.link in ("with", "beside", "near", "behind") or isinstance(self.last, BodyHead))

    def gender(self, one: Mark) -> None:
        """Note the gender that a noun or pronoun tells."""
        meaning = one.can_be("gender")
        if meaning is None or meaning.value == "unknown" or self.aside:
            return
        if all(known.value != meaning.value for known in self.genders):
            self.genders.append(value_of(one, meaning.value))

    def hair(self, *, haired: bool) -> None:
        """ "Hair": what waits describes it."""
        waiting, self.waiting = self._not_predicate(), []
        if haired and len(waiting) > 1 and waiting[0][1].word == "short" and waiting[1][1].can_be("colour", "shade"):
            self.traits["build"].append(value_of(waiting[0][1], "short"))  # "a short black-haired man"
            waiting = waiting[1:]
        self._say_of(self.hair_read, waiting)
        self.last, self.link, self.determiner, self.number = self.hair_read, "", "", None

    def facial_hair(self, one: Mark) -> None:
        """ "Beard"."""
        waiting, self.waiting = self._to_hair(self.waiting, before_noun=True), []
        if not self.negated:
            self.facial.append(value_of(one, one.meanings["facial_hair"].value))
        self._say_of(BodyHead(one.word), waiting)
        self.last, self.link, self.determiner = BodyHead(one.word), "", ""

    def body(self, one: Mark) -> None:
        """A part of the body, or a side, outside any "on his left shoulder"."""
        meaning = one.can_be("body", "side")
        if one.can_be("body") and len(self._to_hair(self.waiting, before_noun=True)) < len(self.waiting):
            self.waiting, self.last, self.determiner = [], self.hair_read, ""  # "a bald head"
            return
        before = self.mark_at(self.at - 2)
        side = before.can_be("side") if before is not None and not before.closed else None
        if not one.can_be("body"):
            head = self.last
            name = head.name if isinstance(head, BodyHead) else head.name.value if isinstance(head, ItemDraft) else ""
            told = meaning is not None and meaning.value == "both"  # "are ‹both› black"
            if not told and not self.body_at(self.at):  # "right" of "right leg" is told with it
                self._otherwise(one, meaning.value if meaning else None, of=name)
        else:
            waiting, self.waiting = self.waiting, []
            self._say_of(BodyHead(one.word), waiting)
            name = one.meanings["body"].value
            self._otherwise(one, f"{side.value} {name}" if side else name)
            self._note_limb(name)
            head = BodyHead(
                f"{side.value} {name}" if side else name, (before.start if side and before else one.start, one.end)
            )
            self.last, self.link, self.determiner = head, "", ""

    def _note_limb(self, body: str) -> None:
        if body in ("hand", "arm", "shoulder", "wrist"):
            self.limb = body

    def other(self, here: int, one: Mark, *, modifies: bool) -> None:
        """A word the lexicon has no place for: describes what comes, or is a noun of its own."""
        if modifies:
            self.wait(here, one)
            return
        if self._is_printed():
            return self.part(one, Meaning("graphic", one.word), owner_follows=False)
        meaning = one.can_be("synonym")
        how = HELD if self.link == "carry" else self.link if self.link in _TELLING_PREPOSITIONS else ""
        self._otherwise(one, meaning.value if meaning else None, of=how)
        if self.waiting or self.determiner or self.number is not None:
            waiting, self.waiting = self.waiting, []
            self._say_of(BodyHead(one.word), waiting)
            self.last, self.link, self.determiner, self.number = BodyHead(one.word), "", "", None

    def item(self, one: Mark, meaning: Meaning) -> None:
        """A garment, accessory, bag or thing carried."""
        entry = lexicon().items[meaning.value]
        if self.aside:
            self._otherwise(one, meaning.value, of=_ASIDE)
            waiting, self.waiting = self.waiting, []
            return self._say_of(BodyHead(f"{_ASIDE} {meaning.value}"), waiting)
        if entry.slot == "carried" and self._is_printed():
            return self.other(self.at - 1, one, modifies=False)  # "a shirt with a cat on it"
        if meaning.value in _NAMELESS and self.relation != "carried" and not self._in_hand():
            return self.other(self.at - 1, one, modifies=False)  # "pointing at something"
        waiting, self.waiting = self._to_hair(self._not_predicate(), before_noun=True), []
        shared = self._shared_colours(one.word) if not waiting else []
        beside = self._named_beside()
        draft = self._same_item(meaning.value, one)
        if draft is None:
            draft = ItemDraft(entry.slot, value_of(one, meaning.value))
            self.items.append(draft)
            draft.relation = self.relation
        elif meaning.value not in (draft.name.value, *lexicon().more_general(draft.name.value)):
            draft.name, draft.slot = value_of(one, meaning.value), entry.slot
        draft.colours.extend(shared)
        draft.holder = self._holder(waiting)
        self._say_of(draft, waiting)
        self.subjects_open = self.subjects_open if beside else not self.link
        self.subjects = [*beside, draft]
        if not (self.link or self.relation or self.items_since_verb):
            self.subject = draft
        self._layer_above(draft)
        draft.absent = draft.absent or self.negated
        self.negation = None
        if self.number is not None and self.number.meanings["number"].value.isdigit():
            draft.count = int(self.number.meanings["number"].value)
        self.last_named = self.determiner in ("the", "whose")
        draft.plural = meaning.plural
        if self.lengths:
            draft.details.setdefault("length", []).extend(self.lengths)
            self.lengths = []
        draft.where.extend(self.places)
        draft.parts.extend(self.parts_ahead)
        if self.layer is not None and self.layer[1] is not draft:
            preposition, outer, start = self.layer
            told = f"{preposition} {draft.called_beside(outer)}"
            outer.where.append(Value(told, self.text[start : one.end], (start, one.end)))
        self.places, self.parts_ahead, self.layer, self.number = [], [], None, None
        self.last, self.last_at, self.last_part, self.link, self.determiner = draft, self.at - 1, None, "", ""
        self.items_since_verb += 1
        if draft.relation == "carried" and draft.slot in WORN and self.items_since_verb == 1:
            draft.slot = "carried"  # a jacket in the hand

    def another(self, one: Mark) -> bool:
        """ "A red bag and a blue ‹one›": the last item again, with its own describing words."""
        following = self.mark_at(self.at)
        ends = following is None or bool(following.closed) or following.can_be("preposition", "verb") is not None
        if one.word not in ("one", "ones") or not ends or not self.waiting or not isinstance(self.last, ItemDraft):
            return False
        waiting, self.waiting = self.waiting, []
        if self.link == "be":  # "his coat is a long one"
            self._say_of(self.last, waiting)
            return True
        draft = ItemDraft(self.last.slot, value_of(one, self.last.name.value), relation=self.relation)
        self._say_of(draft, waiting)
        self.items.append(draft)
        self.last, self.last_at, self.link, self.determiner = draft, self.at - 1, "", ""
        return True

    def part(self, one: Mark, meaning: Meaning, owner_follows: bool) -> None:
        """A part, marking or printed thing: of the last item, or of the one that follows ("a logo on his shirt")."""
        waiting, self.waiting = self._to_hair(self.waiting, before_noun=True), []
        alone = self.determiner == "a" and not self.link  # "… pants, and a black strap over his chest"
        owner = self.last if isinstance(self.last, ItemDraft) and not alone else None
        draft = PartDraft(value_of(one, meaning.value))
        if self.number is not None:
            draft.details.append(value_of(self.number, self.number.meanings["number"].value))
        self._say_of(draft, waiting)
        if meaning.kind == "graphic" and owner is not None and not owner_follows:
            owner.details.setdefault("graphic", []).append(draft.name)
        if owner_follows:
            self.parts_ahead.append(draft)
        elif owner is not None:
            owner.parts.append(draft)
        else:
            self._otherwise(one, meaning.value)
            self.others.extend(value for value in (*draft.colours, *draft.details))
        self.number, self.determiner = None, ""
        if owner is None:
            self.last, self.link = BodyHead(one.word), ""
        else:
            self.link, self.last_at, self.last_part = "with", self.at - 1, draft

    def _shared_colours(self, word: str) -> list[Colour]:
        """ "A black shirt and pants": both are black; of "a white shirt and sandals" nobody thinks so."""
        directly = self.conjunction == self.at - 1 and self.comma < self.conjunction - 1
        if directly and isinstance(self.last, ItemDraft) and not self.determiner and self.number is None:
            plain = not (self.last.parts or self.last.where or self.negated or self.last.slot not in GARMENTS)
            return list(self.last.colours) if plain and word in _GENERIC else []
        return []

    def _named_beside(self) -> list[ItemDraft]:
        """The items of which nothing is said yet and that only "and" parts from the one that comes."""
        last = self.last
        if not (isinstance(last, ItemDraft) and self.subjects and self.subjects[-1] is last):
            return []
        said = last.colours or last.details or last.parts or last.where
        between = self.marks[self.last_at + 1 : self.at - 1]
        joined = all(one.closed in ("and", "comma", "a", "the", "whose") for one in between)
        return self.subjects if joined and not said else []

    def _holder(self, waiting: Waiting) -> ItemDraft | None:
        """ "A cup ‹of coffee›": the cup."""
        first = waiting[0][0] if waiting else self.at - 1
        before = self.mark_at(first - 1)
        inside = before is not None and before.word == "of" and self.last_at == first - 2
        held = isinstance(self.last, ItemDraft) and self.last.slot in ("bag", "carried")
        return self.last if inside and held and isinstance(self.last, ItemDraft) else None

    def _layer_above(self, draft: ItemDraft) -> None:
        """ "Under it she wears ‹a shirt›"; "over the ‹dress› is a cardigan": the dress is what the next is over."""
        if self.beneath is None:
            return
        how, other = self.beneath
        if other is None:
            self.beneath = (how, draft) if draft is not self.items[-1] or self.determiner in ("the", "whose") else None
        elif other is not draft:
            draft.where.append(replace(how, value=f"{how.value} {other.called_beside(draft)}"))
            self.beneath = None

    def _same_item(self, name: str, one: Mark) -> ItemDraft | None:
        """An item named before that this noun speaks of again, or none."""
        last = self.last
        if isinstance(last, ItemDraft) and last.is_or_becomes(name):
            behind = last is self.items[-1] and self.link in ("", "be") and not self.determiner
            if self.link == "be" or (behind and self.conjunction < self.at - 1 and self.comma < self.at - 1):
                between = [one for one in self.marks[self.last_at + 1 : self.at - 1] if not one.can_be("filler")]
                adjacent = not between and not self.waiting
                if self.link == "be" or adjacent:
                    return last
        if self.determiner in ("the", "whose"):
            for draft in reversed(self.items):
                if draft.is_or_becomes(name) and not draft.absent:
                    return draft
        return None

    def _in_hand(self) -> bool:
        return any(one.word in ("hand", "hands", "arm", "arms") for one in self.marks[self.at : self.at + 4])

    def _is_printed(self) -> bool:
        """ "A shirt with a skull ‹on it›", "with a bear ‹on the front›": a picture."""
        if self.link != "with" or not isinstance(self.last, ItemDraft) or self.last.slot not in GARMENTS:
            return False
        ahead = [one.word for one in self.marks[self.at : self.at + 3]]
        return bool(ahead) and ahead[0] in ("on", "across") and bool({"it", "front", "chest", "back"} & set(ahead[1:]))

    def _possessive_plural(self, one: Mark) -> bool:
        """ "Men's shoes", "a women's jacket": a kind of thing, nobody's gender."""
        follows = self.mark_at(self.at)
        many = one.meanings["gender"].plural or one.word in ("men", "women", "children", "ladies", "gentlemen")
        return many and follows is not None and follows.closed == "'s"
