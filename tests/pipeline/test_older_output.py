"""A folder that the first version wrote: what reads it, and what is refused with the command that makes it anew."""

import shutil
import tomllib
from pathlib import Path

import pytest
from datasets import load_dataset
from publish_runs import run

from tbpr_data.pipeline.config import load_config
from tbpr_data.pipeline.publish.contents import open_contents
from tbpr_data.pipeline.sources.read import read_source
from tbpr_data.schemas.errors import UserError
from tbpr_data.training.data.read import read_collection

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "output-0", tmp_path / "older"))


def test_older_folder_is_read(older: Path) -> None:
    assert len(read_source(str(older)).images) == 8
    collection = read_collection(str(older))
    assert sum(len(group.rewrites) for image in collection.images for group in image.captions) == 10
    rows = list(open_contents(older).rows("pairs", ["text", "neighbours"]))
    assert len(rows) == 26
    assert all(row["neighbours"] == [] for row in rows)
    assert load_dataset(str(older), "pairs")["train"].num_rows == 26
    assert run("audit", older, "--json").exit_code == 0
    assert run("export", older, "--to", "jsonl", "--out", older.parent / "jsonl").exit_code == 0


def test_what_an_older_folder_cannot_do_is_refused(older: Path) -> None:
    pushed = run("push", older, "--repo", "user/older", "--license", "mit", "--dry-run")
    assert isinstance(pushed.exception, UserError)
    assert f"tbpr-data augment --config {older}/run.toml --out NEW" in str(pushed.exception)
    # Which is a configuration that this version takes.
    assert tomllib.loads((older / "run.toml").read_text())["keep"] == "best"
    assert load_config(older / "run.toml", [], {}).keep == 1
    source = FIXTURES / "output-0-source/reid_raw.json"
    again = run("augment", source, "--config", older / "run.toml", "--endpoint", "http://127.0.0.1:9", "--out", older)
    assert isinstance(again.exception, UserError)
