"""Describing words: they wait for their noun, or go back to the last one."""

from ...schemas.attributes import Colour, Value
from .drafts import BodyHead, HairDraft, Head, ItemDraft, PartDraft, PersonHead, colours_of, value_of
from .marks import Mark
from .state import State, Waiting

# Words for a part that are describing words in the lexicon: "with short sleeves", "with a roll neck".
_PART_LIKE = frozenset(
    (
        "sleeve",
        "sleeves",
        "neck",
        "neckline",
        "collar",
        "toe",
        "toes",
        "heel",
        "heels",
        "leg",
        "legs",
        "pattern",
        "print",
        "design",
    )
)
# Where a noun goes that only says what kind of thing an item is.
_FIELD = {"marking": "pattern", "graphic": "graphic", "part": "style", "item": "style"}
# "A black man", "he is white": no colour of clothes. Of a blue man nobody speaks.
_SKIN = frozenset(("black", "white", "brown"))
_HAIR_COLOURS = frozenset(("blonde", "brunette", "auburn", "ginger"))


class Modifiers(State):
    """What is said of what."""

    def stop(self) -> None:
        """The end of a sentence."""
        self.flush()
        self.end_negation()
        self.others.extend((*self.places, *self.lengths))
        self.others.extend(part.name for part in self.parts_ahead)
        previous = self.last
        self._begin_clause()
        self.previous = previous

    def end_negation(self) -> None:
        """ "No bangs", "cannot be seen": what is denied is no item."""
        self.negated, negation, self.negation = False, self.negation, None
        if negation is not None:
            self._otherwise(negation, "not")

    def wait(self, here: int, one: Mark) -> None:
        """A describing word whose noun is not known yet."""
        if one.word.endswith(" into") and is_state(one) and isinstance(self.last, ItemDraft) and not self.waiting:
            self._say_of(self.last, [(here, one)])  # "a polo tucked into his shorts"
            return
        if not self.waiting:
            self.waiting_link = "" if self.determiner else self.link
            if one.can_be("colour", "shade") and self._of_last(here):
                self.waiting_link = "in"
        self.waiting.append((here, one))

    def _of_last(self, here: int) -> bool:
        """ "A top ‹of› white and navy", "a skirt ‹of the same› navy"."""
        while here > 1 and self.marks[here - 1].word in ("a", "the", "same"):
            here -= 1
        return here > 1 and self.marks[here - 1].word == "of" and self.last_at == here - 2

    def settle(self, describes_on: bool) -> None:
        """At a comma or "and": words that wait belong to the last noun where they stand behind it, not before another.

        "Shoes, black, …", "sweat pants grey, …", "with short sleeves and …", "is buttoned up, and …", "a skirt in
        brown, …". `describes_on`: more describing words come, perhaps of the same noun to come.
        """
        last = self.last
        if self.waiting and self._stands_alone() and all(one.can_be("age") for _, one in self.waiting):
            waiting, self.waiting = self.waiting, []
            self.traits["age"].extend(value_of(one, one.meanings["age"].value) for _, one in waiting)  # "male, 50s, …"
            return
        if self.waiting and self.waiting_link in ("in", "wear") and self._another_coloured():
            self.flush()  # "in ‹white›, blue jeans and …"
            return
        if not self.waiting or not isinstance(last, (ItemDraft, HairDraft)):
            return
        marks = [one for _, one in self.waiting]
        behind = self.waiting_link in ("in", "be") and not describes_on
        part_like = self.waiting_link == "with" and marks[-1].word.rsplit(" ", 1)[-1] in _PART_LIKE
        between = [one for one in self.marks[self.last_at + 1 : self.waiting[0][0]] if not one.can_be("filler", "side")]
        adjacent = all(one.closed == "comma" for one in between) and len(between) < 2
        state = adjacent and all(is_state(one) for one in marks)
        bare = adjacent and isinstance(last, ItemDraft) and not last.colours
        following = self.mark_at(self.at)
        framed = (
            bool(between) and self.comma == self.at and following is not None and following.can_be("colour", "shade")
        )
        of_stuff = self.waiting_link == "in" and _is_material(marks[-1])
        if behind and self.last_part is not None and (self.part_speaks or self._in_behind_part(self.waiting)):
            waiting, self.waiting = self.waiting, []
            self._say_of(self.last_part, waiting)
            self.link, self.part_speaks = "", False
            return
        if behind or part_like or state or of_stuff or (bare and (not describes_on or framed)):
            waiting, self.waiting = self.waiting, []
            if state and self.last_part is not None:
                self._say_of(self.last_part, waiting)
            else:
                self._say_of_subjects(last, waiting)
            self.link = ""

    def _in_behind_part(self, waiting: Waiting) -> bool:
        """ "A collar ‹in navy›"."""
        first = waiting[0][0] if waiting else 0
        return self.waiting_link == "in" and self.last_at == first - 2 and self.marks[first - 1].word == "in"

    def _stands_alone(self) -> bool:
        """Whether what waits stands between commas, and words are not still coming."""
        before = self.mark_at(self.waiting[0][0] - 1)
        return self.comma == self.at and (before is None or before.closed in ("comma", "stop"))

    def _another_coloured(self) -> bool:
        """Whether, behind a comma, one colour and its item come."""
        first, second = self.mark_at(self.at), self.mark_at(self.at + 1)
        comma = self.comma == self.at and first is not None and first.can_be("colour") is not None
        return comma and second is not None and second.can_be("item") is not None

    def flush(self) -> None:
        """Words still waiting, and no noun came: they are said of the last one, or of the clothes as a whole."""
        waiting, self.waiting = self.waiting, []
        self.determiner, number, self.number = "", self.number, None
        if number is not None:
            self._otherwise(number, number.meanings["number"].value)
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
        if self.last_part is not None and (self.part_speaks or self._in_behind_part(waiting)) and waiting:
            self._say_of(self.last_part, waiting)  # "whose sleeves are white"
            return
        if self.last_part is not None and adjacent and all(is_state(one) for _, one in waiting):
            self._say_of(self.last_part, waiting)  # "with the top buttons undone"
            return
        self._say_of_subjects(self.last, waiting)

    def _say_of_subjects(self, last: Head | None, waiting: Waiting) -> None:
        """ "His shirt and pants are ‹both black›": of everything that the verb is said of."""
        bare = isinstance(last, ItemDraft) and not last.colours
        self._say_of(last, waiting)
        before = self.mark_at(waiting[0][0] - 1) if waiting else None
        of_all = before is not None and before.word in ("all", "both")
        if bare and self.subjects and self.subjects[-1] is last and (of_all or self._subjects_speak()):
            for subject in self.subjects[:-1]:
                subject.colours.extend(self.subjects[-1].colours)

    def _subjects_speak(self) -> bool:
        """Whether the items that "and" joins open the sentence: not "he wears a hat and shoes that are …"."""
        return self.waiting_link == "be" and self.subjects_open

    def _say_of(self, head: Head | None, waiting: Waiting) -> None:
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
        alone = isinstance(head, PersonHead) and (self.waiting_link == "be" or waiting[-1][0] == self.at - 2)
        for _, one in waiting:
            meaning = one.can_be("age", "build", "ethnicity") if isinstance(head, PersonHead) or head is None else None
            if meaning is not None:
                self.traits[meaning.kind].append(value_of(one, meaning.value))
            elif isinstance(head, PersonHead) and (colour := one.can_be("colour")) is not None:
                if colour.value in _HAIR_COLOURS:
                    self.hair_read.colours.append(Colour(colour.value, one.text, (one.start, one.end), colour.group))
                elif colour.value in _SKIN and alone:
                    self.traits["ethnicity"].append(value_of(one, colour.value))
                else:
                    self._otherwise(one)
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

    def _to_hair(self, waiting: Waiting, *, before_noun: bool = False) -> Waiting:
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

    def _not_predicate(self) -> Waiting:
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


def _is_material(one: Mark) -> bool:
    detail = one.can_be("detail")
    return detail is not None and detail.group == "material"


def is_state(one: Mark) -> bool:
    """Whether a word tells a state: open, rolled up, tucked in."""
    detail = one.can_be("detail")
    return detail is not None and detail.group == "state"
