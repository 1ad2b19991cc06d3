"""NegCLIP's hard images: the most similar images of other identities, and the features to find them by.

NegCLIP (Yuksekgonul et al., ICLR 2023, arXiv 2210.01936) puts beside each image of a batch one of its K = 3 nearest
training images by CLIP image features. In person retrieval the nearest images are often the same person, so here they
are of other identities, and never of another split.
"""

from __future__ import annotations

import importlib
import importlib.util
import textwrap
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...schemas.errors import UserError
from ..sources.pictures import picture_errors
from ..sources.table import unreadable

if TYPE_CHECKING:
    from PIL.Image import Image
    from pyarrow import ChunkedArray, Table

_FIRST_DEPTH = 32  # CUHK-PEDES has 3 images an identity, ICFG-PEDES 13
_CHUNK_PAIRS = 1 << 22  # 48 MiB of scores and indices at a time
_CHUNK_NUMBERS = 1 << 22  # 32 MiB a side of the pairs whose cosine is computed again


def neighbours(
    features: NDArray[np.floating[Any]],
    pids: Sequence[Hashable],
    *,
    k: int = 3,
    splits: Sequence[str] | None = None,
) -> NDArray[np.int64]:
    """The k most similar images of other identities for each image, most similar first: N×k row numbers.

    Exact, by cosine; of equally similar images the lower row comes first, whatever the machine's BLAS rounds. Where an
    image has fewer than k such images, the places left over are -1.

    Args:
        features: N×D, a row an image, of any length.
        pids: identity of each image. Datasets number theirs anew: give (dataset, pid) where there are several.
        k: neighbours an image.
        splits: of each image; images of different splits are no neighbours. All are one split where None.

    Raises:
        UserError: faiss is not installed.
        ValueError: lengths differ, k is below 1, or a row of features is zero or not finite.
    """
    faiss = _faiss()
    unit = _unit_rows(np.asarray(features))
    if k < 1:
        raise ValueError(f"k is {k}")
    for name, given in (("pids", pids), ("splits", splits)):
        if given is not None and len(given) != len(unit):
            raise ValueError(f"{len(unit)} rows of features, {len(given)} {name}")
    identities = _numbered(pids)
    parts = np.zeros(len(unit), np.int64) if splits is None else _numbered(splits)
    found = np.full((len(unit), k), -1, np.int64)
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        near = _search(faiss, unit[rows], identities[rows], k)
        found[rows] = np.where(near < 0, -1, rows[near])
    return found


def read_features(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Image ids and their N×D features, from a Parquet file with columns `image_id` and `features` (lists of floats).

    Raises:
        UserError: it is no such file, an id comes twice, lengths differ, or features are null, zero or not finite.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for name in ("image_id", "features"):
                if name not in file.schema_arrow.names:
                    mend = "it needs `image_id` (string) and `features` (list of floats)"
                    raise UserError(f"has no column `{name}`", where=str(path), mend=mend)
            table = file.read(columns=["image_id", "features"])
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise unreadable(error, str(path)) from error
        what = f"is not a whole Parquet file: {str(error).splitlines()[0]}"
        raise UserError(what, where=str(path), mend="copy or write it again") from error
    ids = _image_ids(table, path)
    matrix = _matrix(table.column("features"), path)
    if fault := _first_fault(matrix):
        raise UserError(
            f"the features of {ids[fault[0]]} are {fault[1]}", where=f"{path}, row {fault[0]}", mend="make them again"
        )
    return ids, matrix


def embed_images(
    paths: Sequence[Path], model: str, pretrained: str | None, *, batch_size: int = 64, device: str | None = None
) -> NDArray[np.float32]:
    """Image features of an open_clip model, N×D, as the model gives them: not normalised.

    Args:
        paths: the images; they are scaled and cropped as the model's own preprocessing says.
        model: an open_clip name (for OpenAI's weights the `-quickgelu` one), `hf-hub:ORG/NAME` or `local-dir:FOLDER`.
        pretrained: a tag or a file of weights; None where `model` brings its own.
        batch_size: images at a time.
        device: as torch names it; a GPU where there is one if None.

    Raises:
        UserError: the model or its weights cannot be loaded, or an image cannot be read.
    """
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    network, preprocess = _load_model(model, pretrained, device)
    made = []
    with torch.inference_mode():
        for start in range(0, len(paths), batch_size):
            images = [preprocess(_rgb(path)) for path in paths[start : start + batch_size]]
            made.append(network.encode_image(torch.stack(images).to(device)).float().cpu().numpy())
    return np.concatenate(made) if made else np.empty((0, 0), np.float32)


def _faiss() -> Any:
    if importlib.util.find_spec("faiss") is None:
        raise UserError("faiss is not installed", where="neighbours", mend='pip install "tbpr-data[neighbours]"')
    return importlib.import_module("faiss")


def _numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number for each distinct value, in order of first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)


def _unit_rows(features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Rows of length 1, computed in double precision and from the largest entry, so that no square overflows."""
    if features.ndim != 2:
        raise ValueError(f"features have {features.ndim} dimensions: N×D is needed")
    if fault := _first_fault(features):
        raise ValueError(f"row {fault[0]} of features is {fault[1]}")
    if not len(features):
        return np.empty(features.shape, np.float32)
    scaled = features / np.abs(features).max(axis=1, keepdims=True).astype(np.float64)
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    unit: NDArray[np.float32] = scaled.astype(np.float32)
    return unit


def _first_fault(features: NDArray[np.floating[Any]]) -> tuple[int, str] | None:
    finite = np.isfinite(features).all(axis=1)
    bad = np.flatnonzero(~finite | ~features.any(axis=1))
    return (int(bad[0]), "zero" if finite[bad[0]] else "not finite") if bad.size else None


def _search(faiss: Any, unit: NDArray[np.float32], identities: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """As `neighbours`, within one split. Rows whose answer is not certain yet are searched again, four times deeper."""
    count, width = unit.shape
    index = faiss.IndexFlatIP(width)
    index.add(unit)
    found = np.full((count, k), -1, np.int64)
    waiting = np.flatnonzero(np.bincount(identities)[identities] < count)
    depth = min(count, max(_FIRST_DEPTH, 4 * k))
    while waiting.size:
        step = max(1, _CHUNK_PAIRS // depth)
        uncertain = []
        for start in range(0, waiting.size, step):
            rows = waiting[start : start + step]
            scores, near = index.search(unit[rows], depth)
            best, certain = _nearest(unit, identities, rows, scores.astype(np.float64), near, k)
            found[rows, : best.shape[1]] = best
            uncertain.append(rows[~certain])
        waiting = np.concatenate(uncertain)
        depth = min(count, 4 * depth)
    return found


def _nearest(
    unit: NDArray[np.float32],
    identities: NDArray[np.int64],
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
    near: NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The best k of other identities among what faiss found, R×k or less; and for which rows they are certain.

    faiss adds up D products in single precision, so a score is off by e = D·2⁻²³ at most. With t the k-th best score of
    other identities, the true best k all score t - 2e or more: those are computed again in double precision.
    """
    count, width = unit.shape
    depth = near.shape[1]
    other = identities[near] != identities[rows, None]
    ranked = np.where(other, scores, -np.inf)
    kth = np.partition(ranked, depth - k, axis=1)[:, depth - k] if depth >= k else np.full(len(rows), -np.inf)
    least = kth - 2 * width * np.finfo(np.float32).eps
    certain = (scores[:, -1] < least) | (depth == count)
    at, rank = np.nonzero(other & (scores >= least[:, None]))
    ranked[:] = -np.inf
    ranked[at, rank] = _cosines(unit, rows[at], near[at, rank])
    order = np.lexsort((near, -ranked), axis=-1)[:, :k]
    best = np.take_along_axis(near, order, axis=1)
    return np.where(np.isfinite(np.take_along_axis(ranked, order, axis=1)), best, -1), certain


def _cosines(unit: NDArray[np.float32], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cosine of each pair. Equal rows give equal numbers, which a matrix product does not promise."""
    made = np.empty(len(left))
    step = max(1, _CHUNK_NUMBERS // unit.shape[1])
    for start in range(0, len(left), step):
        part = slice(start, start + step)
        made[part] = (unit[left[part]].astype(np.float64) * unit[right[part]]).sum(axis=1)
    return made


def _image_ids(table: Table, path: Path) -> list[str]:
    import pyarrow as pa

    column = table.column("image_id")
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise UserError(f"`image_id` is {column.type}", where=str(path), mend="strings are needed")
    ids: dict[str, int] = {}
    for row, image_id in enumerate(column.to_pylist()):
        if image_id is None:
            raise UserError("`image_id` is null", where=f"{path}, row {row}", mend="give every row an id")
        if (first := ids.setdefault(image_id, row)) != row:
            what = f"image {image_id} has features in row {first} already"
            raise UserError(what, where=f"{path}, row {row}", mend="keep one of them")
    return list(ids)


def _matrix(column: ChunkedArray, path: Path) -> NDArray[np.float32]:
    """Lists of equal length as the rows of a matrix."""
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not pa.types.is_floating(kind.value_type):
        raise UserError(f"`features` is {kind}", where=str(path), mend="lists of floats are needed")
    if not len(column):
        raise UserError("holds no rows", where=str(path), mend="give the features of at least one image")
    lengths = compute.list_value_length(column).to_pylist()
    odd = next((row for row, length in enumerate(lengths) if not length or length != lengths[0]), None)
    if odd is not None:
        what = f"{lengths[odd] or 'no'} features" + (f", row 0 has {lengths[0]}" if odd else "")
        raise UserError(what, where=f"{path}, row {odd}", mend="all images need as many")
    numbers = compute.list_flatten(column).to_numpy()
    with np.errstate(over="ignore"):  # like a null, which arrives as NaN, it is refused as not finite
        matrix: NDArray[np.float32] = numbers.astype(np.float32).reshape(len(column), lengths[0])
    return matrix


def _load_model(model: str, pretrained: str | None, device: str) -> tuple[Any, Callable[[Image], Any]]:
    """The network, ready to encode, and its preprocessing. Without weights it would encode noise: that is an error."""
    import open_clip

    try:
        network, _, preprocess = open_clip.create_model_and_transforms(
            model, pretrained, device=device, weights_only=True, require_pretrained=True
        )
    except (RuntimeError, ValueError, OSError, UnpicklingError) as error:
        raise UserError(
            textwrap.shorten(str(error), 300),
            where=f"model {model}" + (f", weights {pretrained}" if pretrained else ""),
            mend="`open_clip.list_pretrained()` names the models and their weights",
        ) from error
    return network.eval(), preprocess


def _rgb(path: Path) -> Image:
    from PIL import Image

    with picture_errors(str(path), "copy it again"), Image.open(path) as image:
        return image.convert("RGB")
