"""A stand-in for the Hugging Face Hub: a real HTTP server on loopback, for huggingface_hub and datasets as they are.

It speaks what those two use of the Hub for dataset repositories: who am I, create, branch, info, refs, history, tree,
paths, preupload, git-LFS (basic, multipart, verify), commit, resolve with ranges, and the check of a card's YAML. As
with the real one, large files come from and go to another address, by signed links, without the user's token.

It does not do: the Xet store (set HF_HUB_DISABLE_XET=1), models and spaces, pull requests, tags, renaming and deleting
repositories, gates, organisations, quotas, `.gitignore`, git itself, the dataset viewer, the last commit of a file
(`expand`), the rules for what a card's YAML may say (only whether it is YAML, and what `card_errors` says), and paging
of the history. What the real one answers to mistakes was taken from what the clients look for, not from the real one's
code.

Contents of files are in `root`; the rest is in memory, and gone when it stops. `loopback_clients` points clients at it;
`python tests/loopback_hub.py --root DIR` serves until it is killed.
"""

import argparse
import base64
import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import yaml
from loopback_repository import Commit, File, Repository, entry
from loopback_storage import Storage, content
from loopback_wire import Call, Fault, Refused, Reply, Wire

__all__ = ["Commit", "Fault", "LoopbackHub", "Repository"]

_REPO = r"(?P<name>[^/]+/[^/]+)"
_API = f"/api/datasets/{_REPO}"


class LoopbackHub(Wire):
    """The Hub of one user, who has one token. A file of more bytes than `multipart_above` comes in parts of as many."""

    def __init__(
        self,
        root: Path,
        *,
        token: str = "hf_test",
        user: str = "user",
        port: int = 0,
        multipart_above: int | None = None,
    ) -> None:
        self._repositories: dict[str, Repository] = {}
        self._storage = Storage(self._repositories, secret=token, multipart_above=multipart_above)
        super().__init__(self._answer_call, self._storage.answer, port=port)
        self._storage.url = self.address(1)
        self.root, self.token, self.user = root, token, user
        self.page_size = 1000
        """The entries of a page of the tree."""
        self.card_errors: list[str] = []
        """What is wrong with every card's metadata."""

    @property
    def url(self) -> str:
        return self.address(0)

    @property
    def uploads(self) -> list[str]:
        """The sha256 of every object that came whole into LFS, in order, and again where it came again."""
        return self._storage.uploads

    def repository(self, name: str) -> Repository:
        return self._repositories[name]

    def commits(self, name: str, branch: str = "main") -> list[Commit]:
        """The commits of a branch, the oldest first; the first is the Hub's own."""
        return self.repository(name).history(branch)

    def _answer_call(self, call: Call) -> Reply:
        signed_in = self._signed_in(call)
        method = "GET" if call.method == "HEAD" else call.method
        for endpoints in (_GENERAL, _READS, _WRITES):
            for asked, pattern, endpoint in endpoints:
                match = re.fullmatch(pattern, call.path)
                if match is None or asked != method:
                    continue
                names = {name: unquote(value) for name, value in match.groupdict(default="").items()}
                if endpoints is _GENERAL:
                    return endpoint(self, call, signed_in)
                repository = self._open_repository(names.pop("name"), signed_in, write=endpoints is _WRITES)
                return endpoint(self, call, repository, **names)
        raise Refused(404, "Sorry, we can't find the page you are looking for.")

    def _signed_in(self, call: Call) -> bool:
        given = call.headers.get("Authorization")
        if given is not None and given != f"Bearer {self.token}":
            raise Refused(401, "Invalid credentials in Authorization header")
        return given is not None

    def _open_repository(self, name: str, signed_in: bool, *, write: bool) -> Repository:
        repository = self._repositories.get(name)
        # The clients take a 401 without this code for a missing repository only where the address is https.
        if repository is None or (not signed_in and (write or repository.private)):
            message = "Repository not found" if signed_in else "Invalid username or password."
            raise Refused(404 if signed_in else 401, message, "RepoNotFound")
        return repository

    def _who(self, call: Call, signed_in: bool) -> Reply:
        if not signed_in:
            raise Refused(401, "Invalid username or password.")
        token = {"displayName": "test", "role": "write"}
        return Reply.json(
            {"type": "user", "name": self.user, "orgs": [], "auth": {"type": "access_token", "accessToken": token}}
        )

    def _validate_yaml(self, call: Call, signed_in: bool) -> Reply:
        try:
            metadata, errors = _metadata(call.json()["content"]), self.card_errors
        except ValueError as error:
            metadata, errors = {}, [str(error)]
        if errors:
            return Reply.json({"errors": [{"message": error} for error in errors], "warnings": []}, 400)
        warnings = [] if metadata else [{"message": "empty or missing yaml metadata in repo card"}]
        return Reply.json({"errors": [], "warnings": warnings})

    def _create(self, call: Call, signed_in: bool) -> Reply:
        if not signed_in:
            raise Refused(401, "Invalid username or password.")
        asked = call.json()
        if asked.get("type") != "dataset":
            raise Refused(501, "This stand-in holds datasets only")
        owner = asked.get("organization") or self.user
        if owner != self.user:
            raise Refused(403, f'You don\'t have the rights to create a dataset under the namespace "{owner}"')
        name = f"{owner}/{asked['name']}"
        url = f"{self.url}/datasets/{name}"
        with self._lock:
            if name in self._repositories:
                raise Refused(409, "You already created this dataset repo", url=url)
            self._repositories[name] = Repository(name, self.root, private=asked.get("visibility") == "private")
        return Reply.json({"url": url, "name": name})

    def _info(self, call: Call, repository: Repository, revision: str) -> Reply:
        commit = repository.at(revision or "main")
        card = commit.files.get("README.md")
        files = [_sibling(path, file, "blobs" in call.query) for path, file in sorted(commit.files.items())]
        dates = [_date(repository, shown) for shown in (repository.history(commit.oid)[0], commit)]
        return Reply.json(
            {
                "id": repository.name,
                "author": repository.name.split("/")[0],
                "sha": commit.oid,
                "createdAt": dates[0],
                "lastModified": dates[1],
                "private": repository.private,
                "gated": False,
                "disabled": False,
                "tags": [],
                "cardData": _metadata(repository.read(card.content_oid).decode()) if card else None,
                "siblings": files,
            }
        )

    def _refs(self, call: Call, repository: Repository) -> Reply:
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": oid}
            for name, oid in sorted(repository.branches.items())
        ]
        return Reply.json({"branches": branches, "converts": [], "tags": []})

    def _history(self, call: Call, repository: Repository, revision: str) -> Reply:
        return Reply.json(
            [
                {
                    "id": commit.oid,
                    "title": commit.title,
                    "message": commit.description,
                    "authors": [{"user": self.user if commit.parent else "system"}],
                    "date": _date(repository, commit),
                }
                for commit in reversed(repository.history(revision))
            ]
        )

    def _tree(self, call: Call, repository: Repository, revision: str, folder: str) -> Reply:
        commit = repository.at(revision)
        entries = list(repository.tree(commit, folder, recursive=call.query.get("recursive") == "true"))
        start = int(call.query.get("cursor", 0))
        end = start + self.page_size
        following = f"{self.url}{call.path}?{urlencode({**call.query, 'cursor': end})}"
        headers = {"Link": f'<{following}>; rel="next"'} if end < len(entries) else {}
        return Reply.json(entries[start:end], headers=headers)

    def _paths(self, call: Call, repository: Repository, revision: str) -> Reply:
        files = repository.at(revision).files
        asked = parse_qs(call.read().decode()).get("paths", [])
        folders = {path for path in asked if any(name.startswith(f"{path}/") for name in files)}
        return Reply.json([entry(path, files.get(path)) for path in asked if path in files or path in folders])

    def _branch(self, call: Call, repository: Repository, branch: str) -> Reply:
        repository.branch(branch, call.json().get("startingPoint", "main"))
        return Reply()

    def _preupload(self, call: Call, repository: Repository, revision: str) -> Reply:
        files = repository.at(revision).files
        return Reply.json(
            {
                "files": [
                    {
                        "path": (path := asked["path"]),
                        "uploadMode": repository.upload_mode(path, asked["size"], base64.b64decode(asked["sample"])),
                        "shouldIgnore": False,
                        "oid": files[path].content_oid if path in files else None,
                    }
                    for asked in call.json()["files"]
                ]
            }
        )

    def _batch(self, call: Call, repository: Repository) -> Reply:
        verify = f"{self.url}/datasets/{repository.name}.git/info/lfs/verify"
        return Reply.json(self._storage.batch(repository, call.json()["objects"], verify))

    def _verify(self, call: Call, repository: Repository) -> Reply:
        asked = call.json()
        if not repository.holds(asked["oid"]):
            raise Refused(404, "Object does not exist")
        return Reply.json(asked)

    def _commit(self, call: Call, repository: Repository, revision: str) -> Reply:
        if "create_pr" in call.query:
            raise Refused(501, "This stand-in makes no pull requests")
        made = repository.commit(revision, map(json.loads, call.read().splitlines()))
        url = f"{self.url}/datasets/{repository.name}/commit/{made.oid}"
        return Reply.json({"success": True, "commitOid": made.oid, "commitUrl": url, "hookOutput": ""})

    def _resolve(self, call: Call, repository: Repository, revision: str, path: str) -> Reply:
        commit = repository.at(revision)
        headers = {"X-Repo-Commit": commit.oid}
        file = commit.files.get(path)
        if file is None:
            raise Refused(404, "Entry not found", "EntryNotFound", headers=headers)
        if file.sha256 is None:
            return content(call, repository.read(file.oid), {**headers, "ETag": f'"{file.oid}"'})
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        return Reply(status=302, headers={**headers, "Location": self._storage.link(repository, file.sha256)})


_Endpoints = tuple[tuple[str, str, Callable[..., Reply]], ...]
_GENERAL: _Endpoints = (
    ("GET", "/api/whoami-v2", LoopbackHub._who),
    ("POST", "/api/validate-yaml", LoopbackHub._validate_yaml),
    ("POST", "/api/repos/create", LoopbackHub._create),
)
_READS: _Endpoints = (
    ("GET", rf"{_API}(?:/revision/(?P<revision>[^/]+))?", LoopbackHub._info),
    ("GET", rf"{_API}/refs", LoopbackHub._refs),
    ("GET", rf"{_API}/commits/(?P<revision>[^/]+)", LoopbackHub._history),
    ("GET", rf"{_API}/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", LoopbackHub._tree),
    ("POST", rf"{_API}/paths-info/(?P<revision>[^/]+)", LoopbackHub._paths),
    ("GET", rf"/datasets/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", LoopbackHub._resolve),
)
_WRITES: _Endpoints = (
    ("POST", rf"{_API}/branch/(?P<branch>[^/]+)", LoopbackHub._branch),
    ("POST", rf"{_API}/preupload/(?P<revision>[^/]+)", LoopbackHub._preupload),
    ("POST", rf"{_API}/commit/(?P<revision>[^/]+)", LoopbackHub._commit),
    ("POST", rf"/datasets/{_REPO}\.git/info/lfs/objects/batch", LoopbackHub._batch),
    ("POST", rf"/datasets/{_REPO}\.git/info/lfs/verify", LoopbackHub._verify),
)


def _metadata(card: str) -> dict[str, Any]:
    """The YAML at the head of a card. Raises ValueError where it is none."""
    head = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card, re.DOTALL)
    try:
        metadata = yaml.safe_load(head[1]) if head else {}
    except yaml.YAMLError as error:
        raise ValueError(f"invalid YAML: {error}") from error
    if not isinstance(metadata, dict):
        raise ValueError("the metadata is no mapping")
    return metadata


def _sibling(path: str, file: File, blobs: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"rfilename": path}
    if blobs:
        shown |= {"size": file.size, "blobId": file.oid}
        if file.sha256:
            shown["lfs"] = {"size": file.size, "sha256": file.sha256, "pointerSize": file.pointer_size}
    return shown


def _date(repository: Repository, commit: Commit) -> str:
    """A minute after the commit before it: the same on every run."""
    made = datetime(2026, 1, 1) + timedelta(minutes=len(repository.history(commit.oid)) - 1)
    return made.isoformat(timespec="milliseconds") + "Z"


def main() -> None:
    """Serve until killed; the address is the first line on stdout."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user", default="user")
    parser.add_argument("--token", default="hf_test")
    given = parser.parse_args()
    with LoopbackHub(given.root, token=given.token, user=given.user, port=given.port) as hub:
        print(hub.url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
