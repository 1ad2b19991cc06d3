"""Paths of images: their normal form, and whether the file is there and inside the images' root."""

import os
import posixpath
import re
from pathlib import Path
from typing import Literal

from ...schemas.errors import UserError
from .table import Table, unreadable

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_PLAIN = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*")

Presence = Literal["found", "missing", "outside"]
"""What the images' root holds of a path; `outside` is a link that leads out of it."""


def normal_path(path: str) -> str:
    """`path` relative, with forward slashes, without `.` and `..`. Raises ValueError saying what is wrong with it."""
    if len(path) > 1 and path[1] != ":" and _PLAIN.fullmatch(path):
        return path
    if "\x00" in path:
        raise ValueError("holds a null byte")
    if _CONTROL.search(path):
        raise ValueError("holds a control character")
    if "\\" in path:
        raise ValueError("has a backslash")
    if path.startswith("/") or _DRIVE.match(path) or "://" in path:
        raise ValueError("is not relative to the images' root")
    normal = posixpath.normpath(path)
    if normal == ".." or normal.startswith("../"):
        raise ValueError("leaves the images' root")
    if normal == ".":
        raise ValueError("is empty")
    return normal


class ImageFolder:
    """The images' root. Folders are listed once each: a million single lookups would take minutes on a network disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = os.path.realpath(root)
        self._listed: dict[str, dict[str, Presence]] = {}

    def holds(self, file_path: str) -> Presence:
        """Whether the file lies below the root. Raises UserError where a folder cannot be listed."""
        folder, _, name = file_path.rpartition("/")
        entries = self._listed.get(folder)
        if entries is None:
            entries = self._listed[folder] = self._list(folder)
        return entries.get(name, entries.get("", "missing"))

    def _list(self, folder: str) -> dict[str, Presence]:
        path = os.path.join(self.root, folder)  # noqa: PTH118 - realpath and scandir take and give strings
        if not self._inside(path):
            return {"": "outside"}
        try:
            with os.scandir(path) as entries:
                return {entry.name: self._presence(entry) for entry in entries if entry.is_file()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise unreadable(error, path) from error

    def _presence(self, entry: os.DirEntry[str]) -> Presence:
        return "outside" if entry.is_symlink() and not self._inside(entry.path) else "found"

    def _inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real == self._real_root or real.startswith(self._real_root.rstrip(os.sep) + os.sep)


def find_root(table: Table, given: Path | None) -> Path | None:
    """The folder the user gave, or the first of the format's usual ones that exists.

    Raises UserError where the user's does not exist.
    """
    if given is not None:
        if not given.is_dir():
            raise UserError("no such folder of images", where=str(given), mend="mend --images-root, or leave it out")
        return given
    return next((folder for folder in table.folders if folder.is_dir()), None)
