"""What stands where it should not: identities in two splits, captions of two identities, negatives that are true."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ..negatives.guards import normalised

Identity = tuple[str, int]
"""Dataset and pid: pids of two datasets are not the same person."""


@dataclass(frozen=True)
class Caption:
    """A caption row, as far as leaks go."""

    split: str
    """`train`, `val` or `test`."""
    dataset: str
    """Short name of the source dataset."""
    pid: int
    """Identity, as the dataset numbers it."""
    image_id: str
    """`DATASET/FILE_PATH`."""
    text: str
    """The caption."""
    negatives: tuple[str, ...] = ()
    """Its hard negatives."""


@dataclass(frozen=True)
class TrueNegative:
    """A negative that is a caption of somebody, told without case, punctuation and spacing."""

    image_id: str
    """The image it is a negative of."""
    text: str
    """The negative."""


@dataclass(frozen=True)
class Leaks:
    """What was found, in the order of the rows."""

    identities: dict[Identity, tuple[str, ...]]
    """Identities in more than one split, with their splits in alphabetical order."""
    images: dict[str, tuple[str, ...]]
    """Images in more than one split, under whatever pid, with their splits in alphabetical order."""
    shared_texts: int
    """Distinct texts that stand on more than one identity."""
    shared_rows: int
    """Rows with such a text."""
    negatives: int
    """Negatives that were looked at."""
    false_negatives: tuple[TrueNegative, ...]
    """Negatives that are a caption of their own identity: an error, they are true of the picture."""
    true_of_others: tuple[TrueNegative, ...]
    """Negatives that are a caption of another identity, and of their own not: as hard as can be, and no error."""


def find_leaks(rows: Iterable[Caption]) -> Leaks:
    """Everything that leaks among the rows; a text without a letter or digit is compared with nothing.

    Splits are compared with each other, so all rows of a dataset belong in one call.
    """
    captions = list(rows)
    texts = [normalised(row.text) for row in captions]
    said_of: defaultdict[str, set[Identity]] = defaultdict(set)
    identities: defaultdict[Identity, set[str]] = defaultdict(set)
    images: defaultdict[str, set[str]] = defaultdict(set)
    for row, text in zip(captions, texts, strict=True):
        identities[row.dataset, row.pid].add(row.split)
        images[row.image_id].add(row.split)
        if text:
            said_of[text].add((row.dataset, row.pid))
    own, others = [], []
    for row in captions:
        for negative in row.negatives:
            true_of = said_of.get(normalised(negative), set())
            if (row.dataset, row.pid) in true_of:
                own.append(TrueNegative(row.image_id, negative))
            elif true_of:
                others.append(TrueNegative(row.image_id, negative))
    shared = {text for text, whose in said_of.items() if len(whose) > 1}
    return Leaks(
        identities={who: tuple(sorted(splits)) for who, splits in identities.items() if len(splits) > 1},
        images={image: tuple(sorted(splits)) for image, splits in images.items() if len(splits) > 1},
        shared_texts=len(shared),
        shared_rows=sum(text in shared for text in texts),
        negatives=sum(len(row.negatives) for row in captions),
        false_negatives=tuple(own),
        true_of_others=tuple(others),
    )
