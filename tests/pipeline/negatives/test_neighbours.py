import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from bad_inputs.pictures import png
from PIL import Image
from pyarrow import parquet

from tbpr_data.pipeline.negatives import neighbours as module
from tbpr_data.pipeline.negatives.neighbours import embed_images, neighbours, read_features
from tbpr_data.schemas.errors import UserError

TINY = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


class IndexFlatIP:
    """faiss's index, as bad as rounding allows: scores off by up to D·2⁻²³ either way, equal ones in falling order."""

    def __init__(self, width):
        self.width = width

    def add(self, unit):
        self.unit = unit.astype(np.float64)

    def search(self, queries, depth):
        exact = queries.astype(np.float64) @ self.unit.T
        error = self.width * 2.0**-23 * np.random.default_rng(0).uniform(-1, 1, size=exact.shape)
        scores = (exact + error)[:, ::-1]
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        return np.take_along_axis(scores, order, axis=1).astype(np.float32), len(self.unit) - 1 - order


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss")


def brute_force(features, pids, k=3, splits=None):
    """The definition: every pair in double precision, sorted by cosine and then by row."""
    unit = np.asarray(features, np.float64)
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
    found = np.full((len(unit), k), -1)
    for row, pid in enumerate(pids):
        others = [
            other
            for other in range(len(unit))
            if pids[other] != pid and (splits is None or splits[other] == splits[row])
        ]
        cosines = {other: (unit[row] * unit[other]).sum() for other in others}
        best = sorted(others, key=lambda other: (-cosines[other], other))[:k]
        found[row, : len(best)] = best
    return found


@pytest.mark.parametrize("k", [1, 3, 40])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_agrees_with_every_pair_compared(faiss, k, dtype):
    rng = np.random.default_rng(k)
    features = (rng.normal(size=(240, 12)) * rng.uniform(0.1, 9, size=(240, 1))).astype(dtype)
    features[100:120] = features[7]
    features[200:240] = features[120:160]
    pids = [("a", int(pid)) for pid in rng.integers(0, 60, size=240)]
    splits = rng.choice(["train", "val", "test"], size=240, p=[0.8, 0.1, 0.1]).tolist()
    for given in (None, splits):
        found = neighbours(features, pids, k=k, splits=given)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, brute_force(features, pids, k, given))


def test_the_same_pid_in_two_datasets_is_two_identities(faiss):
    features = np.eye(3)[[0, 0, 1]]
    assert neighbours(features, [("a", 1), ("b", 1), ("b", 1)], k=1).tolist() == [[1], [0], [0]]


def test_equally_similar_images_come_in_order_of_rows(faiss):
    rng = np.random.default_rng(0)
    # Far more than are searched first, in blocks whose single-precision sums BLAS may round each its own way.
    features = np.tile(rng.normal(size=(1, 33)), (301, 1)).astype(np.float32)
    assert neighbours(features, range(301), k=4).tolist() == [
        [other for other in range(5) if other != row][:4] for row in range(301)
    ]


@pytest.mark.parametrize("spread", [0, 1e-5, 1e-4, 1])
def test_rounding_in_the_index_decides_nothing(monkeypatch, spread):
    monkeypatch.setattr(module, "_faiss", lambda: SimpleNamespace(IndexFlatIP=IndexFlatIP))
    rng = np.random.default_rng(2)
    features = rng.normal(size=(1, 24)) + spread * rng.normal(size=(200, 24))
    features[50:90] = features[3]
    pids = rng.integers(0, 70, size=200).tolist()
    np.testing.assert_array_equal(neighbours(features, pids), brute_force(features, pids))


def test_an_identity_of_many_images_does_not_starve(faiss):
    rng = np.random.default_rng(0)
    crowd = rng.normal(size=(1, 16)) + 0.01 * rng.normal(size=(300, 16))
    features = np.concatenate([crowd, rng.normal(size=(20, 16))])
    pids = [0] * 300 + list(range(1, 21))
    found = neighbours(features, pids)
    np.testing.assert_array_equal(found, brute_force(features, pids))
    assert (found[:300] >= 300).all()


def test_rows_are_searched_in_pieces_of_any_size(faiss, monkeypatch):
    rng = np.random.default_rng(1)
    features, pids = rng.normal(size=(70, 5)), rng.integers(0, 9, size=70).tolist()
    features[10:30] = features[3]
    whole = neighbours(features, pids)
    monkeypatch.setattr(module, "_CHUNK_PAIRS", 100)
    monkeypatch.setattr(module, "_CHUNK_NUMBERS", 11)
    np.testing.assert_array_equal(neighbours(features, pids), whole)


@pytest.mark.parametrize(
    ("pids", "splits", "expected"),
    [
        ([0, 0, 0], None, [[-1, -1], [-1, -1], [-1, -1]]),
        ([0, 0, 1], None, [[2, -1], [2, -1], [0, 1]]),
        ([0, 1, 2], ["train", "train", "val"], [[1, -1], [0, -1], [-1, -1]]),
    ],
)
def test_where_there_are_too_few_others(faiss, pids, splits, expected):
    features = [[1.0, 0.0], [1.0, 1.0], [1.0, 0.1]]
    assert neighbours(np.array(features), pids, k=2, splits=splits).tolist() == expected


def test_no_images_have_no_neighbours(faiss):
    assert neighbours(np.empty((0, 4)), []).shape == (0, 3)
    assert neighbours(np.empty((0, 0)), [], splits=[]).shape == (0, 3)


def test_lengths_are_no_part_of_the_cosine(faiss):
    features = np.array([[1e-300, 0], [1e300, 1e299], [0, 5e-324], [1e-4, 3e-4]])
    assert neighbours(features, range(4), k=1).tolist() == [[1], [0], [3], [2]]


@pytest.mark.parametrize(
    ("features", "pids", "options", "message"),
    [
        ([[1, 0], [0, 0]], [0, 1], {}, "row 1 of features is zero"),
        ([[1, 0], [0, 1], [np.nan, 1]], [0, 1, 2], {}, "row 2 of features is not finite"),
        ([[-np.inf, 0], [0, 0]], [0, 1], {}, "row 0 of features is not finite"),
        ([[1, 0], [0, 1]], [0], {}, "2 rows of features, 1 pids"),
        ([[1, 0], [0, 1]], [0, 1], {"splits": ["train"]}, "2 rows of features, 1 splits"),
        ([[1, 0], [0, 1]], [0, 1], {"k": 0}, "k is 0"),
        ([1, 0], [0, 1], {}, "1 dimensions"),
    ],
)
def test_unusable_arguments(faiss, features, pids, options, message):
    with pytest.raises(ValueError, match=message):
        neighbours(np.array(features, float), pids, **options)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "tbpr-data\[neighbours\]"'):
        neighbours(np.eye(2), [0, 1])


def written(path, ids, features, kind=None):
    parquet.write_table(
        pa.table({"image_id": ids, "features": features if kind is None else pa.array(features, kind), "extra": ids}),
        path,
    )
    return path


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float64()),
        pa.list_(pa.float32(), 3),
        pa.large_list(pa.float32()),
        pa.list_(pa.float16()),
    ],
)
def test_features_are_read_from_every_kind_of_list(tmp_path, kind):
    rows = pa.array([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]]).cast(kind)
    file = written(tmp_path / "f.parquet", ["a/1.jpg", "a/2.jpg"], rows)
    ids, features = read_features(file)
    assert ids == ["a/1.jpg", "a/2.jpg"]
    assert features.dtype == np.float32
    assert features.tolist() == [[1, 2, 3], [0.5, -1, 0]]


def test_features_are_read_across_row_groups(tmp_path):
    table = pa.table({"features": [[float(i + 1), 1.0] for i in range(10)], "image_id": [f"a/{i}" for i in range(10)]})
    parquet.write_table(table.set_column(1, "image_id", table["image_id"].dictionary_encode()), tmp_path / "f", 3)
    ids, features = read_features(tmp_path / "f")
    assert ids == [f"a/{i}" for i in range(10)]
    assert features[:, 0].tolist() == list(range(1, 11))


@pytest.mark.parametrize(
    ("ids", "features", "kind", "message"),
    [
        ([1, 2], [[1.0], [2.0]], None, "`image_id` is int64"),
        (["a", None], [[1.0], [2.0]], None, "row 1: `image_id` is null"),
        (["a", "b", "a"], [[1.0], [2.0], [3.0]], None, "row 2: image a has features in row 0 already"),
        (["a", "b"], [1.0, 2.0], None, "`features` is double"),
        (["a", "b"], [["x"], ["y"]], None, "`features` is list<element: string>"),
        (["a", "b"], [[1.0, 2.0], [3.0]], None, "row 1: 1 features, row 0 has 2"),
        (["a", "b"], [[1.0], None], None, "row 1: no features, row 0 has 1"),
        (["a", "b"], [[1.0], None], pa.list_(pa.float32(), 1), "row 1: no features, row 0 has 1"),
        (["a", "b"], [[], []], pa.list_(pa.float32()), "row 0: no features"),
        (["a", "b"], [[1.0, 0.0], [1.0, None]], None, "row 1: the features of b are not finite"),
        (["a", "b"], [[1.0, 0.0], [1e300, 0.0]], None, "row 1: the features of b are not finite"),
        (["a", "b"], [[0.0, 0.0], [1.0, 0.0]], None, "row 0: the features of a are zero"),
        ([], [], pa.list_(pa.float32()), "holds no rows"),
    ],
)
def test_unusable_features_are_one_line(tmp_path, ids, features, kind, message):
    with pytest.raises(UserError) as caught:
        read_features(written(tmp_path / "f.parquet", pa.array(ids, None if ids else pa.string()), features, kind))
    line = str(caught.value)
    assert line.startswith(str(tmp_path / "f.parquet"))
    assert message in line
    assert "\n" not in line


def test_files_that_hold_no_features(tmp_path):
    table = tmp_path / "table.parquet"
    parquet.write_table(pa.table({"image_id": ["a"], "feature": [[1.0]]}), table)
    with pytest.raises(UserError, match="has no column `features`"):
        read_features(table)
    (tmp_path / "text.parquet").write_text("image_id,features\n" * 9)
    (tmp_path / "cut.parquet").write_bytes(table.read_bytes()[:-20])
    (tmp_path / "empty.parquet").write_bytes(b"")
    for name in ("text", "cut", "empty"):
        with pytest.raises(UserError, match="is not a whole Parquet file"):
            read_features(tmp_path / f"{name}.parquet")
    with pytest.raises(UserError, match="is a directory"):
        read_features(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        read_features(tmp_path / "none.parquet")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A model of random weights, saved: its name and its file."""
    import open_clip
    import torch

    folder = tmp_path_factory.mktemp("open_clip")
    (folder / "tbpr-tiny.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    torch.save(open_clip.create_model("tbpr-tiny").state_dict(), folder / "tiny.pt")
    return "tbpr-tiny", str(folder / "tiny.pt")


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for number, mode in enumerate(["RGB", "L", "RGBA", "P", "RGB"]):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(rng.integers(0, 256, size=(48, 20, 3), dtype=np.uint8)).convert(mode).save(paths[-1])
    return paths


def test_images_are_embedded_in_order_whatever_the_batch(tiny, pictures):
    features = embed_images(pictures, *tiny, batch_size=2, device="cpu")
    assert features.shape == (5, 8)
    assert features.dtype == np.float32
    np.testing.assert_allclose(embed_images(pictures[::-1], *tiny, device="cpu")[::-1], features, atol=1e-5)
    assert len(np.unique(features.round(3), axis=0)) == 5
    assert embed_images([], *tiny, device="cpu").shape == (0, 0)


def test_images_that_cannot_be_read_are_named(tiny, pictures, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(pictures[0].read_bytes()[:200])
    (tmp_path / "bomb.png").write_bytes(png(12_000, 9_000))
    with pytest.raises(UserError, match=r"none\.png: cannot be read"):
        embed_images([*pictures, tmp_path / "none.png"], *tiny, device="cpu")
    for name in ("text", "cut", "bomb"):
        with pytest.raises(UserError, match=rf"{name}\.png: is no"):
            embed_images([*pictures, tmp_path / f"{name}.png"], *tiny, device="cpu")


def test_a_model_without_its_weights_is_refused(tiny, tmp_path):
    name, _ = tiny
    (tmp_path / "text.pt").write_text("no weights")
    for model, weights in [(name, None), (name, "none"), (name, str(tmp_path / "text.pt")), ("no-model", None)]:
        with pytest.raises(UserError, match=rf"^model {model}.*open_clip\.list_pretrained") as caught:
            embed_images([], model, weights, device="cpu")
        assert len(str(caught.value)) < 500
    with pytest.raises(UserError, match="local-dir"):
        embed_images([], f"local-dir:{tmp_path}", None, device="cpu")
