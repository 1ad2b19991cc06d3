"""What an earlier push of ours left in a repository, told from what somebody else keeps there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from pydantic import ValidationError

from ...schemas.errors import UserError
from ...schemas.settings import first_problem
from ..manifest import Manifest
from ..sources.output import MANIFEST, RELEASE
from .release import Release

_FOLDERS = ("data/", "rejects/")
_SHARD = re.compile(r"(data|rejects)/[^/]+\.parquet")
_ELSEWHERE = "give another --repo, or a --revision without it"


def left_over(repo: str, there: Collection[str], sent: Collection[str], read: Callable[[str], bytes]) -> list[str]:
    """The files of an earlier push that this one has not: its shards would be read with the new ones.

    Args:
        repo: whose files these are, for messages.
        there: paths in the repository.
        sent: paths of this push.
        read: gives the content of a file in the repository.

    Raises UserError where somebody else's files would be overwritten, or be read with ours.
    """
    ours = {path for name in (MANIFEST, RELEASE) if name in there for path in (name, *_shards(repo, name, read(name)))}
    # Every repository has a README; of the other files beside the shards, a manifest of ours says that they are ours.
    replaced = {"README.md", *(sent if ours else ())}
    for path in sorted(there):
        if path not in ours and (path.startswith(_FOLDERS) or (path in sent and path not in replaced)):
            what = f"holds {path}, which is of no earlier push: this one would overwrite it, or be read with it"
            raise UserError(what, where=repo, mend=_ELSEWHERE)
    return [path for path in there if path in ours and path not in sent]


def _shards(repo: str, name: str, content: bytes) -> list[str]:
    """The shards that a manifest or a release in the repository names: anybody may have written it."""
    try:
        read = Release.model_validate_json(content).manifest if name == RELEASE else None
        manifest = read or Manifest.model_validate_json(content)
    except ValidationError as error:
        what = f"holds a {name} that this version does not read: {first_problem(error)}"
        raise UserError(what, where=repo, mend=_ELSEWHERE) from None
    paths = [shard.path for block in manifest.blocks for shard in block.shards]
    if strange := [path for path in paths if not _SHARD.fullmatch(path)]:
        raise UserError(f"holds a {name} that is none of ours: it names {strange[0]!r}", where=repo, mend=_ELSEWHERE)
    return paths
