"""What every reader hands to the validation: rows as they were read, and how to name them in a message."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...schemas.errors import UserError

Row = Mapping[str, object]
"""A record of a dataset, unchecked."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a dataset calls the four things every record must have."""

    file_path: str = "file_path"
    """Path of the image below the images' root."""
    pid: str = "id"
    """Identity."""
    split: str = "split"
    """Split."""
    captions: str = "captions"
    """Captions, or one caption; a line of JSON Lines may use another of `CAPTION_COLUMNS`."""


@dataclass(frozen=True, slots=True)
class Table:
    """A source opened by its reader, not yet validated."""

    format: str
    """The format's name."""
    dataset: str
    """The dataset's name, unless a record's own key `dataset` says otherwise."""
    rows: Iterable[Row]
    """The records, in order; read once."""
    keys: Keys
    """What the records call their parts."""
    place: Callable[[int], str]
    """Names the n-th row, counted from 0: `reid_raw.json, record 12`."""
    folders: tuple[Path, ...] = ()
    """Where the images may lie, best first, when the user does not say."""
    beside: Path | None = None
    """The annotation's own folder, where images may lie too: taken only if one of them is found there."""
    one_caption_rows: bool = False
    """Whether a row may hold one caption, as a string or a list of one; rows of one image are then put together."""


PATH_COLUMNS = ("file_path", "image_path", "img_path", "file_name")
PID_COLUMNS = ("pid", "id", "person_id")
CAPTION_COLUMNS = ("captions", "caption", "text")


def find_keys(columns: Iterable[str], where: str, *, made: tuple[str, ...] = ()) -> Keys:
    """Which columns of a table hold what; `made` are keys that the reader adds itself where a table has none."""
    names = set(columns) | set(made)
    missing: list[str] = []

    def first(candidates: tuple[str, ...]) -> str:
        for name in candidates:
            if name in names:
                return name
        also = f" (or {', '.join(f'`{name}`' for name in candidates[1:])})" if candidates[1:] else ""
        missing.append(f"`{candidates[0]}`{also}")
        return candidates[0]

    keys = Keys(first(PATH_COLUMNS), first(PID_COLUMNS), first(("split",)), first(CAPTION_COLUMNS))
    if missing:
        listed = ", ".join(f"`{name:.40}`" for name in sorted(names)[:12]) or "nothing"
        raise UserError(
            f"missing key{'s' * (len(missing) > 1)} {', '.join(missing)}; it has {listed}",
            where=where,
            mend="rename the column, or add it: file_path, pid, split and captions are needed",
        )
    return keys


def wanted_columns(keys: Keys, columns: Iterable[str]) -> list[str]:
    """The columns worth reading: images and embeddings are not."""
    wanted = {keys.file_path, keys.pid, keys.split, keys.captions, "dataset", "image_id", "origin"}
    return [name for name in columns if name in wanted]


def slug(name: str) -> str:
    """`name` as the first part of an id: lower case, anything but letters and digits a hyphen."""
    parts = "".join(c if c.isascii() and c.isalnum() else " " for c in name.lower()).split()
    return "-".join(parts) or "dataset"


def unreadable(error: OSError, where: str) -> UserError:
    """The user's version of a file that cannot be opened or read."""
    return UserError(
        f"cannot be read: {error.strerror or error}", where=where, mend="check the path and its permissions"
    )
