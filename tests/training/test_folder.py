"""The folder of a run: whose it is, and that it has one run at a time."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tbpr_data.schemas.errors import UserError
from tbpr_data.training.folder import own_folder
from tbpr_data.training.recipe import load_recipe, recipe_names

# As another run does it, without the seconds that PyTorch takes to load.
TAKE = """
import fcntl, os, sys

with open(sys.argv[1], "a") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(open(sys.argv[1]).read())
    print(f"host other, pid {os.getpid()}", file=file, flush=True)
    print("held", flush=True)
    sys.stdin.read()
"""
MORE = {
    "clip": ["data.mixture.rewrites=probability", "data.mixture.floor=0.1"],
    "irra": ["data.mixture.rewrites=uniform", "data.mixture.styles={vivid=0.5}"],
    "demo": ["loop.steps=3", "selection.patience=2", "backbone.quick_gelu=true"],
    "negclip": ['data.mixture.negative_kinds=["swap"]'],
}


@pytest.mark.parametrize("name", recipe_names())
def test_the_recipe_that_a_run_writes_is_read_again(name: str, tmp_path: Path) -> None:
    for number, more in enumerate(([], MORE[name])):
        out, recipe = tmp_path / str(number), load_recipe(name, more)
        with own_folder(out, recipe, "0"):
            assert load_recipe(str(out / "recipe.toml")) == recipe


def test_a_folder_that_another_process_trains_in(tmp_path: Path) -> None:
    recipe, out = load_recipe("clip"), tmp_path / "out"
    command = [sys.executable, "-c", TAKE, str(out / ".lock")]
    with own_folder(out, recipe, "0"):
        taking = subprocess.run(command, input="", capture_output=True, text=True)
        assert (taking.returncode, taking.stderr) == (1, f"host {socket.gethostname()}, pid {os.getpid()}\n\n")
    (out / ".lock").unlink()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout
        assert holding.stdout.readline() == "held\n"
        said = rf"out: another run is training here \(host other, pid {holding.pid}\) \(wait for it, stop it, or"
        with pytest.raises(UserError, match=said), own_folder(out, recipe, "0"):
            pass
        holding.kill()
    # The lock of a killed process is free.
    with own_folder(out, recipe, "0"):
        pass


def test_a_folder_that_holds_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="is or holds something else"), own_folder(tmp_path, load_recipe("clip"), "0"):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.tex"]
