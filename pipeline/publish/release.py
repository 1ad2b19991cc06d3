"""A release without captions: a dataset's folder made into one that holds nothing of its source but ids and paths."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ...schemas.arrow import arrow_schema
from ...schemas.errors import UserError
from ...schemas.prompt import Example, Prompt
from ...schemas.release import Piece, ReleasedNegative, ReleasedPair, ReleasedReject, ReleasedText
from ...schemas.rows import PairRow, RejectRow
from ...schemas.settings import first_problem
from ..manifest import Manifest
from ..shards import ShardRecord, write_shard, write_text
from ..sources.images import ImageFolder, normal_path
from ..sources.output import RELEASE
from .contents import Contents
from .mask import hide_findings, mask, unmask
from .quotes import Quotes

WITHHELD = "(words of the source)"
"""Stands in a prompt where it repeats the source's captions."""
MODELS: Mapping[str, type[BaseModel]] = {"pairs": ReleasedPair, "rejects": ReleasedReject}


class ReleasedShard(BaseModel):
    """A shard of a release."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    shard: ShardRecord
    """The file as it is here; in the dataset it has the same path."""
    rows_sha256: str
    """Hash of the dataset's rows, images aside: what joining must give again."""


class MaskedPrompt(BaseModel):
    """A prompt that repeats captions of the source, as examples do that were taken from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str
    """Its id."""
    caption_id: str
    """The caption that it is masked with."""
    masked: str
    """The prompt, as JSON."""


class Release(BaseModel):
    """`release.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["tbpr-data-release"] = "tbpr-data-release"
    """Tells a release from a dataset."""
    format: Literal[1, 2] = 2
    """Version of this file and of the columns; the first did not mask."""
    manifest: Manifest
    """The dataset's, its prompts without what they repeat of the source."""
    prompts: tuple[MaskedPrompt, ...] = ()
    """Those prompts whole, for who has the source."""
    shards: tuple[ReleasedShard, ...]
    """What is here: those of config `pairs`, then those of `rejects`."""

    @model_validator(mode="after")
    def _fits(self) -> Release:
        """It comes from elsewhere: its shards are read and written below its folder alone."""
        here = {one.shard.path for one in self.shards}
        if here != {shard.path for block in self.manifest.blocks for shard in block.shards}:
            raise ValueError("its shards are not those of its manifest")
        if strange := [path for path in here if normal_path(path) != path]:
            raise ValueError(f"the path of a shard is {strange[0]}")
        return self

    def contents(self, folder: Path) -> Contents:
        """The release in `folder`, as a finished dataset is read."""
        here = {one.shard.path: one.shard for one in self.shards}
        return Contents(folder, with_shards(self.manifest, here), MODELS)

    def manifest_with(self, quotes: Quotes) -> Manifest:
        """The dataset's manifest, its prompts whole. Raises KeyError, ValueError where the source is another."""
        whole = {
            one.id: Prompt.model_validate_json(unmask(one.masked, quotes.caption(one.caption_id), name=one.id))
            for one in self.prompts
        }
        prompts = tuple(whole.get(prompt.id, prompt) for prompt in self.manifest.prompts)
        return self.manifest.model_copy(update={"prompts": prompts})


def with_shards(manifest: Manifest, shards: Mapping[str, ShardRecord]) -> Manifest:
    """A manifest with other shards under the same paths."""
    blocks = tuple(
        block.model_copy(update={"shards": tuple(shards[shard.path] for shard in block.shards)})
        for block in manifest.blocks
    )
    return manifest.model_copy(update={"blocks": blocks})


def make_release(contents: Contents, out: Path, images: ImageFolder | None) -> Release:
    """Write the release of a dataset into `out`: its shards without the source's captions, and `release.json`.

    Raises UserError for a broken shard.
    """
    captions = {
        row["caption_id"]: row["text"]
        for row in contents.rows("pairs", ["caption_id", "text", "origin"])
        if row["origin"] == "human"
    }
    quotes = Quotes(captions)
    maker = _Maker(contents, quotes, images)
    shards = tuple(maker.shard(shard, out) for config in ("pairs", "rejects") for shard in contents.shards(config))
    masked = [one for prompt in contents.manifest.prompts if (one := _masked(prompt, quotes))]
    shown = {prompt.id: prompt for prompt, _ in masked}
    prompts = tuple(shown.get(prompt.id, prompt) for prompt in contents.manifest.prompts)
    manifest = contents.manifest.model_copy(update={"prompts": prompts})
    release = Release(manifest=manifest, prompts=tuple(whole for _, whole in masked), shards=shards)
    write_text(out / RELEASE, release.model_dump_json(indent=1) + "\n")
    return release


def read_release(folder: Path) -> Release:
    """The release in a folder. Raises UserError where there is none, or one that this version does not read."""
    path = folder / RELEASE
    try:
        return Release.model_validate_json(path.read_bytes())
    except OSError as error:
        what = f"no release: {RELEASE} cannot be read ({error.strerror})"
        raise UserError(what, where=str(folder), mend="give what push --release rewrites-only made") from None
    except ValidationError as error:
        what = f"not a release this version reads: {first_problem(error)}"
        raise UserError(what, where=str(path), mend="download it again, or install a newer tbpr-data") from None


def row_line(row: PairRow | RejectRow) -> bytes:
    """A row as it is hashed, whatever file it lies in."""
    return json.dumps(row.model_dump(), sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _masked(prompt: Prompt, quotes: Quotes) -> tuple[Prompt, MaskedPrompt] | None:
    """A prompt without the captions that it repeats, and whole for who has the source; None where there are none."""
    found: dict[str, None] = {}

    def told(*texts: str) -> list[str]:
        quoted = [one for text in texts for one in quotes.anywhere(text)]
        found.update(dict.fromkeys(quoted))
        return [WITHHELD for _ in texts] if quoted else list(texts)

    examples = [told(example.caption, example.rewrite) for example in prompt.examples]
    shown = {
        "system": told(prompt.system)[0],
        "user": told(prompt.user)[0],
        "examples": tuple(Example(caption=caption, rewrite=rewrite) for caption, rewrite in examples),
    }
    if not found:
        return None
    key = next(iter(found))
    whole = MaskedPrompt(
        id=prompt.id, caption_id=key, masked=mask(prompt.model_dump_json(), quotes.caption(key), name=prompt.id)
    )
    return prompt.model_copy(update=shown), whole


class _Maker:
    """Takes the captions out of rows."""

    def __init__(self, contents: Contents, quotes: Quotes, images: ImageFolder | None) -> None:
        self._contents, self._quotes, self._images = contents, quotes, images
        # The captions of an image follow one another.
        self._file_sha256 = lru_cache(maxsize=16)(self._hash_file)

    def shard(self, shard: ShardRecord, out: Path) -> ReleasedShard:
        """One shard without captions, under the same name."""
        model = PairRow if shard.config == "pairs" else RejectRow
        hashed = hashlib.sha256()

        def rows() -> Iterator[dict[str, Any]]:
            for values in self._contents.rows_of(shard):
                image = values.pop("image", None)
                row = model.model_validate(values)
                hashed.update(row_line(row))
                released = self._pair(row, image) if isinstance(row, PairRow) else self._reject(row)
                yield released.model_dump()

        schema = arrow_schema(MODELS[shard.config])
        written = write_shard(out, shard.path, shard.config, shard.split, rows(), schema)
        return ReleasedShard(shard=written, rows_sha256=hashed.hexdigest())

    def _pair(self, row: PairRow, image: dict[str, Any] | None) -> ReleasedPair:
        source_id = row.source_caption_id or row.caption_id
        human = row.origin == "human"
        quoted = [] if human else self._quotes.quoted(row.text, source_id)
        pieces = self._quotes.pieces(row.text, source_id) if quoted else []
        here = not human and not pieces
        return ReleasedPair(
            **row.model_dump(exclude={"text", "attributes", "negatives", "checks"}),
            **self._checks(row, source_id),
            image_sha256=_sha256(image["bytes"]) if image else self._file_sha256(row.image_path),
            text=row.text if here else None,
            pieces=pieces,
            text_sha256=_sha256(row.text.encode()),
            attributes=row.attributes if here else None,
            negatives=[
                ReleasedNegative(
                    **negative.model_dump(exclude={"text"}),
                    **_told(
                        negative.text,
                        self._quotes.edited(negative.text, negative.spans, source_id)
                        if human
                        else self._quotes.pieces(negative.text, source_id, beside=quoted),
                    ),
                )
                for negative in row.negatives
            ],
        )

    def _reject(self, row: RejectRow) -> ReleasedReject:
        texts = {
            name: None
            if text is None
            else ReleasedText(**_told(text, self._quotes.pieces(text, row.source_caption_id)))
            for name, text in (("text", row.text), ("raw", row.raw), ("error", row.error))
        }
        told = row.model_dump(exclude={"source_text", "checks", *texts})
        return ReleasedReject.model_validate({**told, **texts, **self._checks(row, row.source_caption_id)})

    def _checks(self, row: PairRow | RejectRow, source_id: str) -> dict[str, Any]:
        if row.checks is None:
            return {"checks": None, "findings": None}
        shown, findings = hide_findings(row.checks, self._quotes.caption(source_id), name=row.caption_id)
        return {"checks": shown, "findings": findings}

    def _hash_file(self, path: str) -> str | None:
        if self._images is None or self._images.holds(path) != "found":
            return None
        return _sha256((self._images.root / path).read_bytes())


def _told(text: str, pieces: list[Piece]) -> dict[str, Any]:
    return {"text": None if pieces else text, "pieces": pieces}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
