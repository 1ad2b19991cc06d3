"""Files: sources of every kind, journals, prompts, run configurations."""

import csv
import io
import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bad_inputs.case import cuhk, row
from bad_inputs.configs import GOOD_PROMPT
from hypothesis import strategies as st

from tbpr_data.pipeline.config import canonical_sha256, load_config
from tbpr_data.pipeline.journal import Journal
from tbpr_data.pipeline.sources.read import FORMATS, read_source
from tbpr_data.prompts.registry import messages, parse_prompt
from tbpr_data.schemas.completion import Completion, EngineInfo
from tbpr_data.schemas.settings import put_settings

from .mutate import bytes_of, json_of
from .target import Target

_TWO = ["A man in a red coat.", "He S in a Gray hat ."]
_RECORDS = (
    [cuhk("cam/a.jpg", 1, "train", _TWO), cuhk("cam/b.jpg", 1, "train", _TWO[:1]), cuhk("c.jpg", 2, "test", _TWO)],
    [
        cuhk("a.jpg", 0, "train", _TWO[:1], processed_tokens=...),
        cuhk("b.jpg", 1, "val", _TWO[:1], processed_tokens=...),
    ],
    [{"img_path": "a.jpg", "id": 0, "split": "test", "captions": _TWO}],
    [{"file_path": "a.jpg", "id": 7, "split": "train", "captions": _TWO, "source": "x"}],
)
_ROWS = (
    [row("a.jpg"), row("a.jpg", caption="In red."), row("b.jpg", 2, image_id="7")],
    [row("a.jpg", caption=..., captions=_TWO)],
)
_ENGINE = EngineInfo(engine="vllm", engine_version="0.32.0", seeded=True)
_CONFIG = """
recipe = ["paraphrase", "concise"]
samples = 2
keep = "all"
[source]
path = "x.json"
limit = 10
[llm]
model = "smollm2"
sampling = { temperature = 0.7, top_p = 0.9, stop = ["x"] }
[checks]
min_words = 3
max_length_ratio = 1.5
[negatives]
rules = ["swap"]
[server]
concurrency = 8
"""
_SETTINGS = (
    "samples=3",
    "checks.min_words=5",
    'recipe=["x"]',
    "server.endpoint=http://x/v1",
    "keep=all",
    "a.b.c=1",
    "x",
    "=",
)
_PROMPTS = (
    GOOD_PROMPT,
    GOOD_PROMPT + '[[examples]]\ncaption = "A man."\nrewrite = "One man."\n[sampling]\ntemperature = 0.7\n',
    GOOD_PROMPT.replace(
        "{{ caption }}",
        "{% if caption %}{{ caption|upper }}{% endif %}{% for w in caption.split() %}{{ w }} {% endfor %}{{ caption }}",
    ),
    GOOD_PROMPT.replace("{{ caption }}", "{% set a = [caption, 1] %}{{ a[0] }} {{ '%s'|format(a[1]) }}"),
)
_HOSTILE = ("A man {{ 7 * 7 }} {% raw %}.", "", "\ud800", "é" * 50)


def _source(name: str) -> Any:
    def feed(content: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(content)
        source = read_source(str(path))
        assert source.images
        for image in source.images:
            assert not image.file_path.startswith(("/", "../"))
            assert image.captions
            for caption in image.captions:
                caption.encode()
        # What one reader takes for good, another may be told to read.
        other = FORMATS[len(content) % len(FORMATS)]
        if other != "hf":
            read_source(str(path), format=other)

    return feed


def _json(random: Random) -> bytes:
    if random.random() < 0.5:
        return bytes_of(random, [json.dumps(records).encode() for records in _RECORDS])
    return json.dumps(json_of(random, _RECORDS)).encode()


def _lines(random: Random) -> bytes:
    whole = [b"".join(json.dumps(one).encode() + b"\n" for one in rows) for rows in _ROWS]
    if random.random() < 0.5:
        return bytes_of(random, whole)
    changed = json_of(random, _ROWS)
    return b"".join(json.dumps(one).encode() + b"\n" for one in (changed if isinstance(changed, list) else [changed]))


def _csv(rows: list[Any], separator: str) -> bytes:
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, list(dict.fromkeys(key for one in rows for key in one)), delimiter=separator)
    table.writeheader()
    table.writerows(rows)
    return file.getvalue().encode("utf-8", "surrogatepass")


@cache
def _delimited_files() -> tuple[bytes, ...]:
    odd = [row("a.jpg", caption='A "red"\r\nman, é.'), row("b.jpg", 2, dataset="x", image_id="7", origin="human")]
    return tuple(_csv(rows, separator) for rows in (*_ROWS[:1], odd) for separator in (",", "\t"))


def _delimited(random: Random) -> bytes:
    if random.random() < 0.5:
        return bytes_of(random, _delimited_files())
    changed = json_of(random, _ROWS[:1])
    rows = [one for one in (changed if isinstance(changed, list) else [changed]) if isinstance(one, dict)]
    return _csv(rows, random.choice(",\t"))


@cache
def _tables() -> tuple[bytes, ...]:
    return tuple(_parquet(rows) for rows in _ROWS)


def _parquet(rows: list[Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def _table(random: Random) -> bytes:
    if random.random() < 0.7:
        return bytes_of(random, _tables())
    changed = json_of(random, _ROWS)
    try:
        return _parquet(changed)
    except (pa.ArrowException, TypeError, ValueError, LookupError, AttributeError, OverflowError):  # no table holds it
        return bytes_of(random, _tables())


@cache
def _journals() -> tuple[bytes, ...]:
    lines = [
        _ENGINE.model_dump_json(),
        *(
            Completion(key=f"{n:064x}", text=f"A man {n} é", prompt_tokens=n).model_dump_json(exclude_defaults=True)
            for n in range(4)
        ),
        EngineInfo(engine="llamacpp", engine_version=None, seeded=False).model_dump_json(),
        Completion(key="f" * 64, error="HTTP 500", transient=True).model_dump_json(exclude_defaults=True),
    ]
    return ("".join(f"{line}\n" for line in lines).encode(),)


def _journal(content: bytes, folder: Path) -> None:
    """Whatever is on the disk, what can be believed is read, and an answer that is added is there with it."""
    path = folder / "journal.jsonl"
    path.write_bytes(content)
    before = Journal(path).read()
    with Journal(path) as journal:
        journal.open(_ENGINE)
        journal.append(Completion(key="new", text="at last"))
    after = Journal(path).read()
    assert after.pop("new")[0].text == "at last"
    before.pop("new", None)
    assert after == before


def _prompt(content: bytes, folder: Path) -> None:
    prompt = parse_prompt(content.decode("utf-8", "replace"), where="mine.toml")
    for caption in _HOSTILE:
        assert messages(prompt, caption) == messages(prompt, caption)
    prompt.sha256()


def _config(content: bytes, folder: Path) -> None:
    """A run configuration; its last line may be a setting."""
    whole, _, last = content.rpartition(b"\n")
    path = folder / "run.toml"
    path.write_bytes(whole)
    setting = last.decode("utf-8", "surrogateescape")
    put_settings({}, [setting], example="a=1")
    config = load_config(path, [setting], {"samples": 2})
    assert load_config(None, [], config.model_dump(mode="json")) == config or config.source.path.startswith("~")
    canonical_sha256(config.shaping())


def _toml(random: Random) -> bytes:
    return bytes_of(random, [_CONFIG.encode()]) + b"\n" + bytes_of(random, [one.encode() for one in _SETTINGS])


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_RECORD = st.dictionaries(
    st.sampled_from(
        ("file_path", "img_path", "id", "pid", "split", "captions", "caption", "image_id", "dataset", "origin")
    ),
    st.sampled_from(("a.jpg", "b/c.jpg", "train", "test", 1, 2, "7"))
    | st.lists(st.text(max_size=9), max_size=3)
    | _ANY,
)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


_JSON_FILES = st.binary(max_size=60) | st.lists(_RECORD, max_size=4).map(_dumped)
_LINE_FILES = st.lists(_RECORD.map(_dumped) | st.binary(max_size=30), max_size=4).map(b"\n".join)
_FIELDS = st.sampled_from(
    ("file_path", "id", "pid", "split", "caption", "text", "image_id", "a.jpg", "train", "1", '"A\nman."')
) | st.text(max_size=9)
_CSV_FILES = st.binary(max_size=60) | st.lists(st.lists(_FIELDS, max_size=5).map(",".join), max_size=4).map(
    lambda lines: "\n".join(("file_path,pid,split,caption", *lines)).encode("utf-8", "replace")
)
_TEXTS = st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))

TARGETS = (
    Target("json source", 120, _json, _JSON_FILES, _source("x.json")),
    Target("jsonl source", 120, _lines, _LINE_FILES, _source("x.jsonl")),
    Target("csv source", 100, _delimited, _CSV_FILES, _source("x.csv")),
    Target("parquet source", 30, _table, st.binary(max_size=80).map(lambda rest: b"PAR1" + rest), _source("x.parquet")),
    Target("journal", 150, lambda random: bytes_of(random, _journals()), _LINE_FILES, _journal),
    Target("prompt", 40, lambda random: bytes_of(random, [one.encode() for one in _PROMPTS]), _TEXTS, _prompt),
    Target("run config", 40, _toml, _TEXTS, _config),
)
