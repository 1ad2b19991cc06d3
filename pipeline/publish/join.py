"""Put the source's captions, and the images, back into a release: from the user's own copy of the source."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...schemas.errors import UserError
from ...schemas.release import Piece, ReleasedPair, ReleasedReject
from ...schemas.rows import Checks, Negative, PairRow, RejectRow
from ...schemas.source import Source
from ..card import write_card
from ..judged import attributes_of
from ..manifest import Manifest
from ..run_file import copy_run, write_prompts
from ..shards import ShardRecord, pairs_schema, rejects_schema, write_shard
from ..sources.images import ImageFolder, normal_path
from .mask import show_findings
from .quotes import Quotes
from .release import Release, ReleasedShard, read_release, row_line, with_shards

_AGAIN = "download the release again"


@dataclass(frozen=True)
class Joined:
    """What joining gave."""

    manifest: Manifest
    """The dataset's."""
    captions: int
    """Source captions put back."""
    same_bytes: bool
    """Whether every shard has the very bytes it had; else the rows alone are the same (another pyarrow wrote them)."""
    other_images: int
    """Images at hand that are other files than those the dataset was made with."""
    missing_images: int
    """Images that are not at hand."""


def join(folder: Path, source: Source, out: Path, *, source_path: str, images_root: Path | None = None) -> Joined:
    """Write into `out` the dataset that the release in `folder` was made of.

    Raises:
        UserError: `folder` is no whole release, `source` is not what it was made from, `out` is not empty, or images
            that were inside the shards are not at hand.
    """
    release = read_release(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError("not empty", where=str(out), mend="give a new --out")
    # Under its name only when it is whole: killed, the same command begins anew.
    place = out.resolve()
    work = place.with_name(f".{place.name}.joining")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        copy_run(folder, work, source=source_path, images_root=images_root)
        joiner = _Joiner(folder, release, source, work)
        written = {one.shard.path: joiner.shard(one) for one in release.shards}
        manifest = with_shards(joiner.manifest(), written)
        write_card(work, manifest)
        write_prompts(work, manifest)
        manifest.write(work)
        if place.exists():
            place.rmdir()
        work.rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Joined(
        manifest=manifest,
        captions=joiner.captions,
        same_bytes=manifest.blocks == release.manifest.blocks,
        other_images=len(joiner.other_images),
        missing_images=len(joiner.missing_images),
    )


class _Joiner:
    def __init__(self, folder: Path, release: Release, source: Source, out: Path) -> None:
        self._folder, self._release, self._out = folder, release, out
        self._source = source
        self._texts = {caption.caption_id: caption.text for caption in source.captions()}
        self._quotes = Quotes(self._texts)
        self._images = ImageFolder(source.images_root) if source.images_root else None
        self._embedded = bool(release.manifest.made_from["config"]["embed_images"])
        self._parsed = bool(release.manifest.made_from["config"]["checks"]["faithful"])
        self.captions = 0
        self.other_images: set[str] = set()
        self.missing_images: set[str] = set()

    def shard(self, one: ReleasedShard) -> ShardRecord:
        """One shard with its captions again, the same rows as it had. Raises UserError where they are not."""
        pairs = one.shard.config == "pairs"
        rows: list[PairRow | RejectRow] = []
        hashes: list[tuple[str, str | None]] = []
        for values in self._read(one.shard):
            released = ReleasedPair.model_validate(values) if pairs else ReleasedReject.model_validate(values)
            if isinstance(released, ReleasedPair):
                rows.append(self._pair(released))
                self.captions += released.origin == "human"
                hashes.append((released.image_path, released.image_sha256))
            else:
                rows.append(self._reject(released))
        hashed = hashlib.sha256()
        for row in rows:
            hashed.update(row_line(row))
        if hashed.hexdigest() != one.rows_sha256:
            made = ", ".join(f"{name} {version}" for name, version in self._release.manifest.versions.items())
            raise UserError(
                "the rows are not what they were: other rules read the source here",
                where=one.shard.path,
                mend=f"the dataset was made with {made}",
            )
        schema = pairs_schema(with_images=self._embedded) if pairs else rejects_schema()
        told = (row.model_dump() for row in rows)
        if pairs and self._embedded:
            told = ({**values, "image": self._image(*image)} for values, image in zip(told, hashes, strict=True))
        elif pairs:
            self._compare(hashes)
        return write_shard(self._out, one.shard.path, one.shard.config, one.shard.split, told, schema)

    def _read(self, shard: ShardRecord) -> Iterator[dict[str, Any]]:
        path = self._folder / normal_path(shard.path)
        try:
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == shard.sha256
            if not whole:
                raise UserError(f"is not the file that release.json names: {shard.path}", where=str(path), mend=_AGAIN)
            with pq.ParquetFile(path) as table:
                for batch in table.iter_batches(1024):
                    yield from batch.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"cannot be read: {reason}", where=str(path), mend=_AGAIN) from error

    def _pair(self, row: ReleasedPair) -> PairRow:
        text = self._text(row.text, row.pieces, row.caption_id)
        if hashlib.sha256(text.encode()).hexdigest() != row.text_sha256:
            raise self._another(row.caption_id)
        here = row.text is not None
        return PairRow(
            **row.model_dump(include=set(PairRow.model_fields) - {"text", "attributes", "negatives", "checks"}),
            checks=self._checks(row),
            text=text,
            attributes=row.attributes if here else attributes_of(text) if self._parsed else None,
            negatives=[
                Negative(
                    text=self._text(negative.text, negative.pieces, row.caption_id),
                    **negative.model_dump(exclude={"text", "pieces"}),
                )
                for negative in row.negatives
            ],
        )

    def _reject(self, row: ReleasedReject) -> RejectRow:
        return RejectRow(
            **row.model_dump(exclude={"text", "raw", "error", "checks", "findings"}),
            checks=self._checks(row),
            source_text=self._text(None, [], row.source_caption_id),
            text=self._text(row.text.text, row.text.pieces, row.caption_id),
            raw=self._text(row.raw.text, row.raw.pieces, row.caption_id),
            error=row.error and self._text(row.error.text, row.error.pieces, row.caption_id),
        )

    def manifest(self) -> Manifest:
        """The dataset's, its prompts whole. Raises UserError for another source."""
        with self._source_fits("the prompts"):
            return self._release.manifest_with(self._quotes)

    def _checks(self, row: ReleasedPair | ReleasedReject) -> Checks | None:
        source_id = row.source_caption_id
        if row.checks is None or row.findings is None or source_id is None:
            return row.checks
        with self._source_fits(source_id):
            return show_findings(row.checks, row.findings, self._quotes.caption(source_id), name=row.caption_id)

    def _text(self, text: str | None, pieces: list[Piece], caption_id: str) -> str:
        if text is not None:
            return text
        with self._source_fits(caption_id):
            return self._quotes.restore(pieces) if pieces else self._quotes.caption(caption_id)

    @contextmanager
    def _source_fits(self, what: str) -> Iterator[None]:
        """Raises UserError for a source without the captions that are needed, or with other ones."""
        try:
            yield
        except KeyError as error:
            there = next(iter(self._texts), "none")
            raise UserError(
                f"has no caption {error.args[0]} (its first is {there})",
                where=self._source.path,
                mend="give the source that the dataset was made from, whole and under its own name",
            ) from None
        except ValueError:  # what is masked with a caption comes out as noise with another one
            raise self._another(what) from None

    def _another(self, what: str) -> UserError:
        return UserError(
            f"says something else of {what} than the dataset was made from",
            where=self._source.path,
            mend="give the same edition of the source",
        )

    def _image(self, path: str, sha256: str | None) -> dict[str, bytes | str] | None:
        """The image as the shard held it. Raises UserError where it is not at hand."""
        if sha256 is None:
            return None
        content = self._content(path)
        if content is None or hashlib.sha256(content).hexdigest() != sha256:
            raise UserError(
                f"{path} is {'not there' if content is None else 'another file'}, and the dataset held it",
                where=str(self._images.root if self._images else self._source.path),
                mend="give the folder of the source's own images to --images-root",
            )
        return {"bytes": content, "path": path}

    def _compare(self, images: Sequence[tuple[str, str | None]]) -> None:
        for path, sha256 in dict.fromkeys(images):
            content = self._content(path)
            if content is None:
                self.missing_images.add(path)
            elif sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
                self.other_images.add(path)

    def _content(self, path: str) -> bytes | None:
        if self._images is None or self._images.holds(path) != "found":
            return None
        return (self._images.root / path).read_bytes()
