"""The columns of a shard beside those that this version writes."""

from collections.abc import Iterable

import pyarrow as pa


def absent_columns(there: Iterable[pa.Field], wanted: Iterable[pa.Field], prefix: str = "") -> list[str] | None:
    """Names of the columns that are not there and may be left out, within structs too; None where more is different."""
    have = {field.name: field for field in there}
    wanted = list(wanted)
    if list(have) != [field.name for field in wanted if field.name in have]:
        return None
    absent = []
    for field in wanted:
        found = have.get(field.name)
        if found is None and (field.nullable or pa.types.is_list(field.type)):
            absent.append(prefix + field.name)
        elif found is None:
            return None
        elif not found.equals(field):
            inner = absent_columns(_inner(found.type), _inner(field.type), f"{prefix}{field.name}.")
            if not inner or (found.type.id, found.nullable) != (field.type.id, field.nullable):
                return None
            absent += inner
    return absent


def _inner(kind: pa.DataType) -> list[pa.Field]:
    kind = kind.value_type if pa.types.is_list(kind) else kind
    return list(kind) if pa.types.is_struct(kind) else []


def difference(there: pa.Schema, wanted: pa.Schema) -> str:
    """How two schemas differ, in words."""
    told = [f"no {name}" for name in wanted.names if name not in there.names]
    told += [f"{name} is none of them" for name in there.names if name not in wanted.names]
    both = [name for name in wanted.names if there.names.count(name) == 1]
    told += [f"{name} has another type" for name in both if not there.field(name).equals(wanted.field(name))]
    return ", ".join(told) or "another order"
