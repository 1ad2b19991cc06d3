"""`parse` and `check` as filters: every line is answered in its place, whatever it holds and however it comes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest

from tbpr_data.pipeline.checks.answers import person_of, verdict_of
from tbpr_data.pipeline.lines import LONGEST_LINE_BYTES, Answer, answer_lines
from tbpr_data.schemas.errors import RunFailed, UserError

PROGRAM = [sys.executable, "-c", "from tbpr_data.pipeline.cli import main; main()"]
CHECK: Answer = partial(verdict_of, policy="paraphrase", min_novelty=0.1)
SOURCE = "A man in a red shirt and black pants."
PAIR = {"source": SOURCE, "rewrite": "Wearing black pants, a man has a red shirt on."}


def answers(
    tmp_path: Path, answer: Answer, *lines: bytes, end: bytes = b"\n", workers: int = 1
) -> tuple[list[Any], int]:
    """What a file of these lines is answered with, and how many failed; every answer is strict JSON and UTF-8."""
    source, out = tmp_path / "lines", BytesIO()
    source.write_bytes(b"\n".join(lines) + end)
    failed = answer_lines(source, answer, workers=workers, out=out)
    return [json.loads(line, parse_constant=pytest.fail) for line in out.getvalue().decode().split("\n")[:-1]], failed


def pair(**fields: object) -> bytes:
    return json.dumps({**PAIR, **fields}).encode()


def program(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, *arguments], input=stdin, capture_output=True, timeout=60)


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*PROGRAM, *arguments], **{**pipes, **options})


def number_of(line: Any) -> dict[str, Any]:
    return {"number": line["number"]}


def ends_its_process(line: Any) -> dict[str, Any]:
    if line["number"] == 3000:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"number": line["number"]}


def fails(line: Any) -> dict[str, Any]:
    raise IndexError("list index out of range")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "empty"),
        (b" \t\r", "empty"),
        (b"null", "null, not an object with source and rewrite"),
        (b"true", "a truth value, not an object with source and rewrite"),
        (b"17", "a number, not an object with source and rewrite"),
        (b"[1, 2]", "a list, not an object with source and rewrite"),
        (b'"A man."', "a text, not an object with source and rewrite"),
        (b"A man in a red shirt.", "a text, not an object with source and rewrite"),
        (b"\x00\x00", "a text, not an object with source and rewrite"),
        (b'{"source": "a\x00b"}', "not valid JSON: Invalid control character at at character 14"),
        (b'{"source": "A man', "not valid JSON: Unterminated string starting at at character 12"),
        (b'{"source": "A m\xe4n"}', "not UTF-8: byte 0xe4 at 16"),
        ('{"source": "A man."}'.encode("utf-16"), "not UTF-8: byte 0xff at 1"),
        (b"NaN", "not valid JSON: NaN"),
        (b'{"source": -Infinity}', "not valid JSON: -Infinity"),
        (b"[" * 100_000, "not valid JSON: nested too deeply"),
        (b'{"source": ' * 100_000, "not valid JSON: nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b"}", "not valid JSON: a number of too many digits"),
        (b"{}", "no field source"),
        (b'{"source": "A man."}', "no field rewrite"),
        (pair(source=None), "source is null, not a text"),
        (pair(source=[SOURCE]), "source is a list, not a text"),
        (pair(rewrite={"text": "A man."}), "rewrite is an object, not a text"),
        (pair(rewrite=" "), "rewrite is empty"),
        (pair(policy="poem"), "policy is 'poem', not one of paraphrase, concise, detailed"),
        (pair(policy=7), "policy is a number, not one of paraphrase, concise, detailed"),
        (pair(policy=""), "policy is '', not one of paraphrase, concise, detailed"),
        (pair(policy=["concise"]), "policy is a list, not one of paraphrase, concise, detailed"),
        (pair(policy={}), "policy is an object, not one of paraphrase, concise, detailed"),
        (pair()[:-1] + b', "id": 1e999}', "a number too large to write"),
        (b'{"source": "' + b"a " * (LONGEST_LINE_BYTES // 2) + b'"}', "longer than 16 MiB"),
    ],
    ids=lambda value: value[:24],
)
def test_an_unusable_line_is_answered_by_its_error_in_its_place(tmp_path: Path, line: bytes, error: str) -> None:
    got, failed = answers(tmp_path, CHECK, pair(id="first"), line, pair(id="last"))
    assert got[1] == {"line": 2, "error": error}
    assert [got[0]["id"], got[2]["id"], len(got), failed] == ["first", "last", 3, 1]


@pytest.mark.parametrize(
    "text",
    [
        "A man in a red shirt 😀 and black pants 👩‍🦰.",
        "一个穿红色衬衫的男人。",
        "رجل يرتدي قميصا أحمر",
        "<p>A man in a <b>red</b> shirt &amp; black pants</p>",
        "... !!! ???",
        "a\u0000b \u200b\u2028\u0085 c",
        "\ud800 A man in a red shirt \udfff",
        "é" * 30_000,
        "red " * 10_000,
        "A man. " + "x" * 5_000_000,
        "(" * 10_000,
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_any_text_gets_a_verdict_and_a_person_or_an_error(tmp_path: Path, text: str) -> None:
    verdicts, failed = answers(tmp_path, CHECK, pair(rewrite=text), pair(source=text), pair(source=text, rewrite=text))
    assert failed == 0
    assert [verdict["verdict"] for verdict in verdicts] == ["rejected"] * 3
    (person,), _ = answers(tmp_path, person_of, json.dumps({"text": text, "id": 5}).encode())
    if len(text) > 20_000:
        assert person == {"line": 1, "error": f"a text of {len(text):,} characters, more than 20,000"}
    else:
        assert person["id"] == 5
        assert len(person["text"]) == len(text)


def test_half_a_surrogate_pair_becomes_one_character_so_that_spans_hold(tmp_path: Path) -> None:
    (person,), failed = answers(tmp_path, person_of, b'{"text": "\\ud800 A man in a red shirt", "id": "\\udc00"}')
    assert (person["id"], person["text"], failed) == ("\ufffd", "\ufffd A man in a red shirt", 0)
    first, last = person["person"]["items"][0]["name"]["span"]
    assert person["text"][first:last] == "shirt"


def test_of_a_key_twice_the_last_counts_as_everywhere(tmp_path: Path) -> None:
    (person,), _ = answers(tmp_path, person_of, b'{"text": "A woman.", "text": "A man."}')
    assert person["text"] == "A man."


def test_parse_takes_texts_strings_and_objects(tmp_path: Path) -> None:
    lines = [b"A man in a red shirt.", b'"A man in a red shirt."', b'{"text": "A man in a red shirt.", "key": [1]}']
    got, failed = answers(tmp_path, person_of, *lines, b'{"caption": "A man in a red shirt."}', b'""', b"12")
    assert [one["person"] for one in got[:4]] == [got[0]["person"]] * 4
    assert got[2]["key"] == [1]
    assert got[4:] == [
        {"line": 5, "error": "text is empty"},
        {"line": 6, "error": "a number, not a text nor an object with a field text"},
    ]
    assert failed == 2


def test_an_answer_that_looks_like_an_error_is_not_counted_as_one(tmp_path: Path) -> None:
    assert answers(tmp_path, lambda line: {"line": line, "error": "none"}, b"7") == ([{"line": 7, "error": "none"}], 0)


def test_a_slip_of_ours_costs_one_line(tmp_path: Path) -> None:
    got, failed = answers(tmp_path, fails, b"A man.", b"A woman.")
    assert failed == 2
    assert got[1] == {"line": 2, "error": "failed with IndexError: list index out of range; please report this line"}


def test_the_policy_of_a_line_goes_before_the_option(tmp_path: Path) -> None:
    shorter = {"rewrite": "A man has a red shirt on."}
    got, _ = answers(tmp_path, CHECK, pair(**shorter), pair(**shorter, policy="concise"), pair(**shorter, policy=None))
    assert [verdict["verdict"] for verdict in got] == ["rejected", "accepted", "rejected"]


def test_ends_of_lines(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    plain = answers(tmp_path, CHECK, pair(), pair())
    assert plain[1] == 0
    assert answers(tmp_path, CHECK, pair(), pair(), end=b"") == plain
    assert answers(tmp_path, CHECK, pair() + b"\r", pair(), end=b"\r\n") == plain
    assert answers(tmp_path, CHECK, mark + pair(), mark + pair()) == plain
    assert answers(tmp_path, CHECK, end=b"") == ([], 0)
    assert answers(tmp_path, CHECK, end=b"\n") == ([{"line": 1, "error": "empty"}], 1)


def test_several_workers_keep_the_order_and_the_bytes(tmp_path: Path) -> None:
    # Blocks of one long line and of very many short ones take different times.
    source = tmp_path / "lines"
    with source.open("w", encoding="utf-8") as file:
        for number in range(6000):
            size = 300_000 if number % 1000 == 7 else 20
            file.write(json.dumps({"number": number, "more": "x" * size}) + "\n" if number % 10 else "\n")
    outs = [BytesIO(), BytesIO()]
    failed = [answer_lines(source, number_of, workers=n, out=out) for n, out in zip((1, 2), outs, strict=True)]
    assert failed == [600, 600]
    assert outs[0].getvalue() == outs[1].getvalue()
    got = [json.loads(line) for line in outs[1].getvalue().splitlines()]
    assert [one.get("number", one.get("line", 0) - 1) for one in got] == list(range(6000))


def test_a_line_without_end_is_not_kept(tmp_path: Path) -> None:
    with Path("/dev/zero").open("rb") as zeros, start("check", stdin=zeros) as process:
        time.sleep(2)
        used = psutil.Process(process.pid).memory_info().rss
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert used < 200 * 2**20


def test_a_dead_worker_is_one_clear_error(tmp_path: Path) -> None:
    source, out = tmp_path / "lines", BytesIO()
    source.write_text("".join(json.dumps({"number": i, "more": "x" * 60}) + "\n" for i in range(20_000)))
    with pytest.raises(RunFailed, match="a worker process died") as caught:
        answer_lines(source, ends_its_process, workers=2, out=out)
    assert caught.value.exit_code == 1
    numbers = [json.loads(line)["number"] for line in out.getvalue().splitlines()]
    assert numbers == list(range(len(numbers)))


def test_what_cannot_be_read_is_the_users_to_mend(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=why) as caught:
            answer_lines(path, CHECK, workers=1, out=BytesIO())
        assert caught.value.exit_code == 2


def test_the_program_reads_a_file_or_stdin_and_says_by_its_exit_code_whether_all_was_usable(tmp_path: Path) -> None:
    source = tmp_path / "pairs.jsonl"
    source.write_bytes(pair(id=1) + b"\n\n" + pair(id=3, policy="concise"))
    from_file, from_stdin = program("check", str(source)), program("check", "-", stdin=source.read_bytes())
    assert from_file.returncode == from_stdin.returncode == 3
    assert from_file.stdout == from_stdin.stdout
    assert [json.loads(line).get("verdict") for line in from_file.stdout.splitlines()] == ["accepted", None, "accepted"]
    assert from_file.stderr == b"tbpr-data: 1 of the lines could not be used; their answers say why\n"
    usable = program("parse", stdin=b"A man in a red shirt.\n")
    assert (usable.returncode, usable.stderr) == (0, b"")
    assert json.loads(usable.stdout)["person"]["gender"][0]["value"] == "male"


@pytest.mark.parametrize(
    "arguments", [["--policy", "poem"], ["--min-novelty", "2"], ["--min-novelty", "nan"], ["--workers", "-1"], ["none"]]
)
def test_unusable_arguments_end_the_program(arguments: list[str]) -> None:
    done = program("check", *arguments)
    assert done.returncode == 2
    assert arguments[0].lstrip("-").encode() in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_slow_pipe_is_answered_line_by_line() -> None:
    with start("check") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(pair(id=number) + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(timeout=20) == 0


def test_a_pipe_that_slows_down_is_answered_though_workers_are_under_way() -> None:
    count = 1500
    with start("check", "--workers", "2") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = b"".join(pair(id=i, more="x" * 200) + b"\n" for i in range(count))
        # Not from here: it takes no more than the pipe holds before its answers are read.
        writing = threading.Thread(target=lambda: (process.stdin.write(lines), process.stdin.flush()))  # type: ignore[union-attr]
        writing.start()
        assert [json.loads(process.stdout.readline())["id"] for _ in range(count)] == list(range(count))
        writing.join()
        process.stdin.write(pair(id="late") + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == "late"
        assert len(psutil.Process(process.pid).children()) > 1
        process.stdin.close()
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("after", ["answers", "start"])
def test_ctrl_c_ends_it_and_its_workers_without_a_traceback(tmp_path: Path, after: str) -> None:
    source = tmp_path / "pairs.jsonl"
    source.write_bytes((pair() + b"\n") * 100_000)
    with start("check", str(source), "--workers", "2", start_new_session=True) as process:
        assert process.stdout is not None
        # The first answers come before the workers have started, the two thousandth after.
        for _ in range(2000 if after == "answers" else 1400):
            process.stdout.readline()
        workers = psutil.Process(process.pid).children()
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (130, b"")
    assert not psutil.wait_procs(workers, timeout=10)[1]


def test_a_killed_program_leaves_no_workers(tmp_path: Path) -> None:
    source = tmp_path / "pairs.jsonl"
    source.write_bytes((pair() + b"\n") * 20_000)
    with start("check", str(source), "--workers", "2") as process:
        assert process.stdout is not None
        for _ in range(2000):
            process.stdout.readline()
        workers = psutil.Process(process.pid).children()
        process.kill()
    assert len(workers) > 1
    assert not psutil.wait_procs(workers, timeout=10)[1]


@pytest.mark.parametrize("lines", [1, 3000])
def test_a_reader_that_leaves_ends_it_silently(tmp_path: Path, lines: int) -> None:
    source = tmp_path / "pairs.jsonl"
    source.write_bytes((pair() + b"\n") * 20_000)
    with start("check", str(source), "--workers", "2") as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(timeout=20) == 141


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full, start("parse", stdout=full) as process:
        _, stderr = process.communicate(b"A man.\n", timeout=30)
    assert process.returncode == 1
    assert stderr == b"tbpr-data: stdout: cannot be written: No space left on device (what is written is whole)\n"
