"""The commands that give a dataset away. Each reads its arguments, calls one function, and prints."""

from pathlib import Path
from typing import Annotated

import typer

from ...schemas.errors import UserError
from ..disk import disk_errors

_DATASET = typer.Argument(metavar="DIR", help="A finished dataset that augment or negatives wrote.")
_ROOM = "make room, or name another folder, and run the same command again"
_IMAGES_HELP = "Folder that the image paths are below; by default where the run had them."


def export(
    folder: Annotated[Path, _DATASET],
    to: Annotated[str, typer.Option(help="webdataset, irra-json, negclip-tsv, jsonl or croissant.")],
    out: Annotated[Path, typer.Option(help="Folder to write: new, empty, or an earlier export to the same format.")],
    images_root: Annotated[Path | None, typer.Option(help=_IMAGES_HELP)] = None,
) -> None:
    """Write a dataset in a format that other trainers read."""
    from ..screen import Screen
    from .contents import open_contents
    from .exports.registry import FORMATS

    if to not in FORMATS:
        raise UserError(f"{to!r} is no format", where="--to", mend=f"one of {', '.join(FORMATS)}")
    screen = Screen()
    contents = open_contents(folder)
    images = contents.images_root(images_root)
    if images is None and FORMATS[to].needs_images and not contents.embedded:
        raise UserError("where its images are is not known", where=str(folder), mend="give --images-root DIR")
    with screen.waiting(f"writing {out}"), disk_errors(out, _ROOM):
        made = FORMATS[to].export(contents, out, images)
    for split, count in made.counts.items():
        screen.say(f"{split}: {count:,}")
    for note in made.notes:
        screen.say(note)
    typer.echo(out)


def push(
    folder: Annotated[Path, _DATASET],
    repo: Annotated[str, typer.Option(help="NAMESPACE/NAME on the Hub; made where it is not there.")],
    private: Annotated[bool, typer.Option("--private", help="Make it private.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch; made where it is not there. By default main.")] = None,
    release: Annotated[
        str | None, typer.Option(help="rewrites-only: without the source's captions and images.")
    ] = None,
    license_: Annotated[
        str | None, typer.Option("--license", help="Licence to publish under, as the Hub names it: cc-by-4.0.")
    ] = None,
    images_root: Annotated[Path | None, typer.Option(help=_IMAGES_HELP)] = None,
    message: Annotated[str, typer.Option(help="Of the commit.")] = "Push a dataset made with tbpr-data",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent, and send nothing.")] = False,
) -> None:
    """Publish a dataset on the Hugging Face Hub, load it back, and compare every row.

    Refused where the source's terms do not allow it. Cut off, the same command sends what is missing.
    """
    from ..screen import Screen
    from .contents import open_contents
    from .hub import Hub, check_name
    from .push import REWRITES_ONLY, choose_license, stage, terms_for
    from .push import push as run_push

    check_name(repo)
    if not message.strip():
        raise UserError("is empty", where="--message", mend="say what is pushed")
    if release not in (None, REWRITES_ONLY):
        raise UserError(f"{release!r} is no kind of release", where="--release", mend=f"give {REWRITES_ONLY}")
    screen = Screen()
    with screen.waiting(f"reading {folder}"), disk_errors(folder, _ROOM):
        contents = open_contents(folder)
        # What is refused anyway is refused before a token is asked for, and both before the card is made.
        choose_license(terms_for(contents), license_, release=release is not None)
        hub = None if dry_run else Hub(repo, say=screen.say)
        staged = stage(
            contents,
            repo,
            release=release is not None,
            license=license_,
            images_root=images_root,
            revision=revision,
        )
    for file in staged.files:
        screen.say(f"{file.size:>15,}  {file.path}")
    screen.say(f"{sum(file.size for file in staged.files):>15,}  bytes in {len(staged.files):,} files, to {repo}")
    for note in staged.notes:
        screen.say(note)
    if hub is None:
        typer.echo(staged.card)
        screen.say("nothing was sent")
        return
    pushed = run_push(staged, hub, private=private, revision=revision, message=message, say=screen.say)
    typer.echo(pushed.url)


def join(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A release that push --release rewrites-only made.")],
    source: Annotated[str, typer.Option(help="The source it was made from: its file or folder, or hf:NAME.")],
    out: Annotated[Path, typer.Option(help="Folder of the dataset to make.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="Format of the source; recognised by content.")
    ] = None,
    images_root: Annotated[Path | None, typer.Option(help="Folder that the image paths are below.")] = None,
) -> None:
    """Put the captions and images of your own copy of the source back into a release: the whole dataset again."""
    from ..screen import Screen
    from ..sources.read import read_source
    from .join import join as run_join
    from .release import read_release

    screen = Screen()
    with screen.waiting(f"reading {source}"):
        known = read_release(folder).manifest.source["format"]
        found = source.startswith("hf:") or known in (
            "hf",
            "tbpr-data",
        )  # what these are is told by their content alone
        read = read_source(source, format=format_ or ("auto" if found else known), images_root=images_root)
    with screen.waiting(f"joining {folder}"), disk_errors(out, _ROOM):
        joined = run_join(folder, read, out, source_path=source, images_root=images_root)
    screen.say(f"{joined.captions:,} captions put back; every row is as it was")
    if not joined.same_bytes:
        screen.say("the shards' bytes are others: another pyarrow wrote them")
    for count, what in ((joined.missing_images, "are not at hand"), (joined.other_images, "are other files than then")):
        if count:
            screen.say(f"warning: {count:,} images {what}")
    typer.echo(out)
