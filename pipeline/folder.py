"""The output folder: one writer at a time, one configuration for life, state kept where it is never published."""

import hashlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..schemas.errors import UserError
from .blocks import Block
from .config import canonical_sha256
from .finish import BlockResult
from .manifest import FILE as MANIFEST
from .manifest import Manifest, differences, read_manifest, same_answers
from .progress import FILE as PROGRESS
from .shards import write_text
from .sources.images import normal_path

STATE = ".tbpr"
OWNER = "owner"


class OutputFolder:
    """A dataset being written. Open it with `open_folder`."""

    def __init__(
        self, root: Path, manifest: Manifest, *, before: Manifest | None = None, changed: Sequence[str] = ()
    ) -> None:
        self.root, self.manifest = root, manifest
        self.changed = tuple(changed)
        """What is set otherwise than when the folder was last written: its shards are made anew of the same answers."""
        self._before = before

    def journal_path(self, block: Block) -> Path:
        """Where the answers of a block are kept."""
        return self.root / STATE / "journal" / f"{block.name}.jsonl"

    @property
    def known_texts(self) -> Path:
        """Hashes of all captions of the source."""
        return self.root / STATE / "captions.npy"

    @property
    def progress_path(self) -> Path:
        """What `tbpr-data status` reads of a run."""
        return self.root / STATE / PROGRESS

    @property
    def log_path(self) -> Path:
        """Log of the vLLM server this run starts."""
        return self.root / STATE / "vllm.log"

    def finished(self, block: Block) -> BlockResult | None:
        """The result of a block that needs no more work: its shards are there and no request waits for another try."""
        result = next((one for one in self.manifest.blocks if one.name == block.name), None)
        if result is None:
            return None
        # By hash: a disk that lost what it had synced leaves files of the right size.
        if not all(_sha256(self.root / shard.path) == shard.sha256 for shard in result.shards):
            # A run that is stopped before it is made again leaves a card of what there is.
            self.manifest = self.manifest.without_block(result)
            self.manifest.write(self.root)
            return None
        return None if result.failed else result

    @property
    def stale(self) -> bool:
        """Whether what was made with other settings is still there."""
        return self._before is not None

    def renew(self) -> None:
        """Remove what is made anew, once the first block can be: a folder never holds rows of two configurations, and
        a run that fails before that leaves it as it was. A kill in between leaves one that either goes on with."""
        if self._before is not None:
            _remove_shards(self.root, self._before)
            self.manifest.write(self.root)
            self._before = None

    def record(self, result: BlockResult) -> None:
        """Note a finished block. Its shards are on disk under their final names by now."""
        self.manifest = self.manifest.with_block(result)
        self.manifest.write(self.root)


@contextmanager
def open_folder(root: Path, fresh: Manifest) -> Iterator[OutputFolder]:
    """Take a folder for writing, alone; `fresh` is the manifest an empty one would start with.

    Where only what is made of the answers is set otherwise (checks, negatives, the version of a rule), the folder
    starts anew with the answers it has, at `renew`.

    Raises UserError when another process writes there, when it holds something else, or when what it holds was made
    with another configuration (naming the fields that differ).
    """
    if root.exists() and not root.is_dir():
        raise UserError("is a file", where=str(root), mend="give a folder to --out")
    strangers = not (root / STATE).exists() and root.exists() and any(root.iterdir())
    if strangers and read_manifest(root) is None:
        raise UserError("not empty, and not one of our datasets", where=str(root), mend="give an empty or new --out")
    try:
        (root / STATE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", where=str(root), mend="give another --out") from None
    with _alone(root):
        existing = own_manifest(root)
        changed = differences(existing.made_from, fresh.made_from) if existing else []
        if existing is not None and changed and not _begun(root, existing):
            existing, changed = None, []
        if existing is not None and changed:
            if not (same_answers(existing, fresh) and _answered(root, existing)):
                raise UserError(
                    f"this dataset was made with another configuration ({'; '.join(changed)})",
                    where=str(root),
                    mend="give another --out, or the same configuration again",
                )
            _sweep(root)
            yield OutputFolder(root, fresh, before=existing, changed=changed)
            return
        _sweep(root)
        # The prompts of a folder from before they were kept: the same fingerprint says that they are these.
        manifest = existing.model_copy(update={"prompts": fresh.prompts}) if existing else fresh
        if manifest != existing:
            manifest.write(root)
        yield OutputFolder(root, manifest)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the folder's lock. The kernel frees it with the process, so a killed run leaves none behind."""
    owner = root / STATE / OWNER
    lock = FileLock(root / STATE / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = owner.read_text(encoding="utf-8").strip() if owner.is_file() else "unknown"
        raise UserError(
            f"another run is writing here ({who})", where=str(root), mend="wait for it, stop it, or give another --out"
        ) from None
    try:
        write_text(owner, f"host {socket.gethostname()}, pid {os.getpid()}\n")
        yield
    finally:
        lock.release()


def own_manifest(root: Path) -> Manifest | None:
    """The manifest of a folder that a run goes on with; none of a torn one, whose shards the journals give again.

    Raises UserError for one that is not ours.
    """
    try:
        json.loads((root / MANIFEST).read_bytes())
    except OSError:
        return read_manifest(root)
    except ValueError:
        empty = (root / STATE).is_dir() and not any((root / "data").glob("*.parquet"))
        if empty or (root / STATE / "journal").is_dir():
            return None
    manifest = read_manifest(root)
    if manifest is not None and canonical_sha256(manifest.made_from) != manifest.fingerprint:
        raise UserError(
            "made_from does not give its fingerprint: it was changed by hand",
            where=str(root / MANIFEST),
            mend="put the file back as it was written",
        )
    return manifest


def _begun(root: Path, manifest: Manifest) -> bool:
    """Whether a folder holds anything of its configuration: a block, or an answer on disk. A run whose server never
    came up leaves one that any other may take."""
    journals = (root / STATE / "journal").glob("*")
    return bool(manifest.blocks) or any(b'"key"' in path.read_bytes() for path in journals)


def _answered(root: Path, manifest: Manifest) -> bool:
    """Whether the answers that a dataset was made of are on this disk; one of negatives alone asked nothing."""
    journals = root / STATE / "journal"
    return not manifest.made_from["prompts"] or all(
        (journals / f"{block.name}.jsonl").is_file() for block in manifest.blocks
    )


def _remove_shards(root: Path, manifest: Manifest) -> None:
    (root / "README.md").unlink(missing_ok=True)
    for block in manifest.blocks:
        for shard in block.shards:
            (root / normal_path(shard.path)).unlink(missing_ok=True)


def _sweep(root: Path) -> None:
    """Remove what a killed run left half written, known by its name."""
    for folder in (root, root / "data", root / "rejects", root / STATE):
        for stray in folder.glob(".*.writing"):
            stray.unlink()


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
