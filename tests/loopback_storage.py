"""Where the loopback Hub keeps large files: another address, as with the real one, that takes signed links only."""

import hashlib
import hmac
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from loopback_repository import Repository
from loopback_wire import Call, Refused, Reply

_OBJECT = re.compile(r"/lfs/(?P<name>[^/]+/[^/]+)/(?P<oid>[0-9a-f]{64})(?:/(?P<part>\d+))?")


class Storage:
    """Takes and gives the large files of `repositories`."""

    def __init__(self, repositories: Mapping[str, Repository], *, secret: str, multipart_above: int | None) -> None:
        self.url = ""
        """Its address, once it has one."""
        self.uploads: list[str] = []
        """What came whole."""
        self._repositories, self._secret, self._multipart_above = repositories, secret, multipart_above
        self._parts: defaultdict[str, dict[int, bytes]] = defaultdict(dict)

    def batch(self, repository: Repository, objects: list[dict[str, Any]], verify: str) -> dict[str, Any]:
        """What git-LFS's batch endpoint answers: how to send those of the objects that are not there."""
        repository.announced.update({asked["oid"]: asked["size"] for asked in objects})
        return {
            "transfer": "basic",
            "objects": [
                asked
                if repository.holds(asked["oid"])
                else {**asked, "actions": {"upload": self._upload(repository, **asked), "verify": {"href": verify}}}
                for asked in objects
            ],
        }

    def link(self, repository: Repository, sha256: str) -> str:
        """Where an object can be read."""
        return self._sign("GET", f"/lfs/{repository.name}/{sha256}")

    def answer(self, call: Call) -> Reply:
        """The door. As with S3, a link is signed, and a token beside it is a mistake."""
        if "Authorization" in call.headers:
            raise Refused(400, "Only one auth mechanism allowed; the link is signed already")
        if not hmac.compare_digest(call.query.get("signature", ""), self._signature(call.method, call.path)):
            raise Refused(403, "SignatureDoesNotMatch")
        match = _OBJECT.fullmatch(call.path)
        assert match is not None  # we signed it
        repository, oid = self._repositories[match["name"]], match["oid"]
        if call.method in ("GET", "HEAD"):
            return content(call, repository.read(oid), {"ETag": f'"{oid}"'})
        parts = self._parts[f"{repository.name}/{oid}"]
        if match["part"]:
            parts[int(match["part"])] = part = call.read()
            return Reply(headers={"ETag": _etag(part)})
        if call.method == "POST":
            asked = call.json()["parts"]
            if any(part["etag"] != _etag(parts[part["partNumber"]]) for part in asked):
                raise Refused(400, "InvalidPart")
            repository.receive((parts[part["partNumber"]] for part in asked), oid)
        else:
            repository.receive(call.chunks(), oid)
        self.uploads.append(oid)
        return Reply()

    def _upload(self, repository: Repository, oid: str, size: int) -> dict[str, Any]:
        path, part_size = f"/lfs/{repository.name}/{oid}", self._multipart_above
        if part_size is None or size <= part_size:
            return {"href": self._sign("PUT", path)}
        parts = {f"{i:05}": self._sign("PUT", f"{path}/{i}") for i in range(1, -(-size // part_size) + 1)}
        return {"href": self._sign("POST", path), "header": {"chunk_size": str(part_size), **parts}}

    def _sign(self, method: str, path: str) -> str:
        return f"{self.url}{path}?signature={self._signature(method, path)}"

    def _signature(self, method: str, path: str) -> str:
        words = f"{'GET' if method == 'HEAD' else method} {path}"
        return hmac.new(self._secret.encode(), words.encode(), "sha256").hexdigest()


def content(call: Call, whole: bytes, headers: Mapping[str, str]) -> Reply:
    """A file, or the range of it that was asked for."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", call.headers.get("Range", ""))
    if asked is None or not any(asked.groups()):
        return Reply(whole, headers={**headers, "Accept-Ranges": "bytes"})
    first, last = asked.groups()
    start = int(first) if first else max(0, len(whole) - int(last))
    end = min(int(last) + 1, len(whole)) if first and last else len(whole)
    if start >= end:
        raise Refused(416, "InvalidRange", headers={"Content-Range": f"bytes */{len(whole)}"})
    return Reply(whole[start:end], 206, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(whole)}"})


def _etag(part: bytes) -> str:
    return f'"{hashlib.md5(part, usedforsecurity=False).hexdigest()}"'
