"""What is said of what: describing words, places and parts given to the noun they belong to."""

from ...schemas.attributes import Colour, Person, Relation, Slot, Value
from .drafts import BodyHead, HairDraft, Head, ItemDraft, PartDraft, PersonHead, colours_of, value_of
from .lexicon.load import Meaning, lexicon
from .marks import Mark

_Waiting = list[tuple[int, Mark]]
_GARMENTS: frozenset[Slot] = frozenset(("upper", "outer", "lower", "dress", "legwear", "footwear"))
_WORN = _GARMENTS | {"headwear"}
# Of "a black shirt and pants" both are black; of "black pants and boots" who knows.
_MATCHED: frozenset[Slot] = frozenset(("upper", "outer", "lower"))
# Words for a part that are describing words in the lexicon: "with short sleeves", "with a roll neck".
_PART_LIKE = frozenset(
    ("sleeve", "sleeves", "neck", "neckline", "collar", "toe", "toes", "heel", "heels", "leg", "legs")
)
_REACHING = frozenset(("to", "above", "below", "past", "down"))
_NAMELESS = frozenset(("something", "object", "item", "thing"))
_PRONOUNS = frozenset(("he", "she", "they", "him", "them", "himself", "herself", "themselves"))
# Where a noun goes that only says what kind of thing an item is.
_FIELD = {"marking": "pattern", "graphic": "graphic", "part": "style", "item": "style"}
_HAIR_COLOURS = frozenset(("blonde", "brunette", "auburn", "ginger"))


class Attach:
    """What was read so far, and what waits."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.marks: list[Mark] = []
        self.at = 0
        # Read so far.
        self.items: list[ItemDraft] = []
        self.hair_read = HairDraft()
        self.genders: list[Value] = []
        self.traits: dict[str, list[Value]] = {"age": [], "build": [], "ethnicity": []}
        self.facial: list[Value] = []
        self.actions: list[Value] = []
        self.others: list[Value] = []
        self._begin_clause()
        self.previous: Head | None = None

    def _begin_clause(self) -> None:
        self.waiting: _Waiting = []
        self.waiting_link = ""
        self.last: Head | None = None
        self.last_at = self.place_at = -1
        self.last_named = False
        self.last_part: PartDraft | None = None
        self.link = ""
        self.relation: Relation | None = None
        self.determiner = ""
        self.number: Mark | None = None
        self.negated = False
        self.places: list[Value] = []
        self.layer: tuple[str, ItemDraft] | None = None
        self.parts_ahead: list[PartDraft] = []
        self.comma = self.conjunction = -1
        self.items_since_verb = 0

    # Boundaries

    def stop(self) -> None:
        """The end of a sentence."""
        self.flush()
        self.others.extend(self.places)
        self.others.extend(part.name for part in self.parts_ahead)
        previous = self.last
        self._begin_clause()
        self.previous = previous

    def wait(self, here: int, one: Mark) -> None:
        """A describing word whose noun is not known yet."""
        if not self.waiting:
            self.waiting_link = "" if self.determiner == "a" else self.link
        self.waiting.append((here, one))

    def settle(self, describes_on: bool) -> None:
        """At a comma or "and": words that wait belong to the last noun where they stand behind it, not before another.

        "Shoes, black, …", "sweat pants grey, …", "with short sleeves and …", "is buttoned up, and …", "a skirt in
        brown, …". `describes_on`: more describing words come, perhaps of the same noun to come.
        """
        last = self.last
        if not self.waiting or not isinstance(last, (ItemDraft, HairDraft)):
            return
        marks = [one for _, one in self.waiting]
        behind = self.waiting_link in ("in", "be") and not describes_on
        part_like = self.waiting_link == "with" and marks[-1].word.rsplit(" ", 1)[-1] in _PART_LIKE
        between = [one for one in self.marks[self.last_at + 1 : self.waiting[0][0]] if not one.can_be("filler")]
        adjacent = all(one.closed == "comma" for one in between) and len(between) < 2
        state = not between and all(_is_state(one) for one in marks)
        bare = adjacent and isinstance(last, ItemDraft) and not last.colours
        following = self.marks[self.at] if self.at < len(self.marks) else None
        framed = (
            bool(between) and self.comma == self.at and following is not None and following.can_be("colour", "shade")
        )
        of_stuff = self.waiting_link == "in" and _is_material(marks[-1])
        if behind or part_like or state or of_stuff or (bare and (not describes_on or framed)):
            waiting, self.waiting = self.waiting, []
            self._say_of(self.last_part if state and self.last_part is not None else last, waiting)
            self.link = ""

    def another(self, one: Mark) -> bool:
        """ "A red bag and a blue ‹one›": the last item again, with its own describing words."""
        following = self.marks[self.at] if self.at < len(self.marks) else None
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

    def flush(self) -> None:
        """Words still waiting, and no noun came: they are said of the last one, or of the clothes as a whole."""
        waiting, self.waiting = self.waiting, []
        self.determiner, number, self.number = "", self.number, None
        if number is not None:
            self._otherwise(number)
        if not waiting:
            return
        waiting = self._to_hair(waiting)
        if not waiting:
            return
        coloured = any(one.can_be("colour", "shade") for _, one in waiting)
        if coloured and self.waiting_link in ("in", "wear") and not isinstance(self.last, ItemDraft):
            colours, rest = colours_of(waiting, self.text)
            name = Value("clothes", colours[0].text, colours[0].span)
            self.items.append(ItemDraft("dress", name, colours=colours, relation="worn"))
            waiting = rest
        adjacent = bool(waiting) and waiting[0][0] == self.last_at + 1
        if self.last_part is not None and adjacent and all(_is_state(one) for _, one in waiting):
            self._say_of(self.last_part, waiting)  # "with the top buttons undone"
            return
        self._say_of(self.last, waiting)

    # Nouns

    def person_noun(self, one: Mark) -> None:
        """ "Man", "she", "the lady": the person."""
        if self._possessive_plural(one):
            return
        if one.word in _PRONOUNS:
            self.flush()
        pronoun = one.meanings["gender"].value == "unknown" and not self.waiting
        if pronoun and isinstance(self.last or self.previous, ItemDraft):
            # "they are brown" may speak of the shoes.
            self.flush()
            self.last = self.last or self.previous
            self.link = ""
            return
        waiting, self.waiting = self._to_hair(self.waiting, before_noun=True), []
        head = PersonHead()
        self._say_of(head, waiting)
        self.gender(one)
        if (age := one.can_be("age")) is not None:
            self.traits["age"].append(value_of(one, age.value))
        self.last, self.link, self.determiner, self.number = head, "", "", None

    def gender(self, one: Mark) -> None:
        """Note the gender that a noun or pronoun tells."""
        meaning = one.can_be("gender")
        if meaning is None or meaning.value == "unknown":
            return
        if all(known.value != meaning.value for known in self.genders):
            self.genders.append(value_of(one, meaning.value))

    def hair(self) -> None:
        """ "Hair": what waits describes it."""
        waiting, self.waiting = self._not_predicate(), []
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
        self._otherwise(one, meaning.value if meaning else None)
        if one.can_be("body"):
            waiting, self.waiting = self.waiting, []
            self._say_of(BodyHead(one.word), waiting)
            before = self.marks[self.at - 2] if self.at > 1 else None
            side = before.can_be("side") if before is not None else None
            name = one.meanings["body"].value
            head = BodyHead(
                f"{side.value} {name}" if side else name, (before.start if side and before else one.start, one.end)
            )
            self.last, self.link, self.determiner = head, "", ""

    def other(self, here: int, one: Mark, *, modifies: bool) -> None:
        """A word the lexicon has no place for: describes what comes, or is a noun of its own."""
        if modifies:
            self.wait(here, one)
            return
        meaning = one.can_be("synonym")
        self._otherwise(one, meaning.value if meaning else None)
        if self.waiting or self.determiner or self.number is not None:
            waiting, self.waiting = self.waiting, []
            self._say_of(BodyHead(one.word), waiting)
            self.last, self.link, self.determiner, self.number = BodyHead(one.word), "", "", None

    def item(self, one: Mark, meaning: Meaning) -> None:
        """A garment, accessory, bag or thing carried."""
        if meaning.value in _NAMELESS and self.relation != "carried":
            return self.other(self.at - 1, one, modifies=False)  # "pointing at something"
        entry = lexicon().items[meaning.value]
        waiting, self.waiting = self._to_hair(self._not_predicate(), before_noun=True), []
        shared = self._shared_colours(entry.slot, bool(entry.implies)) if not waiting else []
        draft = self._same_item(meaning.value, one)
        if draft is None:
            draft = ItemDraft(entry.slot, value_of(one, meaning.value))
            self.items.append(draft)
            draft.relation = self.relation
        elif meaning.value not in (draft.name.value, *lexicon().more_general(draft.name.value)):
            draft.name, draft.slot = value_of(one, meaning.value), entry.slot
        draft.colours.extend(shared)
        self._say_of(draft, waiting)
        draft.absent = draft.absent or self.negated
        if self.number is not None and self.number.meanings["number"].value.isdigit():
            draft.count = int(self.number.meanings["number"].value)
        self.last_named = self.determiner in ("the", "whose")
        draft.plural = meaning.plural
        draft.where.extend(self.places)
        draft.parts.extend(self.parts_ahead)
        if self.layer is not None and self.layer[1] is not draft:
            preposition, outer = self.layer
            outer.where.append(Value(f"{preposition} {draft.name.value}", one.text, (one.start, one.end)))
        self.places, self.parts_ahead, self.layer, self.number = [], [], None, None
        self.last, self.last_at, self.last_part, self.link, self.determiner = draft, self.at - 1, None, "", ""
        self.items_since_verb += 1
        if draft.relation == "carried" and draft.slot in _WORN and self.items_since_verb == 1:
            draft.slot = "carried"  # a jacket in the hand

    def part(self, one: Mark, meaning: Meaning, owner_follows: bool) -> None:
        """A part, marking or printed thing: of the last item, or of the one that follows ("a logo on his shirt")."""
        waiting, self.waiting = self._to_hair(self.waiting, before_noun=True), []
        owner = self.last if isinstance(self.last, ItemDraft) else None
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

    # Verbs and places

    def verb(self, sort: str, word: str) -> None:
        """ "Wears", "carries", "has", "is"."""
        self.flush()
        many = isinstance(self.last, ItemDraft) and self.last.plural and not self.last_named
        if many and sort == "be" and word in ("is", "was"):
            # "A man in grey slacks ‹is› rolled up": one of whom "is" is said, so not the slacks.
            self.last = PersonHead()
        if not self._negation_just_before():
            self.negated = False
        self.link = sort
        if sort == "be" and self.place_at == self.at - 2:
            self._turn_round()
        if sort == "carry" and isinstance(self.last, BodyHead):
            self._held_in(self.last)
        if sort in ("wear", "carry"):
            self.relation = "worn" if sort == "wear" else "carried"
        elif sort == "have":
            self.relation = None
        if sort != "be":
            self.items_since_verb = 0

    def _turn_round(self) -> None:
        """ "On his feet are ‹black shoes›": the place is the next thing's."""
        places = self.last.where if isinstance(self.last, ItemDraft) else self.others
        if places and places[-1].span[1] == self.marks[self.place_at].end:
            self.places.append(places.pop())
        self.last, self.link, self.items_since_verb = None, "", 0

    def _held_in(self, head: BodyHead) -> None:
        """ "Her left hand is holding ‹a leash›": the thing is in the left hand."""
        if head.name.split()[-1] in ("hand", "hands", "arm", "arms") and head.span is not None:
            start, end = head.span
            self.others = [value for value in self.others if not start <= value.span[0] < end]
            self.places.append(Value(head.name, self.text[start:end], head.span))

    def place(self, first: int, last: int, preposition: str, side: str, body: str) -> None:
        """ "On his left shoulder": where the last item is, how long it is, or where the next one will be."""
        self.flush()
        self.place_at = last
        start, end = self.marks[first].start, self.marks[last].end
        text = self.text[start:end]
        head = self.last
        if isinstance(head, PartDraft):
            head = None
        if isinstance(head, HairDraft) and body in lexicon().length_at["hair"] and preposition != "on":
            past = "past " if "past" in text.lower() or "below" in text.lower() else ""
            head.length.append(Value(f"{past}{body} length", text, (start, end)))
            return
        if isinstance(head, ItemDraft):
            told = preposition in _REACHING and body in lexicon().length_at["garment"]
            if head.slot in _GARMENTS and told:
                relation = next((word for word in ("above", "below", "past") if word in text.lower().split()), "")
                head.details.setdefault("length", []).append(
                    Value(f"{relation} {body}".strip() if relation else f"{body} length", text, (start, end))
                )
                return
            if head.slot in _GARMENTS and self.last_part is not None and self.last_at == first - 1:
                self.last_part.details.append(Value(f"{side} {body}".strip(), text, (start, end)))
                return
            head.where.append(Value(f"{side} {body}".strip(), text, (start, end)))
            if body in ("hand", "arm") and head.slot in _WORN - {"legwear"} and head.relation is None:
                head.relation, head.slot = "carried", "carried"
            return
        value = Value(f"{side} {body}".strip(), text, (start, end))
        if head is None and not self.items_since_verb:
            self.places.append(value)
        else:
            self.others.append(value)

    # The result

    def person(self) -> Person:
        """What was read."""
        return Person(
            gender=tuple(self.genders),
            age=tuple(_once(self.traits["age"])),
            build=tuple(_once(self.traits["build"])),
            ethnicity=tuple(_once(self.traits["ethnicity"])),
            hair=self.hair_read.build(),
            facial_hair=tuple(_once(self.facial)),
            items=tuple(draft.build() for draft in self.items),
            actions=tuple(self.actions),
            others=tuple(sorted(self.others, key=lambda value: value.span)),
        )

    # Helpers

    def _say_of(self, head: Head | None, waiting: _Waiting) -> None:
        """Give describing words to a noun; what cannot be said of it goes to `others`."""
        if not waiting:
            return
        if isinstance(head, (ItemDraft, PartDraft, HairDraft)):
            colours, rest = colours_of(waiting, self.text)
            head.colours.extend(colours)
            for _, one in rest:
                if isinstance(head, HairDraft):
                    self._say_of_hair(head, one)
                elif (detail := one.can_be("detail", "marking", "graphic", "part", "item")) is not None:
                    field = _FIELD.get(detail.kind) or detail.group
                    if isinstance(head, ItemDraft):
                        head.details.setdefault(field, []).append(value_of(one, detail.value))
                    else:
                        head.details.append(value_of(one, detail.value))
                elif (trait := one.can_be("ethnicity")) is not None:
                    self.traits["ethnicity"].append(value_of(one, trait.value))
                elif isinstance(head, ItemDraft):
                    head.details.setdefault("style", []).append(value_of(one, one.word))
                else:
                    head.details.append(value_of(one, one.word))
            return
        for _, one in waiting:
            meaning = one.can_be("age", "build", "ethnicity") if isinstance(head, PersonHead) or head is None else None
            if meaning is not None:
                self.traits[meaning.kind].append(value_of(one, meaning.value))
            elif isinstance(head, PersonHead) and (colour := one.can_be("colour")) is not None:
                if colour.value in _HAIR_COLOURS:
                    self.hair_read.colours.append(Colour(colour.value, one.text, (one.start, one.end), colour.group))
                else:
                    self.traits["ethnicity"].append(value_of(one, colour.value))
            else:
                self._otherwise(one, of=head.name if isinstance(head, BodyHead) else "")

    def _say_of_hair(self, head: HairDraft, one: Mark) -> None:
        meaning = one.can_be("hair_length", "hair_style", "detail")
        if meaning is None and (trait := one.can_be("ethnicity", "age")) is not None:
            self.traits[trait.kind].append(value_of(one, trait.value))
        elif meaning is None:
            self._otherwise(one, of="hair")
        elif meaning.kind == "hair_length":
            head.length.append(value_of(one, meaning.value))
        else:
            head.style.append(value_of(one, meaning.value))

    def _to_hair(self, waiting: _Waiting, *, before_noun: bool = False) -> _Waiting:
        """Give "ponytail", "bald" and what stands before it to the hair; the rest is handed back."""
        hair_only = [
            n for n, (_, one) in enumerate(waiting) if one.can_be("hair_style") and not one.can_be("detail", "build")
        ]
        if not hair_only:
            return waiting
        cut = hair_only[-1] + 1
        self._say_of(self.hair_read, waiting[:cut])
        rest = waiting[cut:]
        if not before_noun and rest and not isinstance(self.last, ItemDraft):
            self._say_of(self.hair_read, rest)
            return []
        return rest

    def _not_predicate(self) -> _Waiting:
        """Of what waits, the words for the noun that comes; the others are said of the last one.

        "Her skirt is navy and black ‹boots›…": behind "is" the first words are the skirt's.
        """
        waiting = self.waiting
        if not waiting or self.waiting_link != "be" or not isinstance(self.last, (ItemDraft, HairDraft)):
            return waiting
        cut = next(
            (n for n in range(len(waiting) - 1, 0, -1) if self._joined_by_and(waiting[n - 1][0], waiting[n][0])), 0
        )
        if not cut:
            first = 1 + (waiting[0][1].can_be("shade") is not None and len(waiting) > 1)
            cut = min(first, len(waiting))
        self._say_of(self.last, waiting[:cut])
        return waiting[cut:]

    def _joined_by_and(self, first: int, second: int) -> bool:
        return any(one.closed == "and" for one in self.marks[first + 1 : second])

    def _shared_colours(self, slot: Slot, implied: bool) -> list[Colour]:
        """ "A black shirt and pants": both are black; of "a white shirt and jeans" nobody thinks so."""
        directly = self.conjunction == self.at - 1 and self.comma < self.conjunction - 1
        if directly and isinstance(self.last, ItemDraft) and not self.determiner and self.number is None:
            plain = not (self.last.parts or self.last.where or self.negated or implied)
            return list(self.last.colours) if plain and {slot, self.last.slot} <= _MATCHED else []
        return []

    def _same_item(self, name: str, one: Mark) -> ItemDraft | None:
        """An item named before that this noun speaks of again, or none."""
        last = self.last
        if isinstance(last, ItemDraft) and last.is_or_becomes(name):
            behind = last is self.items[-1] and self.link in ("", "be") and not self.determiner
            if self.link == "be" or (behind and self.conjunction < self.at - 1 and self.comma < self.at - 1):
                adjacent = self.at >= 2 and self.marks[self.at - 2].start == last.name.span[0]
                if self.link == "be" or adjacent:
                    return last
        if self.determiner in ("the", "whose"):
            for draft in reversed(self.items):
                if draft.is_or_becomes(name) and not draft.absent:
                    return draft
        return None

    def _negation_just_before(self) -> bool:
        """ "Is not ‹wearing› a hat" denies the hat; "no hat ‹holding› a cup" not the cup."""
        return self.at > 1 and self.marks[self.at - 2].can_be("negation") is not None

    def _possessive_plural(self, one: Mark) -> bool:
        """ "Men's shoes", "a women's jacket": a kind of thing, nobody's gender."""
        follows = self.marks[self.at] if self.at < len(self.marks) else None
        many = one.meanings["gender"].plural or one.word in ("men", "women", "children", "ladies", "gentlemen")
        return many and follows is not None and follows.closed == "'s"

    def _otherwise(self, one: Mark, value: str | None = None, *, of: str = "") -> None:
        value = value or one.word
        self.others.append(value_of(one, f"{of} {value}" if of else value))


def _is_material(one: Mark) -> bool:
    detail = one.can_be("detail")
    return detail is not None and detail.group == "material"


def _is_state(one: Mark) -> bool:
    detail = one.can_be("detail")
    return detail is not None and detail.group == "state"


def _once(values: list[Value]) -> list[Value]:
    return list({value.value: value for value in reversed(values)}.values())[::-1]
