"""The commands. Each reads its arguments, calls one function, and prints; nothing imports this module."""

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..schemas.errors import RunFailed, UserError
from ..training.commands import evaluate, train
from .inspect_commands import status, verify
from .options import SAVED, Format, ImagesRoot, say_how_to_go_on
from .publish.commands import export, join, push

if TYPE_CHECKING:
    from .config import RunConfig

app = typer.Typer(
    name="tbpr-data",
    help="Turn a text-based person retrieval dataset into an augmented one: LLM rewrites, hard negatives, Parquet.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    # Plain help: rich alone would take a third of the time that --help takes.
    rich_markup_mode=None,
)

_LLM_HELP = "qwen, llama, smollm2, a Hub id, a folder of weights, or a model's name at --endpoint."
_SET_HELP = "Set anything else of the run config, e.g. --set checks.min_words=5 (repeatable)."


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as package_version

        typer.echo(package_version("tbpr-data"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def augment(
    source: Annotated[str | None, typer.Argument(help="File or folder of a dataset, or hf:NAME.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the dataset to make, or to go on making.")] = None,
    format_: Format = None,
    llm: Annotated[str | None, typer.Option(help=_LLM_HELP)] = None,
    endpoint: Annotated[str | None, typer.Option(help="Base URL of a running OpenAI-compatible server.")] = None,
    recipe: Annotated[
        list[str] | None, typer.Option(help="Prompt, by name or TOML path (repeatable): paraphrase, concise.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Answers asked of each caption and prompt.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many captions.")] = None,
    images_root: ImagesRoot = None,
    seed: Annotated[int | None, typer.Option(help="Run seed.")] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Ask the model, yes or no, where the comparison of texts is unsure.")
    ] = False,
    no_negatives: Annotated[bool, typer.Option("--no-negatives", help="Make no hard negatives.")] = False,
    config: Annotated[Path | None, typer.Option(help="Run config (TOML); flags go before it.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help=_SET_HELP, metavar="KEY=VALUE")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check source and settings, print what would be asked, and ask nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the folder.")] = False,
) -> None:
    """Rewrite every caption of SOURCE, make hard negatives, write Parquet shards to --out.

    Stopped or killed, the same command goes on where it was.
    """
    from .config import load_config

    flags: dict[str, Any] = {
        **_source_flags(source, format_, split, limit, images_root),
        "llm.model": llm,
        "server.endpoint": endpoint,
        "recipe": recipe or None,
        "samples": samples,
        "seed": seed,
        "judge.enabled": True if judge else None,
        "negatives.enabled": False if no_negatives else None,
    }
    run_config = load_config(config, settings or [], flags)
    if dry_run:
        from .preview import preview
        from .screen import Screen

        typer.echo(preview(run_config, Screen(quiet=quiet)))
        return
    if out is None:
        raise UserError("no folder to write to", where="augment", mend="give --out DIR")
    _make(run_config, out, quiet=quiet)


def _source_flags(
    path: str | None, format_: str | None, split: str | None, limit: int | None, images_root: Path | None
) -> dict[str, Any]:
    return {
        "source.path": path,
        "source.format": format_,
        "source.split": split,
        "source.limit": limit,
        "source.images_root": str(images_root) if images_root else None,
    }


def _make(config: "RunConfig", out: Path, *, quiet: bool) -> None:
    """Make a dataset, and say what came of it."""
    from .run import augment as run_augment
    from .screen import Screen
    from .summary import show_summary

    screen = Screen(quiet=quiet)
    try:
        outcome = run_augment(config, out, screen)
        show_summary(outcome.root, outcome.manifest, screen)
    except KeyboardInterrupt:
        say_how_to_go_on(f"interrupted; {screen.remains or SAVED}", 130)
    except RunFailed as failure:
        if not screen.remains:  # it had not begun
            raise
        sys.stderr.write(f"tbpr-data: {failure}\n")
        say_how_to_go_on(screen.remains, failure.exit_code)
    typer.echo(outcome.root)
    if outcome.failed:
        screen.say(f"{outcome.failed:,} requests got no answer; the same command asks them again")
        raise typer.Exit(3)


@app.command()
def negatives(
    source: Annotated[str, typer.Argument(help="File or folder of a dataset, or hf:NAME.")],
    out: Annotated[Path, typer.Option(help="Folder of the dataset to make, or to go on making.")],
    format_: Format = None,
    recipe: Annotated[
        str | None, typer.Option(help="person (guarded and balanced) or negclip (NegCLIP's six swaps as they are).")
    ] = None,
    rules: Annotated[list[str] | None, typer.Option(help="Only this rule or kind (repeatable).")] = None,
    per_caption: Annotated[int | None, typer.Option(help="At most so many a caption.")] = None,
    scorer: Annotated[
        str | None, typer.Option(help="Language model that weighs as well: smollm2, a folder, a Hub id in the cache.")
    ] = None,
    features: Annotated[Path | None, typer.Option(help="Parquet of image features, for similar images.")] = None,
    embed: Annotated[str | None, typer.Option(help="open_clip MODEL:WEIGHTS that makes the features.")] = None,
    no_balance: Annotated[bool, typer.Option("--no-balance", help="Take what the rules give at random.")] = False,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many captions.")] = None,
    images_root: ImagesRoot = None,
    seed: Annotated[int | None, typer.Option(help="Run seed.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help=_SET_HELP, metavar="KEY=VALUE")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and the folder.")] = False,
) -> None:
    """Make hard negatives of every caption of SOURCE and write Parquet shards to --out. No language model is needed."""
    from .config import load_config

    flags: dict[str, Any] = {
        **_source_flags(source, format_, split, limit, images_root),
        "recipe": (),
        "seed": seed,
        "negatives.enabled": True,
        "negatives.recipe": recipe,
        "negatives.rules": tuple(rules) if rules else None,
        "negatives.per_caption": per_caption,
        "negatives.features": str(features) if features else None,
        "negatives.embed": embed,
        "negatives.scorer": scorer,
        "negatives.balance": False if no_balance else None,
    }
    _make(load_config(None, settings or [], flags), out, quiet=quiet)


@app.command()
def audit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset that augment or negatives wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the sample and of the folds.")] = 0,
    most_pairs: Annotated[int, typer.Option(help="Measure at most so many negatives.", min=10)] = 20_000,
) -> None:
    """Say what is in a dataset: keep rates, negatives that show or may be true, lengths, diversity, leaks."""

    from rich.console import Console

    from .audit.audit import audit as run_audit
    from .audit.table import show
    from .screen import Screen

    with Screen().waiting(f"reading {folder}"):
        found = run_audit(folder, seed=seed, most_pairs=most_pairs)
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        show(found, str(folder), Console(highlight=False))


app.command()(status)
app.command()(verify)


_LINES_HELP = "File to read; stdin where it is - or left out."
_WORKERS_HELP = "Processes; 0 takes every core."


@app.command("parse")
def parse_captions(
    file: Annotated[Path | None, typer.Argument(help=_LINES_HELP)] = None,
    workers: Annotated[int, typer.Option(help=_WORKERS_HELP, min=0)] = 0,
) -> None:
    """Read captions (a text a line, or JSON Lines with `text`) into persons: a JSON line each, in order."""
    from .checks.answers import person_of
    from .lines import answer_stdout

    raise typer.Exit(answer_stdout(file, person_of, workers=workers))


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help=_LINES_HELP)] = None,
    policy: Annotated[
        str, typer.Option(help="paraphrase, concise or detailed, where a line does not say.")
    ] = "paraphrase",
    min_novelty: Annotated[float, typer.Option(help="Less novelty than this is a near copy.", min=0, max=1)] = 0.1,
    workers: Annotated[int, typer.Option(help=_WORKERS_HELP, min=0)] = 0,
) -> None:
    """Compare rewrites with their sources (JSON Lines of `source`, `rewrite` and maybe `policy`): a verdict each."""
    from functools import partial

    from .checks.answers import verdict_of
    from .checks.verdict import FORBIDDEN
    from .lines import answer_stdout

    if policy not in FORBIDDEN:
        raise UserError(f"{policy!r} is no policy", where="--policy", mend=f"one of {', '.join(FORBIDDEN)}")
    answer = partial(verdict_of, policy=policy, min_novelty=min_novelty)
    raise typer.Exit(answer_stdout(file, answer, workers=workers))


@app.command("demo-data")
def demo_data(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    identities: Annotated[int, typer.Option(help="People to draw.")] = 400,
    seed: Annotated[int, typer.Option(help="Another seed draws other people.")] = 0,
) -> None:
    """Render a small dataset of drawn people, in CUHK-PEDES's own format, to try everything on."""
    from .demo.dataset import render_demo
    from .screen import Screen

    screen = Screen()
    with screen.waiting(f"drawing {identities} people"):
        made = render_demo(out, identities=identities, seed=seed)
    screen.say(f"{made.identities:,} identities, {made.images:,} images, {made.captions:,} captions")
    typer.echo(out)


app.command()(train)
app.command()(evaluate)
app.command()(export)
app.command()(push)
app.command()(join)


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME", help="A prompt's name, or a training recipe's.")]) -> None:
    """Print a prompt or a training recipe that comes with the package: copy it, and change the copy."""
    from ..prompts.registry import prompt_names
    from ..training.recipe import recipe_names

    folders = dict.fromkeys(prompt_names(), "prompts") | dict.fromkeys(recipe_names(), "training/recipes")
    if name not in folders:
        raise UserError(f"nothing is called {name!r}", where="show", mend=f"one of {', '.join(folders)}")
    text = (Path(__file__).parents[1] / folders[name] / f"{name}.toml").read_text(encoding="utf-8")
    typer.echo(text, nl=False)


@app.command()
def serve(
    llm: Annotated[str, typer.Option(help="qwen, llama, smollm2, a Hub id, or a folder of weights.")] = "smollm2",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Set a key of the server's config, e.g. --set max_model_len=8192 (repeatable).",
            metavar="KEY=VALUE",
        ),
    ] = None,
) -> None:
    """Keep a vLLM server running, so that several `augment` runs share it. Ctrl-C stops it."""
    from .llm.serve import keep_serving
    from .screen import Screen

    keep_serving(llm, settings or [], Screen())


@app.command()
def doctor() -> None:
    """Say what is installed, which engine and language model a run would use, and how to get what is missing."""
    from .doctor import examine

    raise typer.Exit(examine())


def main() -> None:
    """Run a command; one clear line and an exit code for whatever stops it."""
    _stop_like_ctrl_c()
    try:
        sys.exit(app(prog_name="tbpr-data", standalone_mode=False))
    except typer.TyperException as error:
        sys.exit(_wrong_usage(error))
    except UserError as error:
        sys.stderr.write(f"tbpr-data: {error}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise  # a fault of ours
        sys.stderr.write(f"tbpr-data: {error.filename}: {error.strerror} (give another path, or mend what is there)\n")
        sys.exit(1)


def _wrong_usage(error: typer.TyperException) -> int:
    """Say in one line what is wrong with the arguments, and where help is; without any, the help itself."""
    if len(sys.argv) == 1:
        sys.stderr.write(f"{error}\n")
        return 2
    told, context = getattr(error, "format_message", error.__str__)(), getattr(error, "ctx", None)
    where = context.command_path if context else "tbpr-data"
    sys.stderr.write(f"tbpr-data: {told} (see {where} --help)\n")
    return 2


def _stop_like_ctrl_c() -> None:
    """SIGTERM and a closed terminal end a run as Ctrl-C does: state saved, server stopped."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # What a shell script starts with `&` is deaf to Ctrl-C, and stays so: held back, which asyncio can work with,
        # where it was ignored. multiprocessing lets it through when it starts its tracker: so that goes first.
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP, and that stays so.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(*_: object) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
    signal.raise_signal(signal.SIGINT)
