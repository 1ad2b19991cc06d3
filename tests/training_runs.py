"""Whole runs of `train` and `evaluate`, with a pair of towers small enough for seconds."""

import io
import json
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbpr_data.pipeline.cli import main

COMMAND = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()"]
TINY: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": [48, 16], "patch_size": 16, "width": 64, "layers": 2},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
}
RECIPE = """
name = "tiny"

[backbone]
model = "{model}"
logit_scale = 20.0

[data]
batch_size = 8
augmentation = {{}}
mixture = {{ rewrites = "uniform", negatives = 1 }}

[[objectives]]
name = "sdm"
negatives = true

[[objectives]]
name = "id"

[[objectives]]
name = "mlm"
depth = 1
weight = 0.5

[optimiser]
lr = 1e-3

[schedule]
epochs = 3
warmup_epochs = 0.5

[loop]
trackers = []
checkpoint_minutes = 1e-9
"""


def write_recipe(folder: Path, more: str = "") -> Path:
    """A recipe with every part in use, and its model's description beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "tiny_model.json"
    model.write_text(json.dumps(TINY), encoding="utf-8")
    path = folder / "tiny.toml"
    path.write_text(RECIPE.format(model=model) + more, encoding="utf-8")
    return path


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str | Path) -> Done:
    """A command in this process, as `main` runs it: PyTorch and open_clip take some seconds to load."""
    stdout, stderr, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["tbpr-data", *map(str, arguments)]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with redirect_stdout(stdout), redirect_stderr(stderr):
            main()
        code: Any = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = argv
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Done(code or 0, stdout.getvalue(), stderr.getvalue())


def start(*arguments: str | Path) -> list[str]:
    """The command line for a process of its own."""
    return [*COMMAND, *map(str, arguments)]


def log_of(out: Path, seed: int = 0) -> list[dict[str, Any]]:
    """The lines of a seed's log."""
    text = (out / f"seed-{seed}" / "log.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def result_of(out: Path) -> dict[str, Any]:
    """What `train` wrote at the end."""
    result: dict[str, Any] = json.loads((out / "result.json").read_text(encoding="utf-8"))
    return result
