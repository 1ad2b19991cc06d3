"""The journal: nothing written is lost, nothing torn is believed."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbpr_data.pipeline.journal import Journal
from tbpr_data.schemas.completion import Completion, EngineInfo

ENGINE = EngineInfo(engine="vllm", engine_version="0.32.0", seeded=True)


def write(path: Path, *completions: Completion, engine: EngineInfo = ENGINE) -> None:
    with Journal(path) as journal:
        journal.open(engine)
        for completion in completions:
            journal.append(completion)


def test_answers_come_back_with_their_engine(tmp_path: Path) -> None:
    path = tmp_path / "b" / "j.jsonl"
    other = EngineInfo(engine="llamacpp", engine_version=None, seeded=False)
    first, second = Completion(key="a", text="ü \u2028 \n x"), Completion(key="b", error="HTTP 400", finish_reason=None)
    write(path, first)
    write(path, second, engine=other)
    assert Journal(path).read() == {"a": (first, ENGINE), "b": (second, other)}


def test_the_later_answer_counts(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    write(path, Completion(key="a", error="down", transient=True))
    write(path, Completion(key="a", text="at last"))
    assert Journal(path).read()["a"][0].text == "at last"


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none").read() == {}
    with pytest.raises(ValueError, match="not open"):
        Journal(tmp_path / "none").append(Completion(key="a"))


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(min_value=0, max_value=400), zeros=st.integers(min_value=0, max_value=30))
def test_cut_anywhere_it_gives_whole_answers_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int, zeros: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "j.jsonl"
    answers = [Completion(key=f"k{i}", text=f"answer {i} é") for i in range(4)]
    write(path, *answers)
    whole = path.read_bytes()
    # A power cut leaves a torn end, or zeros where the file's length was noted before its content.
    path.write_bytes(whole[: min(cut, len(whole))] + b"\0" * zeros)
    before = Journal(path).read()
    assert list(before) == [f"k{i}" for i in range(len(before))]
    write(path, Completion(key="new", text="x"))
    after = Journal(path).read()
    assert list(after) == [*before, "new"]
    assert {key: answer.text for key, (answer, _) in before.items()} == {a.key: a.text for a in answers[: len(before)]}


def test_a_damaged_line_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    write(path, *(Completion(key=f"k{i}", text=f"answer {i}") for i in range(4)))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(b'"text"', b'"te\xff"'), *lines[3:]]))
    assert list(Journal(path).read()) == ["k0", "k2", "k3"]
    # Of answers without a head it is not known what gave them.
    path.write_bytes(b"".join([lines[0][:9] + b"\0" + lines[0][10:], *lines[1:]]))
    assert Journal(path).read() == {}
    write(path, Completion(key="new", text="x"))
    assert list(Journal(path).read()) == ["new"]
