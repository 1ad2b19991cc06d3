"""The table of bad inputs: every mistake ends in one line that says what, where and how to mend it; nothing is lost."""

import ast
import subprocess
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest
import training_runs
from bad_inputs import (
    arguments,
    configs,
    folders,
    json_sources,
    processes,
    publishing,
    servers,
    source_places,
    table_sources,
    training,
)
from bad_inputs.case import Case, expected, filled, tree
from scripted_server import ScriptedServer
from training_runs import Done

import tbpr_data

_TABLES = (json_sources, table_sources, source_places, configs, arguments, servers, folders, training, publishing)
CASES = tuple(case for table in _TABLES for case in table.CASES)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a server that answers well."""
    server = ScriptedServer()
    yield server.url
    server.stop()


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No token, no key, no server that somebody keeps running."""
    for name in ("HF_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_line_and_nothing_lost(case: Case, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _check(case, url, tmp_path, lambda *words: training_runs.run(*words))


@pytest.mark.parametrize("case", processes.CASES, ids=lambda case: case.name)
def test_a_process_ends_so_too(case: Case, url: str, tmp_path: Path) -> None:
    def run(*words: str) -> Done:
        done = subprocess.run(training_runs.start(*words), capture_output=True, text=True, cwd=tmp_path, timeout=60)
        return Done(done.returncode, done.stdout, done.stderr)

    _check(case, url, tmp_path, run)


def test_the_table_is_long_enough_and_tells_how_to_mend() -> None:
    assert len(CASES) == len({case.name for case in CASES}) >= 60
    assert [case.name for case in (*CASES, *processes.CASES) if not case.says.endswith(")")] == []


def test_no_arguments_are_answered_by_the_help_and_version_is_no_mistake() -> None:
    helped, told = training_runs.run(), training_runs.run("--version")
    assert (helped.returncode, helped.stdout) == (2, "")
    assert "augment" in helped.stderr
    assert (told.returncode, told.stdout, told.stderr) == (0, f"{version('tbpr-data')}\n", "")


def test_every_error_of_the_program_says_where_and_how_to_mend_it() -> None:
    root = Path(tbpr_data.__file__).parent
    silent = [
        f"{path.relative_to(root)}:{call.lineno}"
        for folder in ("pipeline", "prompts", "schemas", "training")
        for path in sorted((root / folder).rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("UserError", "RunFailed")
        if not {"where", "mend"} <= {keyword.arg for keyword in call.keywords}
    ]
    assert silent == []


def _check(case: Case, url: str, folder: Path, run: Callable[..., Done]) -> None:
    case.make(folder)
    before = tree(folder)
    server = case.server() if case.server else None
    names = {"dir": str(folder), "url": server.url if server else url}
    done = run(*(filled(word, names) for word in case.command.split()))
    if server:
        server.stop()
    told = done.stderr.splitlines()
    if told[-2:-1] and told[-2].endswith("; go on with:"):  # a run that had begun says that besides
        told = told[:-2]
    assert expected(case, names).fullmatch(told[-1]), told[-1]
    assert done.returncode == case.code
    assert not any(line.startswith("tbpr-data: ") for line in told[:-1])
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    after = tree(folder)
    assert {name: after.get(name) for name in before} == before
    assert [name for name in after if name not in before and not any(fnmatch(name, left) for left in case.leaves)] == []
