"""Looking ahead: what the words behind the reader's place make of a word."""

from .drafts import ItemDraft
from .lexicon.load import Kind, related
from .marks import Mark
from .modifiers import is_state
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
_OWNED_BY = frozenset(("on", "at", "in", "down", "along", "across", "through", "around", "in front of"))


class Ahead(Places):
    """What comes, as far as it decides what a word is."""

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

    def _item_next(self, here: int) -> bool:
        """Whether describing words and an item come: "this ‹red jacket›"."""
        one = self.mark_at(here)
        return one is not None and (one.can_be("item") is not None or self._noun_follows(here))

    def _coloured_next(self, here: int) -> bool:
        """Whether a colour begins what comes: "a white ‹turtleneck› khaki capris"."""
        one = self.mark_at(here)
        return one is not None and one.can_be("colour", "shade") is not None

    def _names_a_kind(self, here: int, one: Mark) -> bool:
        """The first noun of two: "a ‹drawstring› pouch", "a ‹band› t-shirt". Related items are one told twice."""
        following = self.mark_at(here + 1)
        kind = one.can_be("item", "part", "marking", "graphic", "action")
        if kind is None or following is None or following.closed:
            return False
        if kind.kind == "action":
            # "A lime green ‹cycling› jersey", not "the man is ‹pulling› suitcases".
            before = self.mark_at(here - 1)
            named = before is not None and (bool(before.closed) or before.can_be(*_MODIFIERS) is not None)
            return not one.word.endswith(("s", "ed")) and named and following.can_be("item") is not None
        item = following.can_be("item")
        if kind.kind in ("part", "marking") and item is None:
            # "Green ‹block› letters", "a ‹zipper› pocket".
            return not kind.plural and following.can_be("part", "marking", "graphic") is not None
        if item is None or (kind.plural and kind.kind == "item"):
            return False
        return kind.kind != "item" or not related(kind.value, item.value)

    def _state_next(self) -> bool:
        following = self.mark_at(self.at)
        return following is not None and is_state(following)

    def _describes_on(self) -> bool:
        """Whether describing words go on: "black ‹and white›"."""
        following = self.mark_at(self.at)
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
        """Whether an item comes before the clause ends: "over ‹a blue and white shirt›"."""
        coloured = False
        for one in self.marks[self.at : self.at + 7]:
            if one.closed in ("stop", "comma") or (one.closed == "and" and not coloured):
                return False
            coloured = one.can_be("colour", "shade") is not None
            if one.can_be("item"):
                return True
            if one.can_be("verb", "action", "body") or one.word in ("it", "them", "this"):
                return False
        return False

    def _is_part(self, one: Mark) -> bool:
        """A word that is an item or a part of one (hood, belt, heels): a part behind "with" and an item."""
        if one.can_be("part") is None or self.link == "wear":
            return False
        if self.link == "have" and self.subjects_open and self.last in self.subjects:
            return True  # "her sneakers have green heels"
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

    def _body_ahead(self) -> bool:
        return any(one.can_be("body") for one in self.marks[self.at : self.at + 3])

    def _pronoun_next(self) -> bool:
        """ "In front of ‹her›", and nothing of hers: no "in front of ‹her› body"."""
        first, second = self.mark_at(self.at), self.mark_at(self.at + 1)
        if first is None or first.word not in ("him", "her", "them"):
            return False
        return (
            second is None
            or bool(second.closed)
            or second.can_be("verb", "action", "gender", "preposition") is not None
        )

    def _goes_on(self, here: int) -> bool:
        """Whether a body part is told more of ("with his hands ‹in› his pockets"): no place, but a pose."""
        one = self.mark_at(here)
        return one is not None and one.can_be("preposition", "action", "verb") is not None
