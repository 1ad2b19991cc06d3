"""Sources in JSON: the five benchmarks' files, and what their records can say."""

import json

from .case import Case, cuhk, records, text

GOOD = json.dumps([cuhk()])
JSON = "negatives {dir}/x.json --out {dir}/out"

_PATH_MEND = "(give the image's path below the images' root, with forward slashes)"
_NO_FORMAT = "unknown format: neither JSON, JSON Lines, CSV nor Parquet (name it with --format)"
_AGAIN = "(copy or write it again)"
_NEEDS = "(every record needs file_path, id, split and captions)"


def _file(name: str, content: str | bytes, says: str) -> Case:
    """What a JSON file can be as a whole."""
    return Case(name, text("x.json", content), JSON, "{dir}/x.json" + says)


def _record(name: str, says: str, *rows: object) -> Case:
    """What a record can say."""
    return Case(name, records("x.json", *rows), JSON, "{dir}/x.json, record " + says)


def _key(name: str, key: str, says: str, **value: object) -> Case:
    return _record(name, f"0, `{key}`: {says}", {**cuhk(), **value})


def _pid(what: str) -> str:
    return f"is not a whole number from 0 but {what} (number the identities)"


CASES = (
    _file("a JSON file cut off", GOOD[:40], ", line 1, column …: is cut off: … " + _AGAIN),
    _file(
        "a comma too many",
        GOOD.replace('"train",', '"train",,'),
        ", line 1, column …: is not valid JSON: … (mend the line)",
    ),
    _file("something behind the JSON", GOOD + "x", ", line 1, column …: is not valid JSON: … (mend the line)"),
    _file(
        "a source in Latin-1",
        GOOD.replace("red", "r\xe9d").encode("latin-1"),
        ": is not UTF-8 at byte 75 (convert it: iconv -f LATIN1 -t UTF-8)",
    ),
    _file("a source in UTF-16", GOOD.encode("utf-16"), ": " + _NO_FORMAT),
    _file("a byte order mark and nothing", b"\xef\xbb\xbf", ": is empty (copy the annotation file again)"),
    _file("zeros in place of a file", bytes(100), ": " + _NO_FORMAT),
    _file(
        "a zero in the file", GOOD[:-1].encode() + b"\0]", ", line 1, column …: is not valid JSON: … (mend the line)"
    ),
    _file("an empty file", "", ": is empty (copy the annotation file again)"),
    _file("a file of white space", " \n\t", ": is empty (copy the annotation file again)"),
    _file("a picture in place of JSON", b"\x89PNG\r\n\x1a\n" + bytes(20), ": " + _NO_FORMAT),
    _file("an object in place of a list", '{"a": 1}', ": is not a list of objects but an object (one object a record)"),
    _file("a number in place of a list", "3", ": " + _NO_FORMAT),
    _file("a list without records", "[]", ": holds no records (give a dataset with at least one image)"),
    _file("brackets without end", "[" * 100_000, ": is not JSON that can be read: … " + _AGAIN),
    _file(
        "a number of 5,000 digits",
        GOOD.replace('"id": 1', '"id": ' + "9" * 5000),
        ": is not JSON that can be read: … " + _AGAIN,
    ),
    _file(
        "an identity that is NaN", GOOD.replace('"id": 1', '"id": NaN'), ", record 0, `id`: " + _pid("the number nan")
    ),
    _file(
        "an endless identity",
        GOOD.replace('"id": 1', '"id": -Infinity'),
        ", record 0, `id`: " + _pid("the number -inf"),
    ),
    _file(
        "an identity beyond floats",
        GOOD.replace('"id": 1', '"id": 1e999'),
        ", record 0, `id`: " + _pid("the number inf"),
    ),
    _record("a record that is a number", "0: is not an object but the number 1 (one object a record)", 1),
    _file(
        "records without captions",
        json.dumps([cuhk(captions=...)]),
        ": unknown format: its records have `file_path`, `id`, `processed_tokens`, `split` (needed are captions, "
        "file_path or img_path, id and split; anything else: write it as JSON Lines)",
    ),
    _record("a record without an identity", f"0: missing key `id` {_NEEDS}", cuhk(pid=...)),
    _record(
        "a second record without captions", f"1: missing key `captions` {_NEEDS}", cuhk(), cuhk("b.jpg", captions=...)
    ),
    Case(
        "another benchmark's format",
        records("x.json", cuhk()),
        JSON + " --format rstpreid",
        "{dir}/x.json, record 0: missing key `img_path` (every record needs img_path, id, split and captions)",
    ),
    _key("an identity that is a word", "id", _pid("the text 'x'"), id="x"),
    _key("an identity below 0", "id", _pid("the number -1"), id=-1),
    _key("an identity that is true", "id", _pid("the boolean true"), id=True),
    _key("an identity beyond 64 bits", "id", _pid("the number 9223372036854775808"), id=2**63),
    _key(
        "an unknown split",
        "split",
        "unknown split: the text 'gallery' (one of train, val, test, valid, validation, dev)",
        split="gallery",
    ),
    _key("no captions in the list", "captions", "is an empty list (give at least one caption an image)", captions=[]),
    _key(
        "a caption in place of a list",
        "captions",
        "is not a list but the text 'A man.' (give at least one caption an image)",
        captions="A man.",
    ),
    _key(
        "a caption that is a number",
        "captions[1]",
        "is not a text but the number 3 (captions are texts)",
        captions=["A man.", 3],
    ),
    _key("a zero in a caption", "captions[0]", "holds a null byte (take it out)", captions=["A\0man."]),
    _key(
        "half a surrogate pair in a caption",
        "captions[0]",
        "holds half a surrogate pair at character 2 (write the file again as UTF-8)",
        captions=["A \ud800man."],
    ),
    Case(
        "captions of white space alone",
        records("x.json", cuhk(captions=["", " "])),
        JSON,
        "{dir}/x.json: has no caption (give a source with at least one captioned image)",
    ),
    _key(
        "an absolute path",
        "file_path",
        "is not relative to the images' root: '/etc/passwd' " + _PATH_MEND,
        file_path="/etc/passwd",
    ),
    _key(
        "a path out of the root",
        "file_path",
        "leaves the images' root: 'a/../../x.jpg' " + _PATH_MEND,
        file_path="a/../../x.jpg",
    ),
    _key("a path with backslashes", "file_path", r"has a backslash: '..\\x.jpg' " + _PATH_MEND, file_path="..\\x.jpg"),
    _key("a zero in a path", "file_path", r"holds a null byte: 'a\x00.jpg' " + _PATH_MEND, file_path="a\0.jpg"),
    _key(
        "a line end in a path", "file_path", r"holds a control character: 'a\n.jpg' " + _PATH_MEND, file_path="a\n.jpg"
    ),
    _key("no path", "file_path", "is empty: '' " + _PATH_MEND, file_path=""),
    _key(
        "a URL for a path",
        "file_path",
        "is not relative to the images' root: 'file:///etc/passwd' " + _PATH_MEND,
        file_path="file:///etc/passwd",
    ),
    _record(
        "an image twice",
        "1, `file_path`: duplicate image id cuhk-pedes/a.jpg: it is at record 0 already (put an image's captions "
        "into one record)",
        cuhk(),
        cuhk(),
    ),
    _record(
        "an identity in two splits",
        "1, `split`: identity 1 of cuhk-pedes is in test here and in train at record 0 (an identity belongs to one "
        "split)",
        cuhk(),
        cuhk("b.jpg", split="test"),
    ),
    _record(
        "an image id twice",
        "1, `image_id`: duplicate image id '7': another path has it at record 0 (give every image its own)",
        cuhk(image_id="7"),
        cuhk("b.jpg", image_id="7"),
    ),
    _key(
        "a dataset's name that is a path",
        "dataset",
        "is not a short name but the text '../x' (use letters, digits, . _ and -)",
        dataset="../x",
    ),
)
