"""Which items make a batch, in which order: the same for any number of processes, and from the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from ...schemas.errors import UserError
from .dataset import Place
from .draws import generator


class Batches(Sampler[list[Place]]):
    """The batches of an epoch; of each this process has a contiguous slice, those of all in order are the batch.

    What does not fill a batch is left out. `len` counts the batches of a whole epoch.
    """

    def __init__(self, items: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> None:
        """`batch_size` is that of all `world` processes together.

        Raises:
            UserError: it does not divide among the processes, or there are fewer items.
            ValueError: `rank` is not below `world`.
        """
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} of {world} processes")
        if batch_size < 1 or batch_size % world:
            raise UserError(
                f"a batch of {batch_size} does not divide among {world} processes",
                where="batch size",
                mend=f"give a multiple of {world}",
            )
        if items < batch_size:
            raise UserError(
                f"{items:,} captions do not fill one batch of {batch_size:,}",
                where="batch size",
                mend="give a smaller one",
            )
        self._items, self._batch_size, self._seed = items, batch_size, seed
        own = batch_size // world
        self._own = slice(rank * own, (rank + 1) * own)
        self._epoch = self._start = 0

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        """What the next iteration goes through: `epoch`, from 0, without its first `start_batch` batches."""
        self._epoch, self._start = epoch, start_batch

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """All batches of an epoch: N×B numbers of items."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self._items // self._batch_size

    def __iter__(self) -> Iterator[list[Place]]:
        epoch = self._epoch
        order = self.order(generator("order", self._seed, epoch))
        for batch in order[self._start :, self._own].tolist():
            yield [(epoch, index) for index in batch]


class RandomBatches(Batches):
    """Every item once an epoch, in random order."""

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """A permutation of the items, cut into batches."""
        return rng.permutation(self._items)[: len(self) * self._batch_size].reshape(-1, self._batch_size)


class IdentityBatches(Batches):
    """P identities a batch and K items of each, so that every item has positives (Hermans et al., 2017, §2).

    An epoch has as many batches as with `RandomBatches`. Identities come in turn, in random order, whatever the number
    of their items; those who have fewer than K are shown some of theirs twice.
    """

    def __init__(
        self,
        labels: Sequence[int],
        batch_size: int,
        *,
        seed: int,
        per_identity: int = 4,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """`labels` is the identity of every item.

        Raises:
            UserError: as `Batches`; the batch is no multiple of `per_identity`, or there are too few identities.
        """
        super().__init__(len(labels), batch_size, seed=seed, rank=rank, world=world)
        if per_identity < 1 or batch_size % per_identity:
            raise UserError(
                f"a batch of {batch_size} is no multiple of {per_identity} items an identity",
                where="batch size",
                mend=f"give a multiple of {per_identity}",
            )
        by_label: dict[int, list[int]] = {}
        for item, label in enumerate(labels):
            by_label.setdefault(label, []).append(item)
        self._by_identity = [np.array(items) for _, items in sorted(by_label.items())]
        self._k = per_identity
        if len(self._by_identity) * per_identity < batch_size:
            raise UserError(
                f"{len(self._by_identity):,} identities are too few for {batch_size // per_identity:,} in a batch",
                where="batch size",
                mend="give a smaller one, or more items an identity",
            )

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Identities in turn, K items of each: N×(P·K)."""
        count, here = self._batch_size // self._k, len(self._by_identity)
        # Of a turn only whole batches: no identity comes twice in one.
        whole = here // count
        turns = -(-len(self) // whole)
        identities = np.concatenate([rng.permutation(here)[: whole * count] for _ in range(turns)])
        drawn = [self._draw(self._by_identity[one], rng) for one in identities[: len(self) * count]]
        return np.stack(drawn).reshape(-1, self._batch_size)

    def _draw(self, items: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.choice(items, self._k, replace=len(items) < self._k)
