"""A line in, a line out, in order, on every core: what `parse` and `check` share.

Input is read as it comes: what a slow pipe has is answered at once, what a file has goes out in blocks of 64 KiB. Two
full blocks in a row mean that input comes faster than one process answers; only then are workers started.
"""

import codecs
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from queue import Queue
from typing import Any, BinaryIO, NamedTuple, NoReturn

from ..schemas.errors import RowError, RunFailed, UserError
from .orphans import end_with_parent

# Some 200 pairs, 0.1 s of work; sending one to a worker costs 0.3 ms. A pipe holds no more than this.
_READ_BYTES = 64 * 1024
# A pipe that is full may have holes at the end of its pages.
_FULL_BYTES = _READ_BYTES // 2
# A usable pair has 0.5 MB at most, every character escaped; the rest is for fields that are passed over, as images.
LONGEST_LINE_BYTES = 16 * 1024 * 1024
_GIVE = "give another file, or pipe lines in"
_SURROGATE = re.compile(r"[\ud800-\udfff]")

Answer = Callable[[Any], dict[str, Any]]
"""From the value of a line (a dict, a text, …) to the fields of its answer; raises RowError for an unusable one."""


class _Block(NamedTuple):
    """Whole lines on end."""

    number: int
    """Of the first line, from 1."""
    lines: bytes
    """Joined by newlines, without the last one."""


class _Answers(NamedTuple):
    """What a block is answered with."""

    lines: bytes
    """A line each."""
    failed: int
    """How many of the lines could not be used."""


def answer_stdout(source: Path | None, answer: Answer, *, workers: int) -> int:
    """Answer every line on stdout; returns the exit code: 0, 3 where lines were unusable, 130 after Ctrl-C, and 141,
    as the shell's own tools, where the reader of a pipe has left.

    Raises:
        UserError: the source cannot be read.
        RunFailed: a worker died, or the answers cannot be written.
    """
    try:
        failed = answer_lines(source, answer, workers=workers, out=sys.stdout.buffer)
    except KeyboardInterrupt:
        # Once is enough: a second one would only interrupt the end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _forget_stdout()
        return 130
    except BrokenPipeError:
        _forget_stdout()
        return 141
    except OSError as error:
        _forget_stdout()
        raise RunFailed(
            f"cannot be written: {error.strerror}", where="stdout", mend="what is written is whole"
        ) from None
    if failed:
        sys.stderr.write(f"tbpr-data: {failed:,} of the lines could not be used; their answers say why\n")
    return 3 if failed else 0


def answer_lines(source: Path | None, answer: Answer, *, workers: int, out: BinaryIO) -> int:
    """Answer every line of a file, or of stdin, with one JSON line, in order; returns how many were unusable.

    A line that cannot be answered becomes `{"line": n, "error": …}`. Memory does not grow with the input: at most two
    blocks a worker are under way, and a line of more than 16 MiB is not kept. `workers` 0 takes every core. `answer` is
    pickled by name, so it is a plain function of a module or a `functools.partial` of one.

    Raises:
        UserError: the source cannot be read.
        RunFailed: a worker died.
        OSError: `out` cannot be written.
    """
    failed = 0
    with _open(source) as file:
        blocks = _blocks(file, str(source or "stdin"))
        with closing(_in_order(blocks, answer, workers or os.cpu_count() or 1)) as answered:
            for answers in answered:
                failed += answers.failed
                out.write(answers.lines)
                out.flush()
    return failed


def _in_order(blocks: Iterator[_Block], answer: Answer, workers: int) -> Generator[_Answers, None, None]:
    full = 0
    for block in blocks:
        full = full + 1 if len(block.lines) >= _FULL_BYTES else 0
        if full == 2 and workers > 1:
            yield from _in_workers(chain([block], blocks), answer, workers)
            return
        yield _answer_block(block, answer)


def _in_workers(blocks: Iterable[_Block], answer: Answer, workers: int) -> Iterator[_Answers]:
    """A thread reads and hands out, so that answers are written while it waits for a slow pipe."""
    # spawn: a forked copy of a process with threads may hang. Workers are started one by one, as they are needed.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
    under_way: Queue[Future[_Answers] | None] = Queue(2 * workers)
    # A daemon, for nothing ends a read but input.
    threading.Thread(target=_hand_out, args=(blocks, answer, pool, under_way), daemon=True).start()
    try:
        while (future := under_way.get()) is not None:
            yield future.result()
    except BrokenProcessPool:
        mend = "what is written is whole; out of memory? Try fewer --workers"
        raise RunFailed("a worker process died", where="workers", mend=mend) from None
    finally:
        # The blocks under way are finished, in two seconds or so: a worker that is ended while it sends its answers
        # leaves half of them in the pipe, and this program would wait for the rest for ever.
        pool.shutdown(wait=False, cancel_futures=True)
        # Makes room for the thread, which finds the pool closed and ends.
        while not under_way.empty():
            under_way.get_nowait()


def _hand_out(
    blocks: Iterable[_Block], answer: Answer, pool: ProcessPoolExecutor, under_way: Queue[Future[_Answers] | None]
) -> None:
    # Workers inherit this: Ctrl-C and a closed terminal reach them too, and they would leave a traceback each.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        for block in blocks:
            under_way.put(pool.submit(_answer_block, block, answer))
    except Exception as error:  # noqa: BLE001 - raised where the answer would have been read, if anybody still reads
        future: Future[_Answers] = Future()
        future.set_exception(error)
        under_way.put(future)
    under_way.put(None)


def _answer_block(block: _Block, answer: Answer) -> _Answers:
    answered = [
        _answer_line(number, line, answer) for number, line in enumerate(block.lines.split(b"\n"), block.number)
    ]
    return _Answers(b"".join(line for line, _ in answered), sum(not usable for _, usable in answered))


def _answer_line(number: int, line: bytes, answer: Answer) -> tuple[bytes, bool]:
    """The answer to a line, and whether it could be used."""
    try:
        return _encode(answer(_value(line))), True
    except RowError as error:
        return _encode({"line": number, "error": str(error)}), False
    except UserError:
        raise  # of the installation, not of the line
    except Exception as error:  # noqa: BLE001 - a slip of ours on one line must not cost the lines after it
        what = f"failed with {type(error).__name__}: {error}; please report this line"
        return _encode({"line": number, "error": what}), False


def _value(line: bytes) -> Any:
    """A line as JSON where it is JSON, else as plain text. Of a key that stands there twice the last counts."""
    if len(line) > LONGEST_LINE_BYTES:
        raise RowError(f"longer than {LONGEST_LINE_BYTES // 2**20} MiB")
    try:
        text = line.removeprefix(codecs.BOM_UTF8).decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise RowError(f"not UTF-8: byte {line[error.start]:#04x} at {error.start + 1}") from None
    if not text:
        raise RowError("empty")
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        if text[0] not in "{[":
            return text
        raise RowError(f"not valid JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError:
        # Python's bound against numbers that take seconds to read: 4,300 digits.
        raise RowError("not valid JSON: a number of too many digits") from None
    except RecursionError:
        raise RowError("not valid JSON: nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise RowError(f"not valid JSON: {name}")


def _encode(fields: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    except ValueError:  # 1e999 is valid JSON, and read as infinity
        raise RowError("a number too large to write") from None
    except RecursionError:
        raise RowError("nested too deeply to write") from None
    try:
        return text.encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        # Half of a pair (\ud800) has no UTF-8; one character takes its place, so that spans hold.
        return _SURROGATE.sub("\ufffd", text).encode("utf-8") + b"\n"


def _blocks(file: BinaryIO, where: str) -> Iterator[_Block]:
    """What is there to read, in whole lines; of a line that is too long only so much that this shows."""
    number, held_bytes = 1, 0
    held: list[bytes] = []
    while data := _read(file, where):
        lines, newline, rest = data.rpartition(b"\n")
        if newline:
            block = _Block(number, b"".join((*held, lines)))
            held, held_bytes = [], 0
            yield block
            number += block.lines.count(b"\n") + 1
        if rest and held_bytes <= LONGEST_LINE_BYTES:
            held.append(rest)
            held_bytes += len(rest)
    if held:
        yield _Block(number, b"".join(held))


def _read(file: BinaryIO, where: str) -> bytes:
    try:
        return file.read(_READ_BYTES)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=where, mend=_GIVE) from None


@contextmanager
def _open(source: Path | None) -> Iterator[BinaryIO]:
    """The source, unbuffered: a read returns what is there, and waits only for the first byte of it."""
    if source is None or str(source) == "-":
        if sys.stdin is None:
            raise UserError("is closed", where="stdin", mend="give a file, or pipe lines in")
        # Where another program has made it non-blocking, a read of nothing would look like the end.
        os.set_blocking(sys.stdin.fileno(), True)
        # Not sys.stdin's own buffer, which a thread that waits in a read keeps locked to the end of the process.
        file: Any = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - no path
    else:
        try:
            file = source.open("rb", buffering=0)
        except OSError as error:
            raise UserError(f"cannot be read: {error.strerror}", where=str(source), mend=_GIVE) from None
    with file:
        yield file


def _forget_stdout() -> None:
    """What is still buffered would be written, and fail again, when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
