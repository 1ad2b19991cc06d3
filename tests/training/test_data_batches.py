"""Batches: what they hold, that they are the same however they are made, and errors that come out of workers whole."""

import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_collections import SIZE, tokenize, write_output, write_source

from tbpr_data.schemas.errors import UserError
from tbpr_data.training.batch import HUMAN, IGNORED, NEGATIVE, REWRITE, Batch
from tbpr_data.training.data.augment import ImageAugmentation
from tbpr_data.training.data.collection import Collection, queries
from tbpr_data.training.data.dataset import TrainingSet
from tbpr_data.training.data.images import ImageStore
from tbpr_data.training.data.loader import image_batches, make_loader, text_batches
from tbpr_data.training.data.masking import CLIP_TOKENS
from tbpr_data.training.data.mixture import MixtureConfig
from tbpr_data.training.data.read import read_collection
from tbpr_data.training.data.samplers import Batches, IdentityBatches, RandomBatches

FULL = MixtureConfig(rewrites="uniform", negatives=2, neighbours=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("source") / "people")


@pytest.fixture(scope="module")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    out = write_output(tmp_path_factory.mktemp("output") / "out", source, embed=True)
    return read_collection(str(out)).split("train")


def training(collection: Collection, mixture: MixtureConfig = FULL, **options: Any) -> TrainingSet:
    full = {"seed": 7, "augmentation": ImageAugmentation(pad=2), "masking": CLIP_TOKENS, **options}
    return TrainingSet(collection, ImageStore(collection, SIZE), tokenize, mixture=mixture, **full)


def epoch(dataset: TrainingSet, batches: Batches, number: int = 0, start: int = 0, workers: int = 0) -> list[Batch]:
    batches.set_epoch(number, start)
    return list(make_loader(dataset, batches, workers=workers))


def same(ones: list[Batch], others: list[Batch]) -> bool:
    def tensors(batches: list[Batch]) -> Iterator[torch.Tensor]:
        return (getattr(batch, field.name) for batch in batches for field in fields(Batch))

    return len(ones) == len(others) and all(map(torch.equal, tensors(ones), tensors(others)))


def test_a_batch_by_rows(made: Collection) -> None:
    dataset = training(made)
    texts_of = {
        tuple(tokenize([text.text])[0].tolist()): (n, text)
        for n, image in enumerate(made.images)
        for group in image.captions
        for text in (group.human, *group.rewrites)
    }
    assert (len(dataset), len(set(dataset.item_labels))) == (48, 12)
    kinds = Counter()
    for batch in epoch(dataset, RandomBatches(len(dataset), 8, seed=7)):
        # 8 images and their neighbours, a caption each, two negatives of each caption.
        assert batch.images.shape == (16, 3, *SIZE)
        assert batch.images.dtype == torch.uint8
        assert batch.texts.shape == (48, 16)
        assert batch.text_kinds[16:].tolist() == [NEGATIVE] * 32
        assert batch.text_images.tolist()[:16] == list(range(16))
        assert sorted(batch.text_images[16:].tolist()) == sorted([*range(16)] * 2)
        kinds.update(batch.text_kinds[:16].tolist())
        captions = [texts_of[tuple(row.tolist())] for row in batch.texts[:16]]
        assert [n for n, _ in captions] == batch.image_ids.tolist()
        assert [REWRITE if text.style else HUMAN for _, text in captions] == batch.text_kinds[:16].tolist()
        assert [made.images[n].pid for n in batch.image_ids.tolist()] == batch.pids.tolist()
        for row in range(8):
            image, neighbour = (made.images[batch.image_ids[n]] for n in (row, row + 8))
            assert neighbour.image_id == image.neighbours[0]
            assert neighbour.identity != image.identity
        for ids, row in zip(batch.texts[16:], batch.text_images[16:].tolist(), strict=True):
            own = [tokenize([one.text])[0].tolist() for one in captions[row][1].negatives]
            assert ids.tolist() in own
        assert batch.masked_texts is not None
        assert batch.masked_labels is not None
        hidden = batch.masked_labels != IGNORED
        assert hidden.any(1).all()
        assert torch.equal(torch.where(hidden, batch.masked_labels, batch.masked_texts), batch.texts[:16])
    assert 0.2 < kinds[HUMAN] / sum(kinds.values()) < 0.45


def test_a_plain_batch_has_the_captions_and_nothing_else(source: Path) -> None:
    plain = read_collection(str(source)).split("train")
    dataset = TrainingSet(plain, ImageStore(plain, SIZE), tokenize, seed=0)
    batches = epoch(dataset, RandomBatches(48, 12, seed=0))
    seen = sorted(tuple(row.tolist()) for batch in batches for row in batch.texts)
    assert seen == sorted(tuple(row.tolist()) for row in tokenize([query.text.text for query in queries(plain)]))
    for batch in batches:
        assert batch.masked_texts is batch.masked_labels is None
        assert batch.text_kinds.tolist() == [HUMAN] * 12
        store = ImageStore(plain, SIZE)
        assert torch.equal(batch.images[3], store.load(plain.images[batch.image_ids[3]]))
    with pytest.raises(ValueError, match="only images of the train split"):
        training(read_collection(str(source)), MixtureConfig())


def test_batches_depend_on_nothing_but_seed_and_epoch(made: Collection) -> None:
    dataset = training(made)
    batches = RandomBatches(len(dataset), 8, seed=7)
    first, second = epoch(dataset, batches, 0), epoch(dataset, batches, 1)
    assert len(first) == len(batches) == 6
    assert not same(first, second)
    assert same(epoch(dataset, batches, 1, start=4), second[4:])
    assert same(epoch(pickle.loads(pickle.dumps(dataset)), batches, 1), second)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    # The workers stay: two epochs of one loader, and a resume.
    loader = make_loader(dataset, batches, workers=2)
    for number, start in ((0, 0), (1, 0), (1, 4)):
        batches.set_epoch(number, start)
        assert same(list(loader), (first, second)[number][start:])
    assert torch.equal(torch.get_rng_state(), before), "the loader leaves the model's chance alone"
    assert not same(epoch(training(made, seed=8), batches, 0), first)


def test_a_mixture_leaves_order_and_images_as_they_are(made: Collection) -> None:
    batches = RandomBatches(48, 8, seed=7)
    pairs = zip(epoch(training(made), batches), epoch(training(made, MixtureConfig()), batches), strict=True)
    for rich, plain in pairs:
        assert torch.equal(rich.images[:8], plain.images)
        assert torch.equal(rich.image_ids[:8], plain.image_ids)


@pytest.mark.parametrize("kind", [RandomBatches, IdentityBatches])
def test_the_slices_of_all_processes_are_the_batch(kind: type[Batches]) -> None:
    items: Any = 50 if kind is RandomBatches else [n % 9 for n in range(50)]
    alone, *ranks = (
        kind(items, 16, seed=1, rank=rank, world=world) for rank, world in ((0, 1), *((r, 4) for r in range(4)))
    )
    for batches in (alone, *ranks):
        batches.set_epoch(5)
    parts = list(zip(*ranks, strict=True))
    assert [[place for one in slices for place in one] for slices in parts] == list(alone)
    assert all(len(one) == 4 for slices in parts for one in slices)
    assert len(alone) == len(ranks[0]) == 3
    whole = list(alone)
    alone.set_epoch(5, 2)
    assert list(alone) == whole[2:]


def test_random_batches_show_nothing_twice() -> None:
    batches = RandomBatches(50, 8, seed=0)
    places = [place for batch in batches for place in batch]
    assert len(set(places)) == len(places) == 48


def test_identity_batches_hold_p_identities_of_k() -> None:
    rng = np.random.default_rng(0)
    labels = [*rng.integers(0, 20, size=300).tolist(), 20, 21, 21]
    batches = IdentityBatches(labels, 32, seed=0)
    seen: Counter[int] = Counter()
    for number in range(20):
        batches.set_epoch(number)
        drawn = list(batches)
        assert len(drawn) == len(batches) == 303 // 32
        for batch in drawn:
            people = [labels[index] for _, index in batch]
            assert all(len(set(people[n : n + 4])) == 1 for n in range(0, 32, 4))
            assert len(set(people)) == 8
            for n in range(0, 32, 4):
                if people[n] < 20:
                    assert len(set(batch[n : n + 4])) == 4, "items are repeated only where there are too few"
            seen.update(people[::4])
    assert set(seen) == set(range(22))
    assert max(seen.values()) < 1.5 * min(seen.values())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RandomBatches(7, 8, seed=0), "7 captions do not fill one batch of 8"),
        (lambda: RandomBatches(70, 9, seed=0, world=2), "does not divide among 2 processes"),
        (lambda: IdentityBatches([0] * 40, 30, seed=0), "no multiple of 4"),
        (lambda: IdentityBatches([0, 1] * 20, 12, seed=0), "2 identities are too few for 3"),
    ],
)
def test_batch_sizes_that_cannot_be(make: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make()


def raised(dataset: TrainingSet, workers: int) -> UserError:
    """The error, without the frames in which the loader is: they would keep it until the garbage is collected."""
    try:
        epoch(dataset, RandomBatches(48, 8, seed=0), workers=workers)
    except UserError as error:
        return error.with_traceback(None)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_users_error_comes_out_of_a_worker_as_it_was(source: Path, tmp_path: Path, workers: int) -> None:
    collection = read_collection(str(source)).split("train")
    bad = replace(collection.images[3], path="train/broken.jpg")
    (source.parent / "train" / "broken.jpg").write_bytes(b"")
    broken = replace(collection, images=(*collection.images[:3], bad, *collection.images[4:]))
    with pytest.raises(UserError, match="is an empty file"):
        list(image_batches(broken.images, ImageStore(broken, SIZE), 8, workers=workers))
    error = raised(training(broken, MixtureConfig()), workers)
    assert (error.what, error.mend) == ("is an empty file and no image", "remove it from the source or mend the file")
    assert error.where == str(source.parent / "train" / "broken.jpg")


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_goes_in_order(source: Path, workers: int) -> None:
    test = read_collection(str(source)).split("test")
    store = ImageStore(test, SIZE)
    images = list(image_batches(test.images, store, 4, workers=workers))
    assert [len(batch) for batch in images] == [4, 2]
    assert torch.equal(torch.cat(images), torch.stack([store.load(image) for image in test.images]))
    texts = [query.text.text for query in queries(test)]
    batches = list(text_batches(texts, tokenize, 5))
    assert [len(batch) for batch in batches] == [5, 5, 2]
    assert torch.equal(torch.cat(batches), tokenize(texts))
