"""A dataset repository of the loopback Hub: branches, commits and files, with their contents on disk."""

import base64
import hashlib
import json
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopback_wire import Refused

_LFS_SUFFIXES = (".arrow", ".bin", ".gz", ".jpeg", ".jpg", ".npy", ".npz", ".parquet", ".png", ".tar", ".webp", ".zip")
_LFS_ABOVE = 10 * 2**20


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    oid: str
    """Its git hash; that of the pointer for a file in LFS."""
    size: int
    sha256: str | None = None
    """Of its content, for a file in LFS."""
    pointer_size: int = 0

    @property
    def content_oid(self) -> str:
        """What the client compares with its own file, and the ETag."""
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Commit:
    """A revision."""

    oid: str
    title: str
    description: str
    parent: str | None
    files: dict[str, File]
    changed: tuple[str, ...]
    """The paths that it adds, changes or deletes, sorted."""


class Repository:
    """Starts with the real Hub's first commit, a `.gitattributes`; `root` is for the contents."""

    def __init__(self, name: str, root: Path, *, private: bool) -> None:
        self.name, self.private = name, private
        self.announced: dict[str, int] = {}
        """Sizes of the LFS objects that a client said it would send."""
        self.branches: dict[str, str] = {}
        """The commit that each branch is at."""
        self._commits: dict[str, Commit] = {}
        self._root, self._lock = root / name, threading.Lock()
        self._root.mkdir(parents=True, exist_ok=True)
        rules = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in _LFS_SUFFIXES)
        self._record("main", None, "initial commit", "", {".gitattributes": self._file(rules.encode())})

    def at(self, revision: str) -> Commit:
        """The commit of a branch or of an oid. Raises Refused where there is none."""
        oid = self.branches.get(revision, revision)
        if oid not in self._commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self._commits[oid]

    def history(self, revision: str) -> list[Commit]:
        """A commit and those before it, the oldest first."""
        commits = [self.at(revision)]
        while (parent := commits[-1].parent) is not None:
            commits.append(self._commits[parent])
        return commits[::-1]

    def branch(self, name: str, start: str) -> None:
        with self._lock:
            if name in self.branches:
                raise Refused(409, "Reference already exists")
            self.branches[name] = self.at(start).oid

    def upload_mode(self, path: str, size: int, sample: bytes) -> str:
        """As the real Hub: large files, binary ones and those of a few kinds are kept in LFS."""
        return "lfs" if path.endswith(_LFS_SUFFIXES) or size > _LFS_ABOVE or b"\0" in sample else "regular"

    def holds(self, sha256: str) -> bool:
        """Whether an LFS object is there, whole."""
        return self._path(sha256).is_file()

    def receive(self, chunks: Iterable[bytes], sha256: str) -> None:
        """Keep an LFS object. Raises Refused where it is not what was announced."""
        digest, size = hashlib.sha256(), 0
        with tempfile.TemporaryDirectory(dir=self._root) as folder:
            incoming = Path(folder) / sha256
            with incoming.open("wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += file.write(chunk)
            if (digest.hexdigest(), size) != (sha256, self.announced.get(sha256)):
                raise Refused(400, "BadDigest: the content is not what was announced")
            incoming.replace(self._path(sha256))

    def read(self, content_oid: str) -> bytes:
        return self._path(content_oid).read_bytes()

    def commit(self, branch: str, operations: Iterable[dict[str, Any]]) -> Commit:
        """Make a commit of the commit endpoint's lines. Raises Refused, and then changes nothing."""
        with self._lock:
            if branch not in self.branches:
                raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
            head = self._commits[self.branches[branch]]
            files, title, description = dict(head.files), "", ""
            for operation in operations:
                match operation:
                    case {"key": "header", "value": value}:
                        title, description = value["summary"], value["description"]
                        if not head.oid.startswith(value.get("parentCommit", "")):
                            raise Refused(412, "A commit has happened since. Please refresh and try again.")
                    case {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}:
                        files[path] = self._file(base64.b64decode(content))
                    case {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": sha256}}:
                        files[path] = self._lfs_file(path, sha256)
                    case {"key": "deletedFile", "value": {"path": path}}:
                        _delete(files, path, [path] if path in files else [])
                    case {"key": "deletedFolder", "value": {"path": path}}:
                        _delete(files, path, [name for name in files if name.startswith(path.rstrip("/") + "/")])
                    case _:
                        raise Refused(400, f"Unknown operation: {operation.get('key')}")
            return self._record(branch, head, title, description, files)

    def tree(self, commit: Commit, folder: str, *, recursive: bool) -> Iterator[dict[str, Any]]:
        """The files and folders below a folder, as the tree endpoint lists them."""
        inside = folder + "/" if folder else ""
        files = {path: file for path, file in sorted(commit.files.items()) if path.startswith(inside)}
        if folder and not files:
            raise Refused(404, f'"{folder}" does not exist on this revision', "EntryNotFound")
        folders = {path[: i + len(inside)] for path in files for i, c in enumerate(path[len(inside) :]) if c == "/"}
        for path in sorted({*files, *folders}):
            if recursive or "/" not in path[len(inside) :]:
                yield entry(path, files.get(path))

    def _path(self, content_oid: str) -> Path:
        return self._root / content_oid

    def _file(self, content: bytes) -> File:
        file = File(_git_hash(content), len(content))
        self._path(file.oid).write_bytes(content)
        return file

    def _lfs_file(self, path: str, sha256: str) -> File:
        if not self.holds(sha256):
            raise Refused(400, f"An LFS pointer pointed to a file that does not exist. Offending file: {path}")
        size = self._path(sha256).stat().st_size
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
        return File(_git_hash(pointer), size, sha256, len(pointer))

    def _record(
        self, branch: str, parent: Commit | None, title: str, description: str, files: dict[str, File]
    ) -> Commit:
        before = parent.files if parent else {}
        oids = sorted((path, file.oid) for path, file in files.items())
        words = json.dumps([parent.oid if parent else None, title, description, oids])
        changed = tuple(sorted(path for path in {*before, *files} if before.get(path) != files.get(path)))
        commit = Commit(
            _git_hash(words.encode(), "commit"), title, description, parent.oid if parent else None, files, changed
        )
        self._commits[commit.oid] = commit
        self.branches[branch] = commit.oid
        return commit


def entry(path: str, file: File | None) -> dict[str, Any]:
    """A file, or a folder where there is no file, as the tree endpoint describes it."""
    if file is None:
        return {"type": "directory", "oid": _git_hash(path.encode(), "tree"), "size": 0, "path": path}
    lfs = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    shown = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
    return {**shown, "lfs": lfs} if file.sha256 else shown


def _delete(files: dict[str, File], path: str, paths: list[str]) -> None:
    if not paths:
        raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
    for name in paths:
        del files[name]


def _git_hash(content: bytes, kind: str = "blob") -> str:
    return hashlib.sha1(b"%s %d\0%s" % (kind.encode(), len(content), content), usedforsecurity=False).hexdigest()
