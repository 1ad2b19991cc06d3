"""The validation every source goes through, whole, before anything else is done with it."""

import re
from collections.abc import Sequence
from typing import Never

from ...schemas.errors import UserError
from ...schemas.source import Findings, SourceImage
from .images import normal_path
from .repairs import repair
from .table import CAPTION_COLUMNS, Row, Table
from .textfile import named

SPLITS = {"train": "train", "val": "val", "test": "test", "valid": "val", "validation": "val", "dev": "val"}
"""Every spelling of a split that is accepted, and ours."""
LONG_CAPTION_CHARACTERS = 2000
"""Captions longer than this are warned of and left as they are; the model refuses those that do not fit."""

_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGITS = re.compile(r"[0-9]{1,18}")
_LARGEST_PID = 2**63 - 1  # an Arrow int64


class _Dataset:
    """What must be unique or agree within one dataset of the source."""

    __slots__ = ("image_ids", "name", "paths", "splits")

    def __init__(self, name: str) -> None:
        self.name = name
        self.paths: dict[str, int] = {}
        self.image_ids: dict[object, int] = {}
        self.splits: dict[int, tuple[str, int]] = {}


class _Draft:
    """An image whose captions may still be coming; `number` is its first record."""

    __slots__ = ("captions", "dataset", "file_path", "number", "pid", "split")

    def __init__(self, dataset: str, file_path: str, pid: int, split: str, number: int) -> None:
        self.dataset, self.file_path, self.pid, self.split, self.number = dataset, file_path, pid, split, number
        self.captions: list[str] = []


class Validation:
    """One pass over a table's rows, in order; raises at the first thing that cannot be used, naming where it is."""

    def __init__(self, table: Table) -> None:
        self.warnings, self.repairs = Findings(), Findings()
        self._table = table
        self._drafts: list[_Draft] = []
        self._datasets: dict[str, _Dataset] = {}
        self._owner_of_text: dict[str, int] = {}
        self._shared_texts: set[str] = set()

    def run(self) -> tuple[list[SourceImage], list[int]]:
        """Every image that has a caption, and the number of its first record. Raises UserError."""
        for number, row in enumerate(self._table.rows):
            if row.get("origin") != "llm":  # a rewrite in a table of our own making
                self._add(number, row)
        images, numbers = [], []
        self._drafts.reverse()
        while self._drafts:  # popped, so that drafts and images are never in memory together
            draft = self._drafts.pop()
            image = SourceImage(draft.dataset, draft.file_path, draft.pid, draft.split, tuple(draft.captions))
            if image.captions:
                images.append(image)
                numbers.append(draft.number)
            else:
                self.warnings.add("image_without_caption", image.image_id)
        return images, numbers

    def _add(self, number: int, row: Row) -> None:
        keys = self._table.keys
        key = self._caption_key(number, row)
        try:
            path, pid, split = row[keys.file_path], row[keys.pid], row[keys.split]
            captions = row[key]
        except KeyError as error:
            mend = f"every record needs {keys.file_path}, {keys.pid}, {keys.split} and {keys.captions}"
            raise UserError(f"missing key `{error.args[0]}`", where=self._table.place(number), mend=mend) from error
        dataset = self._dataset(number, row.get("dataset"))
        draft = _Draft(
            dataset.name, self._path(number, path), self._pid(number, pid), self._split(number, split), number
        )
        self._same_split(number, dataset, draft)
        image_id = self._image_id(number, row.get("image_id"))
        index = dataset.paths.get(draft.file_path)
        # A row a caption, as a text or as a list of one (as COCO's captions come): an image's rows are put together.
        one_caption = self._table.one_caption_rows and (
            isinstance(captions, str) or (isinstance(captions, list) and len(captions) == 1)
        )
        if index is None:
            index = dataset.paths[draft.file_path] = len(self._drafts)
            self._new_image_id(number, dataset, image_id, index)
            self._drafts.append(draft)
        else:
            self._same_image(number, dataset, draft, index, image_id, one_caption)
            draft = self._drafts[index]
        texts = [captions] if isinstance(captions, str) and one_caption else self._list(number, key, captions)
        for position, text in enumerate(texts):
            self._caption(number, f"{key}[{position}]", text, draft, index)

    # What a record says, one key each.

    def _dataset(self, number: int, name: object) -> _Dataset:
        name = self._table.dataset if name is None else name
        if isinstance(name, str) and name in self._datasets:
            return self._datasets[name]
        if not isinstance(name, str) or not _DATASET.fullmatch(name):
            self._refuse(number, "dataset", f"is not a short name but {named(name)}", "use letters, digits, . _ and -")
        return self._datasets.setdefault(name, _Dataset(name))

    def _path(self, number: int, path: object) -> str:
        key = self._table.keys.file_path
        if not isinstance(path, str):
            self._refuse(number, key, f"is not a text but {named(path)}", "give the image's path below its folder")
        try:
            return normal_path(path)
        except ValueError as error:
            mend = "give the image's path below the images' root, with forward slashes"
            self._refuse(number, key, f"{error}: {path[:80]!r}", mend)

    def _pid(self, number: int, pid: object) -> int:
        if isinstance(pid, str) and _DIGITS.fullmatch(pid):
            return int(pid)
        if isinstance(pid, bool) or not isinstance(pid, int) or not 0 <= pid <= _LARGEST_PID:
            what = f"is not a whole number from 0 but {named(pid)}"
            self._refuse(number, self._table.keys.pid, what, "number the identities")
        return pid

    def _split(self, number: int, split: object) -> str:
        if isinstance(split, str) and split in SPLITS:
            return SPLITS[split]
        self._refuse(number, self._table.keys.split, f"unknown split: {named(split)}", f"one of {', '.join(SPLITS)}")

    def _caption_key(self, number: int, row: Row) -> str:
        """What the row calls its captions: lines of JSON Lines may differ in it. The table's name where it has none."""
        key = self._table.keys.captions
        if not self._table.one_caption_rows:
            return key
        if row.get("captions") is not None and row.get("caption") is not None:
            self._refuse(number, "caption", "stands beside `captions`", "give one of the two a line")
        return next((name for name in (key, *CAPTION_COLUMNS) if row.get(name) is not None), key)

    def _list(self, number: int, key: str, captions: object) -> Sequence[object]:
        if isinstance(captions, list) and captions:
            return captions
        what = "is an empty list" if captions == [] else f"is not a list but {named(captions)}"
        self._refuse(number, key, what, "give at least one caption an image")

    def _caption(self, number: int, key: str, text: object, draft: _Draft, index: int) -> None:
        if not isinstance(text, str):
            self._refuse(number, key, f"is not a text but {named(text)}", "captions are texts")
        if not text.isprintable():
            self._storable(number, key, text)
        if len(text) > LONG_CAPTION_CHARACTERS:
            self.warnings.add("long_caption", f"{self._table.place(number)}, `{key}`")
        else:
            text = self._repaired(text, draft)
        if not text.strip():
            self.warnings.add("empty_caption", f"{self._table.place(number)}, `{key}`")
            return
        if text in draft.captions:
            self.warnings.add("repeated_caption", f"{self._table.place(number)}, `{key}`")
        draft.captions.append(text)
        self._shared(text, draft, index)

    def _storable(self, number: int, key: str, text: str) -> None:
        if "\x00" in text:
            self._refuse(number, key, "holds a null byte", "take it out")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            what = f"holds half a surrogate pair at character {error.start}"
            self._refuse(number, key, what, "write the file again as UTF-8")

    def _repaired(self, text: str, draft: _Draft) -> str:
        text, rules = repair(text)
        if rules and text:
            caption_id = f"{draft.dataset}/{draft.file_path}#{len(draft.captions)}"
            for rule in rules:
                self.repairs.add(rule, caption_id)
        return text

    def _image_id(self, number: int, image_id: object) -> str | int | None:
        if image_id is None or isinstance(image_id, str | int):
            return image_id
        self._refuse(number, "image_id", f"is not a text but {named(image_id)}", "give a text, or leave it out")

    # What records say together.

    def _same_split(self, number: int, dataset: _Dataset, draft: _Draft) -> None:
        split, first = dataset.splits.setdefault(draft.pid, (draft.split, number))
        if split != draft.split:
            here = f"identity {draft.pid} of {dataset.name} is in {draft.split} here"
            what = f"{here} and in {split} at {self._at(first, number)}"
            self._refuse(number, self._table.keys.split, what, "an identity belongs to one split")

    def _new_image_id(self, number: int, dataset: _Dataset, image_id: str | int | None, index: int) -> None:
        if image_id is None:
            return
        other = dataset.image_ids.setdefault(image_id, index)
        if other != index:
            place = self._at(self._drafts[other].number, number)
            what = f"duplicate image id {image_id!r}: another path has it at {place}"
            self._refuse(number, "image_id", what, "give every image its own")

    def _same_image(
        self,
        number: int,
        dataset: _Dataset,
        draft: _Draft,
        index: int,
        image_id: str | int | None,
        one_caption: bool,
    ) -> None:
        first = self._drafts[index]
        if not one_caption:
            place = self._at(first.number, number)
            what = f"duplicate image id {draft.dataset}/{draft.file_path}: it is at {place} already"
            mend = "put an image's captions into one record"
            if self._table.one_caption_rows:
                mend += ", or one caption a row as a text under `caption`"
            self._refuse(number, self._table.keys.file_path, what, mend)
        if draft.pid != first.pid:
            what = f"{draft.file_path} is identity {draft.pid} here and {first.pid} at {self._at(first.number, number)}"
            self._refuse(number, self._table.keys.pid, what, "an image shows one identity")
        if image_id is not None and dataset.image_ids.setdefault(image_id, index) != index:
            self._refuse(number, "image_id", f"{image_id!r} is another image's", "give every image its own")

    def _shared(self, text: str, draft: _Draft, index: int) -> None:
        owner = self._owner_of_text.setdefault(text, index)
        if owner == index or text in self._shared_texts:
            return
        first = self._drafts[owner]
        if (first.pid, first.dataset) != (draft.pid, draft.dataset):
            self._shared_texts.add(text)
            ids = [f"{image.dataset}/{image.file_path}#{image.captions.index(text)}" for image in (first, draft)]
            self.warnings.add("caption_on_several_identities", " and ".join(ids))

    def _at(self, first: int, number: int) -> str:
        """Where row `first` is, without the file's name when row `number` is in the same file."""
        place = self._table.place(first)
        file, _, record = place.rpartition(", ")
        return record if self._table.place(number).startswith(f"{file}, ") else place

    def _refuse(self, number: int, key: str, what: str, mend: str) -> Never:
        raise UserError(what, where=f"{self._table.place(number)}, `{key}`", mend=mend)
