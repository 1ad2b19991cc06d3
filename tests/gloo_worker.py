"""Training steps whose gradients do not depend on how many processes share the batch: `python gloo_worker.py RANK DIR`.

Three images belong to process 0 of two, two images to process 1, which has all but one of the negatives and no masked
token.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from encoded_batches import batch_of, encoded, features_of
from safetensors.torch import save_file
from torch import nn

from tbpr_data.training.batch import IGNORED
from tbpr_data.training.distributed import gather_counts, gather_rows, share_buffers
from tbpr_data.training.objectives.objective import Sizes
from tbpr_data.training.objectives.registry import make_objective

SIZES = Sizes(dim=4, vocabulary=11, identities=9)
OBJECTIVES = {"sdm": {"negatives": True}, "negclip": {}, "id": {}, "mlm": {"depth": 1}}
PIDS = torch.tensor([3, 5, 3, 3, 8])
IMAGES, CAPTIONS, NEGATIVES, TOKENS = (
    torch.randn(n, 6, generator=torch.Generator().manual_seed(n), dtype=torch.float64) for n in (5, 6, 4, 10)
)
LABELS = torch.tensor([[2, IGNORED], [IGNORED, 4], [7, 1], [IGNORED, IGNORED], [IGNORED, IGNORED]])


class Step(nn.Module):
    """A backbone of two matrices and an objective."""

    def __init__(self, name: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.name, self.objective = name, make_objective(name, SIZES, OBJECTIVES[name]).double()
        self.image, self.text = nn.Linear(6, 4).double(), nn.Linear(6, 4).double()
        self.scale = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

    def forward(self, own: slice, negatives: slice) -> torch.Tensor:
        """The loss of those rows, which are this process's."""
        pids, images, captions = PIDS[own], self.image(IMAGES[own]), self.text(CAPTIONS[:5][own])
        wrong = self.text(NEGATIVES[negatives])
        if self.objective.over == "global":
            pids, images, captions, wrong = map(gather_rows, (pids, images, captions, wrong))
        features = features_of(images, torch.cat([captions, wrong]), 1.0)
        tokens = self.text(TOKENS.view(5, 2, 6)[own])
        features = replace(
            features,
            image=replace(features.image, tokens=images[:, None] * torch.tensor([[1.0], [-2.0]])),
            masked_text=encoded(tokens[:, 0], tokens),
            logit_scale=self.scale.exp(),
        )
        batch = replace(batch_of(pids, negatives=len(wrong)), masked_labels=LABELS[own])
        return self.objective(batch, features)[self.name]


def gradients(name: str, own: slice, negatives: slice) -> dict[str, torch.Tensor]:
    """By parameter, and the loss; of a parameter that the objective does not reach, zero."""
    step = Step(name)
    loss = step(own, negatives)
    loss.backward()
    found = {key: torch.zeros_like(one) if one.grad is None else one.grad for key, one in step.named_parameters()}
    return {f"{name}.{key}": one for key, one in {**found, "loss": loss.detach()}.items()}


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=(folder / "store").as_uri(), rank=rank, world_size=2)
    own, negatives = ((slice(0, 3), slice(0, 1)), (slice(3, 5), slice(1, 4)))[rank]
    results = {key: one for name in OBJECTIVES for key, one in gradients(name, own, negatives).items()}
    results["rows"] = gather_rows(torch.arange(6).view(3, 2)[: rank + 1] + 10 * rank)
    results["of one process"] = gather_rows(torch.ones(4 * rank, 2))
    results["of none"] = gather_rows(torch.ones(0, 2))
    counts = gather_counts(rank + 1, 7 - rank, device=torch.device("cpu"))
    results["counts"] = torch.tensor(counts)
    results["of known counts"] = gather_rows(torch.full((rank + 1,), rank), [first for first, _ in counts])
    norm = nn.BatchNorm1d(2)
    norm(torch.tensor([[0.0, 1.0], [2.0, 4.0 + rank]]))
    share_buffers(norm)
    results["statistics"] = torch.cat([norm.running_mean, norm.running_var])
    save_file(results, folder / f"{rank}.safetensors")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
