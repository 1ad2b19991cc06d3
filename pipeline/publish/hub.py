"""A dataset repository on the Hugging Face Hub: made, filled in one commit, retried where a failure may pass."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from ...schemas.errors import RunFailed, UserError
from .left_over import left_over

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

_Given = TypeVar("_Given")
_TRANSIENT_STATUS = frozenset({408, 425, 429})
_ATTEMPTS = 6
"""Of one call; the client itself tries most requests six times before that."""
_LONGEST_WAIT_S = 60.0
_BATCH = 50
"""Files uploaded between two lines of progress."""


@dataclass(frozen=True)
class File:
    """A file to be published."""

    path: str
    """Where it goes in the repository."""
    local: Path
    """Where it is."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.local.stat().st_size


@dataclass(frozen=True)
class Pushed:
    """What a push gave."""

    url: str
    """Page of the repository, at the branch that was given."""
    commit: str
    """The commit that holds the files."""


def check_name(repo: str) -> None:
    """Raise UserError for what is no name of a repository, or is the path of a folder here."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UserError(str(error).splitlines()[0], where="--repo", mend="give NAMESPACE/NAME") from None
    if "/" not in repo:
        raise UserError(f"{repo!r} has no namespace", where="--repo", mend="give NAMESPACE/NAME")
    if Path(repo).exists():
        # `datasets` would load that one back, and prove nothing.
        raise UserError("is a path here too", where=f"--repo {repo}", mend="run push from another folder")


class Hub:
    """The Hub, for one repository. The token comes from where `hf auth login` or HF_TOKEN put it."""

    def __init__(self, repo: str, *, say: Callable[[str], None]) -> None:
        """Raises UserError where there is no token, or the client was told to stay offline."""
        from huggingface_hub import HfApi, get_token, is_offline_mode
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

        if is_offline_mode():
            what = "the Hub's client is offline"
            raise UserError(what, where="push", mend="unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE")
        token = get_token()
        if token is None:
            raise UserError("no token for the Hub", where="push", mend="run hf auth login, or set HF_TOKEN")
        if not sys.stderr.isatty():
            disable_progress_bars()
        self.repo, self._say = repo, say
        self._api: HfApi = HfApi(library_name="tbpr-data", token=token)

    def check_card(self, card: str) -> None:
        """Raise UserError where the Hub does not take the YAML of a card, RunFailed where it cannot be asked."""
        from huggingface_hub import DatasetCard

        self.tried(DatasetCard(card).validate)

    def make(self, *, private: bool, revision: str | None) -> None:
        """Make the repository, and the branch, unless they are there. Raises UserError, RunFailed."""
        self.tried(
            lambda: self._api.create_repo(
                self.repo, repo_type="dataset", private=True if private else None, exist_ok=True
            )
        )
        info = self.tried(lambda: self._api.repo_info(self.repo, repo_type="dataset"))
        if private and not info.private:
            raise UserError("is there already, and public", where=self.repo, mend="give another --repo")
        if revision is not None:
            self.tried(lambda: self._api.create_branch(self.repo, branch=revision, repo_type="dataset", exist_ok=True))

    def push(self, files: Sequence[File], *, revision: str | None, message: str) -> Pushed:
        """Upload what the repository has not, then make all of it one commit: nobody sees a half of it.

        Raises UserError, RunFailed; what was uploaded whole is not sent again by the next try, and where files of
        somebody else are in the way, nothing is sent.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        names = {file.path for file in files}
        self.tried(lambda: self._stale(names, revision))
        added = [CommitOperationAdd(file.path, file.local) for file in files]
        for at in range(0, len(added), _BATCH):
            self._upload(added[at : at + _BATCH], revision)
            if len(added) > _BATCH:
                self._say(f"{min(at + _BATCH, len(added)):,} of {len(added):,} files uploaded")

        def commit() -> Pushed:
            # Asked anew each time: the answer to a commit that was made may have been lost.
            head, stale = self._stale(names, revision)
            if "manifest.json" in stale:
                self._say(f"warning: earlier commits of {self.repo} hold the whole dataset; its history keeps them")
            made = self._api.create_commit(
                self.repo,
                [
                    *(CommitOperationAdd(file.path, file.local) for file in files),
                    *(CommitOperationDelete(path) for path in stale),
                ],
                commit_message=message,
                repo_type="dataset",
                revision=revision,
                parent_commit=head,  # nothing is deleted that came in between
            )
            at = "" if revision is None else f"/tree/{quote(revision, safe='')}"
            return Pushed(f"{self._api.endpoint}/datasets/{self.repo}{at}", made.oid)

        return self.tried(commit)

    def _stale(self, names: Collection[str], revision: str | None) -> tuple[str | None, list[str]]:
        """The last commit, and what of an earlier push it holds that this one has not. Raises UserError."""
        head = self._api.repo_info(self.repo, repo_type="dataset", revision=revision).sha
        there = self._api.list_repo_files(self.repo, repo_type="dataset", revision=head)

        def read(path: str) -> bytes:
            return Path(self._api.hf_hub_download(self.repo, path, repo_type="dataset", revision=head)).read_bytes()

        return head, left_over(self.repo, there, names, read)

    def _upload(self, added: list[CommitOperationAdd], revision: str | None) -> None:
        self.tried(
            lambda: self._api.preupload_lfs_files(
                self.repo, added, repo_type="dataset", revision=revision, free_memory=False
            )
        )

    def tried(self, call: Callable[[], _Given]) -> _Given:
        """The one owner of retries of a call."""
        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=_wait,
            before_sleep=self._say_why,
            reraise=True,
        )
        try:
            return retrying(call)
        except Exception as error:
            if (cause := _cause(error)) is None:
                raise
            raise self._told(cause) from None

    def _say_why(self, state: RetryCallState) -> None:
        error = _cause(state.outcome.exception() if state.outcome else None)
        self._say(f"the Hub: {reason(error)}; trying again in {state.upcoming_sleep:.0f} s")

    def _told(self, error: Exception) -> UserError:
        status, told = _status(error), reason(error)
        if status in (400, 422):
            # What was sent is at fault: sent again, it is refused again.
            mend = "mend what it names, such as --license"
            return UserError(f"the Hub refuses what was sent: {told}", where=self.repo, mend=mend)
        again = "what is uploaded stays; run the same command again"
        if status is None:
            return RunFailed(f"cannot be reached: {told}", where=self._api.endpoint, mend=again)
        if status == 401:
            return UserError(f"the token is not accepted: {told}", where=self.repo, mend="run hf auth login again")
        if status in (403, 404):
            mend = "give a --repo that the token may write to"
            return UserError(f"may not be written: {told}", where=self.repo, mend=mend)
        return RunFailed(f"the Hub answers {status}: {told}", where=self.repo, mend=again)


def _cause(error: BaseException | None) -> Exception | None:
    """What the Hub, or the way there, did: the client wraps some of it. None for a fault of another kind."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    while error is not None:
        # A proxy's page of HTML in place of JSON is the way there too.
        if isinstance(error, (HfHubHTTPError, httpx2.TransportError, ConnectionError, JSONDecodeError)):
            return error
        error = error.__cause__ or error.__context__
    return None


def _may_pass(error: BaseException) -> bool:
    if (cause := _cause(error)) is None:
        return False
    status = _status(cause)
    return status is None or status in _TRANSIENT_STATUS or status >= 500


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    return None if response is None else int(response.status_code)


def reason(error: BaseException | None) -> str:
    """What the Hub says, in one line, without the token that a proxy may send back."""
    from huggingface_hub import get_token

    told = " ".join(str(getattr(error, "server_message", None) or error).split())
    if token := get_token():
        told = told.replace(token, "…")
    return told[:200] or type(error).__name__


_backoff = wait_random_exponential(multiplier=1, max=_LONGEST_WAIT_S)


def _wait(state: RetryCallState) -> float:
    error = _cause(state.outcome.exception() if state.outcome else None)
    wished = getattr(getattr(error, "response", None), "headers", {}).get("retry-after", "")
    if re.fullmatch(r"\d+(\.\d+)?", wished):
        return min(float(wished), _LONGEST_WAIT_S)
    return _backoff(state)
