"""The nodes of a Croissant description: files, sets of them, and record sets with a field for each column.

It loads mlcroissant (and pandas): import it where it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import mlcroissant as mlc  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from ..shards import ShardRecord
from .contents import Contents

_CONFIGS = {
    "pairs": "A row per accepted caption, human or rewritten.",
    "rejects": "A row per refused rewrite, with its reasons.",
}
_TYPES = {
    pa.string(): mlc.DataType.TEXT,
    pa.int64(): mlc.DataType.INT64,
    pa.float64(): mlc.DataType.FLOAT64,
    pa.bool_(): mlc.DataType.BOOL,
}
# What the standard's `@context` has since 1.1: mlcroissant begins with the one of 1.0.
_CONTEXT = {
    "arrayShape": "cr:arrayShape",
    "containedIn": "cr:containedIn",
    "description": {"@container": "@language"},
    "isArray": "cr:isArray",
    "name": {"@container": "@language"},
}


def new_context(version: str) -> mlc.Context:
    """What the nodes of one description share."""
    words = {**mlc.Rdf().context, **_CONTEXT}
    return mlc.Context(conforms_to=version, rdf=mlc.Rdf(context=dict(sorted(words.items()))))


def distribution(contents: Contents, context: mlc.Context) -> list[mlc.FileObject | mlc.FileSet]:
    """Every shard with its hash and size, then the shards of each config as the set that its records are read from."""
    nodes: list[mlc.FileObject | mlc.FileSet] = [
        mlc.FileObject(
            ctx=context,
            id=shard.path,
            name=shard.path,
            description=f"{shard.rows:,} rows of `{config}`, split {shard.split}.",
            content_url=shard.path,
            content_size=f"{shard.bytes} B",
            encoding_formats=[mlc.EncodingFormat.PARQUET],
            sha256=shard.sha256,
        )
        for config in _CONFIGS
        for shard in contents.shards(config)
    ]
    for config in _CONFIGS:
        if splits := _filled(contents, config):
            nodes.append(
                mlc.FileSet(
                    ctx=context,
                    id=f"{config}-files",
                    name=f"{config}-files",
                    description=f"The shards of `{config}`.",
                    encoding_formats=[mlc.EncodingFormat.PARQUET],
                    includes=[f"{_folder(shard)}{split}-*.parquet" for split, shard in splits.items()],
                )
            )
    return nodes


def record_sets(contents: Contents, context: mlc.Context) -> list[mlc.RecordSet]:
    """For each config that has a row, its splits and its records."""
    found = []
    for config, what in _CONFIGS.items():
        if splits := _filled(contents, config):
            shard = next(iter(splits.values()))
            fields = _Fields(context, config, _descriptions(contents.models[config]))
            columns = [
                fields.split(_folder(shard), list(splits)) if column.name == "split" else fields.column(column)
                for column in pq.read_schema(contents.root / shard.path)
            ]
            left = f" Its fields leave out {', '.join(fields.left_out)}." if fields.left_out else ""
            found.append(_splits(config, list(splits), context))
            found.append(
                mlc.RecordSet(
                    ctx=context,
                    id=config,
                    name=config,
                    description=what + left,
                    key=[f"{config}/caption_id"],
                    fields=columns,
                )
            )
    return found


def _filled(contents: Contents, config: str) -> dict[str, ShardRecord]:
    """Each split that has a row, in the order of the source, with its first shard that has one."""
    found: dict[str, ShardRecord] = {}
    for shard in contents.shards(config):
        if shard.rows:
            found.setdefault(shard.split, shard)
    return found


def _folder(shard: ShardRecord) -> str:
    return shard.path.rpartition("/")[0] + "/"


def _splits(config: str, splits: Sequence[str], context: mlc.Context) -> mlc.RecordSet:
    name = f"{config}_splits"
    key = f"{name}/name"
    return mlc.RecordSet(
        ctx=context,
        id=name,
        name=name,
        description=f"The splits of `{config}`.",
        data_types=[mlc.DataType.SPLIT],
        key=[key],
        fields=[mlc.Field(ctx=context, id=key, name="name", data_types=[mlc.DataType.TEXT])],
        data=[{key: split} for split in splits],
    )


class _Fields:
    """Makes the fields of one record set, from the columns of its shards."""

    def __init__(self, context: mlc.Context, config: str, descriptions: Mapping[str, str]) -> None:
        self._context, self._config, self._descriptions = context, config, descriptions
        self.left_out: list[str] = []

    def split(self, folder: str, splits: Sequence[str]) -> mlc.Field:
        """The split, read from the shard's name: so can a reader ask for one split, and its shards alone are read."""
        # mlcroissant applies it twice: it matches its own result, or there would be a warning a row.
        regex = rf"(?:{folder})?({'|'.join(splits)})(?:-.+\.parquet)?$"
        return self._leaf(
            ("split",),
            mlc.DataType.TEXT,
            extract=mlc.Extract(ctx=self._context, file_property="fullpath"),
            transforms=[mlc.Transform(ctx=self._context, regex=regex)],
            references=mlc.Source(ctx=self._context, field=f"{self._config}_splits/name"),
        )

    def column(self, column: pa.Field) -> mlc.Field:
        """A column; one of structs, or of lists of them, has a field below it for each value in them."""
        kind, many = _items(column.type)
        path = (column.name,)
        if column.name == "image" and pa.types.is_struct(kind):
            return self._leaf((*path, "bytes"), mlc.DataType.IMAGE_OBJECT, at=path)
        if not pa.types.is_struct(kind):
            return self._leaf(path, _TYPES[kind], int(many))
        below = [self._leaf(path, _TYPES[leaf], deep) for path, leaf, deep in self._below(kind, path, many, 0)]
        return self._field(path, int(many), sub_fields=below)

    def _below(
        self, struct: pa.StructType, path: tuple[str, ...], many: bool, deep: int
    ) -> Iterator[tuple[tuple[str, ...], pa.DataType, int]]:
        """Path, type and depth in lists of each value; the list of structs that a column itself is does not count."""
        for field in struct:
            kind, listed = _items(field.type)
            below = (*path, field.name)
            if not pa.types.is_struct(kind):
                yield below, kind, deep + listed
            elif listed and (many or deep):  # mlcroissant reads one level of them
                self.left_out.append(f"`{'.'.join(below)}`")
            else:
                yield from self._below(kind, below, many, deep + listed)

    def _leaf(
        self,
        path: tuple[str, ...],
        kind: Any,
        deep: int = 0,
        *,
        at: tuple[str, ...] | None = None,
        extract: mlc.Extract | None = None,
        transforms: list[mlc.Transform] | None = None,
        **more: Any,
    ) -> mlc.Field:
        """A field whose value lies at `path` in its column, and that is called so (or as `at` says)."""
        source = mlc.Source(
            ctx=self._context,
            file_set=f"{self._config}-files",
            extract=extract or mlc.Extract(ctx=self._context, column=path[0]),
            transforms=transforms or [mlc.Transform(ctx=self._context, json_path=key) for key in path[1:]],
        )
        return self._field(at or path, deep, data_types=[kind], source=source, **more)

    def _field(self, path: tuple[str, ...], deep: int, **more: Any) -> mlc.Field:
        shape = {"is_array": True, "array_shape": ",".join(["-1"] * deep)} if deep else {}
        name = "/".join(path)
        what = self._descriptions.get(name)
        return mlc.Field(
            ctx=self._context, id=f"{self._config}/{name}", name=path[-1], description=what, **shape, **more
        )


def _items(kind: pa.DataType) -> tuple[pa.DataType, bool]:
    """The type of a value, and whether there is a list of them."""
    return (kind.value_type, True) if pa.types.is_list(kind) else (kind, False)


def _descriptions(model: type[BaseModel], above: str = "") -> dict[str, str]:
    """`column/field` → what it is: the docstrings under the fields."""
    found = {} if above else {"image": "The image, as its file was; null where it was missing."}
    for name, info in model.model_fields.items():
        found[above + name] = " ".join((info.description or "").split())
        if inner := _model_in(info.annotation):
            found |= _descriptions(inner, f"{above}{name}/")
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)
