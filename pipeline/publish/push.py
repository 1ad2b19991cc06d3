"""`push`: what may be published of a dataset is laid out, sent to the Hub, loaded back and compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...prompts.registry import load_prompt, prompt_names
from ...schemas.errors import RunFailed, UserError
from ..audit.audit import audit
from ..card import Published, card_text
from ..folder import STATE
from ..manifest import FILE as MANIFEST
from ..run_file import FILE as RUN
from ..run_file import published_run, write_prompts
from ..shards import ShardRecord, write_text
from ..sources.output import RELEASE
from .compare import compare
from .contents import Contents
from .croissant import FILE as CROISSANT
from .croissant import croissant
from .hub import File, Hub, Pushed, reason
from .licences import Terms, restricted, terms_of
from .release import make_release

REWRITES_ONLY = "rewrites-only"
# The Hub's own list grows, and its client has none: what is no identifier at all is refused here, the rest there.
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True)
class Staged:
    """What would be sent."""

    root: Path
    """The folder that the shards lie below."""
    shards: tuple[ShardRecord, ...]
    """The shards."""
    files: tuple[File, ...]
    """Every file, the card first."""
    card: str
    """The card."""
    notes: tuple[str, ...]
    """What the user should know before it is sent."""


def stage(
    contents: Contents,
    repo: str,
    *,
    release: bool,
    license: str | None,
    images_root: Path | None,
    revision: str | None = None,
) -> Staged:
    """Lay out what is to be published, in the dataset's own state folder.

    Raises UserError where the terms of a source, or their lack, do not allow it.
    """
    contents = _with_prompts(contents)
    terms = terms_for(contents)
    chosen = choose_license(terms, license, release=release)
    folder = contents.root / STATE / ("release" if release else "publish")
    folder.mkdir(parents=True, exist_ok=True)
    given = contents
    if release:
        given = make_release(contents, folder, contents.images_root(images_root)).contents(folder)
    else:
        contents.manifest.write(folder)
    shards = (*given.shards("pairs"), *given.shards("rejects"))
    published = Published(
        repo=repo,
        revision=revision,
        license=chosen,
        terms=terms,
        audit=audit(contents.root),
        captions=not release,
        shards=shards,
        root=given.root,
        models=given.models,
        readable=_readable(given) if release else {},
    )
    card = card_text(contents.root, given.manifest, published)
    write_text(folder / "README.md", card)
    write_text(folder / RUN, published_run(contents.root))
    own = write_prompts(folder, given.manifest)
    described = croissant(
        given,
        name=repo.rpartition("/")[2],
        description=_about(given, release),
        license=chosen,
        cite_as="\n\n".join(one.citation.strip() for one in terms if one.citation) or None,
    )
    write_text(folder / CROISSANT, described)
    names = ("README.md", CROISSANT, RELEASE if release else MANIFEST, RUN, *own)
    files = (*(File(name, folder / name) for name in names), *(File(one.path, given.root / one.path) for one in shards))
    notes = [f"the terms of {one.name}, of text made from it: {one.generated}" for one in terms if restricted(one)]
    if release and (unseen := _unseen(given)):
        notes.append(f"{unseen:,} images are not at hand: who joins the release cannot tell other images from them")
    return Staged(given.root, shards, files, card, tuple(notes))


def _with_prompts(contents: Contents) -> Contents:
    """The dataset with its prompts in full, which one from before they were kept has not. Raises UserError."""
    made_from = contents.manifest.made_from
    hashes, config = made_from["prompts"], made_from["config"]
    complete = "balance" in config["negatives"] and "faithful" in config["checks"]
    if complete and {prompt.id: prompt.sha256() for prompt in contents.manifest.prompts} == hashes:
        return contents
    prompts = [load_prompt(name) for name in hashes if name in prompt_names()]
    if not complete or {prompt.id: prompt.sha256() for prompt in prompts} != hashes:
        raise UserError(
            "an older version made it: its prompts, or how it was checked, cannot be told any more",
            where=str(contents.root),
            mend=f"make it anew: tbpr-data augment --config {contents.root / RUN} --out NEW",
        )
    return replace(contents, manifest=contents.manifest.model_copy(update={"prompts": tuple(prompts)}))


def terms_for(contents: Contents) -> list[Terms]:
    """The terms of the datasets that the rows are of: the manifest's own list may be written by hand."""
    return [terms_of(name) for name in dict.fromkeys(row["dataset"] for row in contents.rows("pairs", ["dataset"]))]


def _readable(release: Contents) -> dict[str, tuple[int, int]]:
    """What of a release can be read as it stands: rewrites and hard negatives, and of how many."""
    rewrites, negatives = [0, 0], [0, 0]
    for row in release.rows("pairs", ["origin", "text", "negatives.list.element.text"]):
        if row["origin"] == "llm":
            rewrites = [rewrites[0] + (row["text"] is not None), rewrites[1] + 1]
        shown = sum(one["text"] is not None for one in row["negatives"])
        negatives = [negatives[0] + shown, negatives[1] + len(row["negatives"])]
    found = {"rewrites": (rewrites[0], rewrites[1]), "hard negatives": (negatives[0], negatives[1])}
    return {name: counts for name, counts in found.items() if counts[1]}


def _unseen(release: Contents) -> int:
    hashes = {row["image_id"]: row["image_sha256"] for row in release.rows("pairs", ["image_id", "image_sha256"])}
    return sum(sha256 is None for sha256 in hashes.values())


def _about(contents: Contents, release: bool) -> str:
    sources = ", ".join(contents.datasets)
    what = f"{sources} for text-based person retrieval, with rewrites and hard negatives made by tbpr-data"
    return f"{what}; without the captions and images of the source." if release else f"{what}."


def push(
    staged: Staged, hub: Hub, *, private: bool, revision: str | None, message: str, say: Callable[[str], None]
) -> Pushed:
    """Send what was laid out, and prove that it loads as it is here.

    Raises:
        UserError: no token, no such namespace, a repository that may not be written or holds data of somebody else, or
            what the Hub refuses.
        RunFailed: the Hub cannot be reached, or what loads is not what was sent.
    """
    hub.check_card(staged.card)
    hub.make(private=private, revision=revision)
    pushed = hub.push(staged.files, revision=revision, message=message)
    say(f"pushed: commit {pushed.commit}; loading it back")
    rows = _loaded_back(staged, hub, pushed)
    say(f"loaded back: {rows:,} rows, each as it is here")
    return pushed


def _loaded_back(staged: Staged, hub: Hub, pushed: Pushed) -> int:
    from datasets.exceptions import DatasetsError

    try:
        return hub.tried(lambda: compare(hub.repo, pushed.commit, staged.root, staged.shards))
    except (OSError, ValueError, KeyError, DatasetsError) as error:
        raise RunFailed(
            f"is pushed, but does not load: {reason(error)}",
            where=f"{hub.repo}@{pushed.commit}",
            mend="load it yourself: the Hub may need a moment",
        ) from None


def choose_license(terms: Sequence[Terms], given: str | None, *, release: bool) -> str:
    """The licence to name on the Hub.

    Raises UserError where the sources' terms do not allow to publish, or `given` is no identifier of a licence.
    """
    if given is not None and not _LICENSE.fullmatch(given):
        mend = "give its identifier on the Hub, such as cc-by-4.0, or other"
        raise UserError(f"{given!r} is no licence", where="--license", mend=mend)
    if release:
        return given or "other"
    for one in terms:
        reasons = restricted(one)
        if reasons and (one.known or given is None):
            told = "push --release rewrites-only publishes what may be"
            mend = told if one.known else f"say under which licence you may, with --license; or {told}"
            raise UserError("; ".join(reasons), where=one.dataset, mend=mend)
    return given or terms[0].license_id
