"""A few thousand random inputs; `make fuzz` gives a million. And that the fuzzer sees what goes wrong."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.target import give
from fuzz.texts import captions
from fuzz.worker import TARGETS, work
from tbpr_data.pipeline.language.parse import parse

SEED = 20_260


@pytest.mark.parametrize("name", [target.name for target in TARGETS])
def test_nothing_but_errors_in_one_line(name: str, tmp_path: Path) -> None:
    given = work(name, 250, SEED, str(tmp_path))
    assert [failure.error for failure in given.failures] == []
    assert given.inputs >= 240


def test_shares_are_of_a_thousand() -> None:
    assert sum(target.share for target in TARGETS) == 1000


@pytest.mark.parametrize("piece", ["red ", "a white shirt ", "and ", "no ", "under it ", "\u200b", captions()[0] + " "])
def test_the_parser_takes_twice_the_time_for_twice_the_text(piece: str) -> None:
    parse("a man")

    def seconds(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        took = []
        for _ in range(3):
            began = time.process_time()
            parse(text)
            took.append(time.process_time() - began)
        return min(took)

    # Eight times the text: a quadratic parser would take 64 times as long, however often it is asked. Other work on
    # the machine may slow one of the two.
    assert any(seconds(40_000) < 24 * seconds(5_000) for _ in range(5))


def test_what_goes_wrong_is_seen_and_kept(tmp_path: Path) -> None:
    def broken(content: bytes, folder: Path) -> None:
        raise KeyError(content.decode())

    failure = give(replace(TARGETS[0], feed=broken), b"what broke it", tmp_path)
    assert failure is not None
    path = failure.save(tmp_path)
    assert path.read_bytes() == b"what broke it"
    assert path.with_suffix(".txt").read_text().endswith("KeyError: 'what broke it'")
