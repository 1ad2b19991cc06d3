"""Requests: prompt, caption and sampling put together."""

import hashlib
from dataclasses import dataclass

from ...prompts.registry import messages
from ...schemas.completion import Request
from ...schemas.prompt import Prompt
from ...schemas.sampling import Sampling
from ...schemas.source import SourceCaption


@dataclass(frozen=True)
class Asked:
    """A request and what it is asked for."""

    caption: SourceCaption
    prompt: Prompt
    request: Request

    @property
    def caption_id(self) -> str:
        """Id of the rewrite: `SOURCE_CAPTION_ID~PROMPT.n`."""
        return f"{self.caption.caption_id}~{self.prompt.id}.{self.request.sample_index}"


@dataclass(frozen=True)
class RequestPlan:
    """What is asked of every caption of a run."""

    model: str
    """Model name, as the rows record it."""
    prompts: tuple[Prompt, ...]
    """Each is asked of each caption."""
    samplings: tuple[Sampling, ...]
    """Sampling of each prompt, with every owner's defaults merged in."""
    samples: int
    """Answers a caption and prompt."""
    seed: int
    """Run seed."""

    def requests(self, caption: SourceCaption) -> list[Asked]:
        """The requests of a caption, by prompt and then by sample."""
        asked = []
        for prompt, sampling in zip(self.prompts, self.samplings, strict=True):
            turns = tuple((turn["role"], turn["content"]) for turn in messages(prompt, caption.text))
            fields = sampling.set_fields()
            for index in range(self.samples):
                request = Request(
                    model=self.model,
                    messages=turns,
                    sampling=fields,
                    output=prompt.output,
                    seed=self._seed(prompt, caption.text, index),
                    sample_index=index,
                )
                asked.append(Asked(caption, prompt, request))
        return asked

    def sampling_of(self, prompt: Prompt) -> Sampling:
        """Sampling of one of the prompts."""
        return self.samplings[self.prompts.index(prompt)]

    def _seed(self, prompt: Prompt, caption: str, index: int) -> int:
        """31 bits of a hash. From the caption's text, not its id: equal captions make equal requests, sent once."""
        text = f"{self.seed}\0{prompt.sha256()}\0{caption}\0{index}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def likelihood_request(model: str, text: str) -> Request:
    """Asks how likely each token of a text is."""
    return Request(model=model, messages=(("text", text),), sampling={}, output="likelihood", seed=0, sample_index=0)
