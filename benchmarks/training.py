"""Training steps of IRRA (SDM, ID, MLM), beside its authors' way written out plainly, in one run.

    python -m benchmarks.training [--size small|full] [--batch 64 ...] [--steps N] [--rounds 5] [--device cpu|cuda]

Both start from the same random weights and must agree on the losses of one batch in float32, or there is no table. The
peer (`plain_irra.py`) has fp16 weights on a GPU, as the original; ours float32 weights under bf16 autocast. A CPU has
no fp16 worth the name: there both are in float32. "Step" has its batch in memory; "whole" has the loader before it,
over 384×128 JPEGs drawn for the purpose, with as many worker processes for the peer as for ours. Captions have 10 to
60 words, 24 on average. Rounds alternate; ratios are medians over rounds. On a GPU each one's own floating point
operations are also set against a bf16 product of matrices measured in the same run.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain_irra import PlainIRRA, PlainSet, convert_weights, make_plain_optimiser
from tbpr_data.training.batch import Batch
from tbpr_data.training.data.collection import CaptionedImage, CaptionGroup, Collection, Text
from tbpr_data.training.data.dataset import TrainingSet
from tbpr_data.training.data.images import ImageStore
from tbpr_data.training.data.loader import make_loader
from tbpr_data.training.data.samplers import RandomBatches
from tbpr_data.training.learner import Learner
from tbpr_data.training.models.backbone import Backbone
from tbpr_data.training.optimiser import make_optimiser
from tbpr_data.training.recipe import Recipe, load_recipe
from tbpr_data.training.run import loader_workers, make_accelerator

SIZES: Mapping[str, Mapping[str, Any]] = {
    "small": {"backbone.model": "small", "backbone.image_size": [96, 32]},
    "full": {"backbone.model": "ViT-B-16", "backbone.image_size": [384, 128]},
}
_AGREED = 1e-3
_IDENTITIES = 11_003  # CUHK-PEDES, train
_WORDS = (
    *(
        "a",
        "the",
        "his",
        "her",
        "in",
        "with",
        "and",
        "of",
        "on",
        "woman",
        "man",
        "young",
        "black",
        "white",
        "dark",
        "red",
    ),
    *(
        "blue",
        "grey",
        "coat",
        "jacket",
        "shirt",
        "trousers",
        "jeans",
        "shoes",
        "bag",
        "hair",
        "long",
        "short",
        "wearing",
    ),
)

Step = Callable[[], object]


@dataclass(frozen=True)
class Setup:
    """One way to train, ready."""

    step: Step
    """A step on a batch that is in memory."""
    steps: Callable[[], Iterator[object]]
    """Steps with the loader before them."""


def main() -> None:
    """Run both in turns and print a table for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cuda = torch.cuda.is_available()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if cuda else "cpu")
    parser.add_argument("--size", choices=tuple(SIZES), help="of the towers; by default full on a GPU, else small")
    parser.add_argument("--batch", type=int, nargs="+", help="captions a step; by default 64, and 256 on a GPU")
    parser.add_argument("--steps", type=int, help="steps of a round; by default 2, on a GPU 20")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, help="processes of both loaders; by default as `train` chooses")
    given = parser.parse_args()
    on_cpu = given.device == "cpu"
    size = given.size or ("small" if on_cpu else "full")
    rate = None if on_cpu else matrix_rate()
    for batch_size in given.batch or ([64] if on_cpu else [64, 256]):
        with tempfile.TemporaryDirectory() as folder:
            steps = given.steps or (2 if on_cpu else 20)
            collection = draw(Path(folder), batch_size * steps)
            recipe = load_recipe(
                "irra",
                flags=SIZES[size] | {"backbone.quick_gelu": True, "data.batch_size": batch_size},
                without=["backbone.weights"],
            )
            compare(recipe, collection, given.device, size, steps, given.rounds, given.workers, rate)


def compare(
    recipe: Recipe,
    collection: Collection,
    device: str,
    size: str,
    steps: int,
    rounds: int,
    workers: int | None,
    rate: float | None,
) -> None:
    """Measure both on one batch size and print the table."""
    plain, ours, processes = both(recipe, collection, device, workers)
    flops = [None if rate is None else operations(one.step) for one in (plain, ours)]
    for one in (plain, ours):
        one.step()
        one.step()
    told = [
        tuple(one for setup in (plain, ours) for one in (alone(setup, steps, device), whole(setup, device)))
        for _ in range(rounds)
    ]
    batch = recipe.data.batch_size
    where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads, float32"
    share = "" if rate is None else f" share of {rate / 1e12:,.0f} TFLOP/s |"
    print(f"\n{size} towers, batch {batch}, {where}; {processes} loader processes; median (least) of {rounds} rounds\n")
    print(f"| | step, s | captions/s | ratio | whole, s | captions/s | ratio |{share}")
    print("|---|---:|---:|---:|---:|---:|---:|" + ("" if rate is None else "---:|"))
    for name, at, own in (("IRRA written out", 0, flops[0]), ("ours", 2, flops[1])):
        cells = []
        for column in (at, at + 1):
            seconds = [one[column] for one in told]
            faster = statistics.median(one[column - at] / one[column] for one in told)
            middle = statistics.median(seconds)
            cells.append(f"{middle:.3f} ({min(seconds):.3f}) | {batch / middle:,.1f} | {faster:.2f}")
        if rate is not None and own is not None:
            cells.append(f"{own / statistics.median(one[at] for one in told) / rate:.0%}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def both(recipe: Recipe, collection: Collection, device: str, workers: int | None) -> tuple[Setup, Setup, int]:
    """The peer and ours on the same weights, and the processes of each loader. Exits where their losses differ."""
    torch.manual_seed(0)
    accelerator = make_accelerator(device, recipe.loop.precision)
    processes = loader_workers(workers, accelerator)
    backbone = Backbone(recipe.backbone)
    training = TrainingSet(
        collection,
        ImageStore(collection, backbone.image_size),
        backbone.tokenizer,
        seed=0,
        augmentation=recipe.data.augmentation,
        masking=backbone.tokenizer.special,
    )
    learner = Learner(backbone, recipe.objectives, identities=_IDENTITIES).to(device)
    batches = RandomBatches(len(training), recipe.data.batch_size, seed=0)
    loader = make_loader(training, batches, workers=processes)
    batch = next(iter(loader))
    shortened, batch = learner.shortened(batch).to(device), batch.to(device)
    plain = PlainIRRA(learner.state_dict(), scale=float(backbone.logit_scale.detach())).to(device)
    told = as_plain(batch, backbone)
    check(learner(batch), plain(told, padding=padding(batch)))
    if device == "cuda":
        convert_weights(plain)
    optimiser = make_plain_optimiser(plain)
    root = Path(collection.path)
    items = [
        (root / image.path, group.human.text, image.pid) for image in collection.images for group in image.captions
    ]
    plain_loader: DataLoader[Any] = DataLoader(
        PlainSet(items, backbone),
        recipe.data.batch_size,
        shuffle=True,
        num_workers=processes,
        drop_last=True,
        persistent_workers=processes > 0,
    )

    def plain_step(batch: Mapping[str, torch.Tensor]) -> float:
        total = torch.stack(list(plain({key: value.to(device) for key, value in batch.items()}).values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        return total.item()

    model, prepared = accelerator.prepare(learner, make_optimiser(learner, recipe.optimiser))

    def our_step(batch: Batch) -> None:
        total = learner.total(model(batch))
        accelerator.backward(total)
        prepared.step()
        prepared.zero_grad(set_to_none=True)

    return (
        Setup(lambda: plain_step(told), lambda: map(plain_step, plain_loader)),
        Setup(lambda: our_step(shortened), lambda: (our_step(learner.shortened(one).to(device)) for one in loader)),
        processes,
    )


def check(ours: Mapping[str, torch.Tensor], plain: Mapping[str, torch.Tensor]) -> None:
    """Exit where the losses are not the same."""
    apart = {name: abs(float(ours[name].detach()) - float(plain[name].detach())) for name in ours}
    if set(ours) != set(plain) or not max(apart.values()) <= _AGREED:
        sys.exit(f"the two disagree: {apart}")


def as_plain(batch: Batch, backbone: Backbone) -> dict[str, torch.Tensor]:
    """Our batch as the peer takes it."""
    if batch.masked_texts is None or batch.masked_labels is None:
        raise ValueError("the batch has no masked captions")
    told = {"images": backbone.normalise(batch.images), "pids": batch.pids, "texts": batch.texts}
    return told | {"masked_texts": batch.masked_texts, "masked_labels": batch.masked_labels}


def padding(batch: Batch) -> torch.Tensor:
    """B×L: True behind the mark of end, where only the original's cross encoder looks."""
    places = torch.arange(batch.texts.shape[1], device=batch.texts.device)
    return places > batch.texts.argmax(dim=1, keepdim=True)


def alone(setup: Setup, steps: int, device: str) -> float:
    """Seconds a step, its batch in memory."""
    began = now(device)
    for _ in range(steps):
        setup.step()
    return (now(device) - began) / steps


def whole(setup: Setup, device: str) -> float:
    """Seconds a step with the loader's."""
    began = now(device)
    steps = sum(1 for _ in setup.steps())
    return (now(device) - began) / steps


def now(device: str) -> float:
    """Seconds, once the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def operations(step: Step) -> int:
    """Floating point operations of a step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def matrix_rate(size: int = 8192, times: int = 20) -> float:
    """Floating point operations a second of a product of two bf16 matrices."""
    one = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    for _ in range(3):
        one @ one
    began = now("cuda")
    for _ in range(times):
        one @ one
    return 2 * size**3 * times / (now("cuda") - began)


def draw(root: Path, captions: int) -> Collection:
    """Drawn images, a JPEG of 384×128 each, with two captions of drawn words."""
    rng = random.Random(0)

    def colour() -> tuple[int, int, int]:
        return rng.randrange(256), rng.randrange(256), rng.randrange(256)

    images = []
    for number in range(-(-captions // 2)):
        picture = Image.effect_noise((128, 384), 40).convert("RGB")
        pen = ImageDraw.Draw(picture)
        for _ in range(12):
            left, top = rng.randrange(128), rng.randrange(384)
            box = (left, top, left + rng.randrange(8, 64), top + rng.randrange(8, 128))
            (pen.ellipse if rng.random() < 0.5 else pen.rectangle)(box, fill=colour())
        name = f"{number}.jpg"
        picture.save(root / name, quality=90)
        lengths = [round(min(60, max(10, rng.gauss(24, 9)))) for _ in range(2)]
        groups = [
            CaptionGroup(Text(f"drawn/{name}#{k}", " ".join(rng.choices(_WORDS, k=length))))
            for k, length in enumerate(lengths)
        ]
        images.append(CaptionedImage(f"drawn/{name}", name, number, "train", "drawn", tuple(groups)))
    return Collection("drawn", os.fspath(root), tuple(images), root, "")


if __name__ == "__main__":
    main()
