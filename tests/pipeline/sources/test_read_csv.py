"""CSV and TSV: what is odd and legal is read as JSON Lines reads it. What is broken: `bad_inputs/table_sources.py`."""

import csv
import json
from pathlib import Path

import pytest

from tbpr_data.pipeline.sources.delimited import read_csv
from tbpr_data.pipeline.sources.read import read_source
from tbpr_data.schemas.errors import UserError

CAPTIONS = (
    'A man in a "red", long coat.',
    '"Hello" is on her shirt.',
    "A woman:\nred coat,\r\n\r\nblue bag.",
    "Una señora, 裙子 🙂\u2028 and\x85 more.",
    "A\tman in blue.",
)
ROWS = [
    {"file_path": f"cam/{n % 3}.jpg", "pid": str(n % 3), "split": "train", "caption": caption, "image_id": f"i{n % 3}"}
    for n, caption in enumerate(CAPTIONS)
]


def write(
    file: Path, *, separator: str = ",", end: str = "\n", bom: bool = False, quote: int = csv.QUOTE_MINIMAL
) -> str:
    with file.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as out:
        table = csv.DictWriter(out, [*ROWS[0], "note"], delimiter=separator, lineterminator=end, quoting=quote)  # type: ignore[arg-type]
        table.writeheader()
        table.writerows(ROWS)
    return str(file)


@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quote", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize(
    ("name", "separator"), [("My Set.csv", ","), ("My Set.tsv", "\t"), ("My Set.csv", "\t"), ("My Set.txt", ",")]
)
def test_odd_captions_read_as_from_json_lines(
    tmp_path: Path, name: str, quote: int, separator: str, end: str, bom: bool
) -> None:
    path = write(tmp_path / name, separator=separator, end=end, bom=bom, quote=quote)
    assert list(read_csv(Path(path)).rows) == ROWS
    source = read_source(path)
    (tmp_path / "My Set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    lines = read_source(str(tmp_path / "My Set.jsonl"))
    assert (source.format, source.sha256) == ("csv", lines.sha256)
    assert (source.warnings.counts, source.repairs.counts) == (lines.warnings.counts, lines.repairs.counts)
    assert [image.image_id for image in source.images] == [f"my-set/cam/{n}.jpg" for n in range(3)]
    assert source.images[2].captions == ("A woman: red coat, blue bag.",)


def test_columns_go_by_their_other_names_and_empty_optional_ones_are_missing(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        "text,split,person_id,img_path,dataset,image_id,origin,,\n"
        "One.,dev,007,a.jpg,,,,,\n"
        "Two.,dev,007,a.jpg,,,llm,,\n"
        ",,,,,,,,\n"
        "Three.,dev,8,b.jpg,other,,human,,\n"
    )
    source = read_source(str(tmp_path))
    told = [(image.image_id, image.pid, image.split, image.captions) for image in source.images]
    assert told == [("x/a.jpg", 7, "val", ("One.",)), ("other/b.jpg", 8, "val", ("Three.",))]


def test_a_caption_may_be_empty_and_is_warned_of_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('file_path,pid,split,caption\na.jpg,1,train,"One\nmore."\n\na.jpg,1,train,\n')
    source = read_source(str(tmp_path / "x.csv"))
    assert source.images[0].captions == ("One more.",)
    assert source.warnings.examples["empty_caption"] == [f"{tmp_path}/x.csv, line 5, `caption[0]`"]


def test_rows_that_disagree_name_both_lines(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("file_path\tpid\tsplit\tcaption\na.jpg\t1\ttrain\tOne.\na.jpg\t2\ttrain\tTwo.\n")
    with pytest.raises(UserError, match=r"x\.tsv, line 3, `pid`: a\.jpg is identity 2 here and 1 at line 2"):
        read_source(str(tmp_path / "x.tsv"))
