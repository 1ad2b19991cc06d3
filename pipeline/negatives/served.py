"""How likely the served language model finds texts: what it was asked, and what its answers in the journal say."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from ...schemas.completion import Completion
from ..language.likelihood import Likelihood
from ..llm.requests import likelihood_request


class ServedLikelihood:
    """A scorer of texts that reads the answers of the language model that writes."""

    def __init__(self, model: str, answers: Mapping[str, Completion], *, reference: Sequence[str]) -> None:
        """Count the tokens of the reference, for SLOR.

        Args:
            model: its name, as the rows record it.
            answers: by the request's key.
            reference: texts that tell how common each token is, add-one smoothed; those not answered are left out.
        """
        self._model, self._answers = model, answers
        self._counts = Counter(token for text in reference for token, _ in self._tokens(text))
        self.failed = 0
        """Texts asked for that a later run asks about again."""

    def scores(self, texts: Sequence[str]) -> list[Likelihood | None]:
        """Score each text, in the order given; None for one that the server refused, or failed on."""
        return [self._score(text) for text in texts]

    def _score(self, text: str) -> Likelihood | None:
        tokens = self._tokens(text)
        if not tokens:
            self.failed += self._answer(text).transient
            return None
        # Smoothed counts, not shares of a total: what all tokens have in common is the same in every mean, and gone
        # from every gap.
        alone = sum(math.log(self._counts[token] + 1) for token, _ in tokens)
        told = sum(log_probability for _, log_probability in tokens)
        return Likelihood(told / len(tokens), (told - alone) / len(tokens))

    def _tokens(self, text: str) -> list[tuple[int, float]]:
        """Each token's id and log-probability in nats; none where there is no answer."""
        answer = self._answer(text)
        return [(token, told) for token, told in json.loads(answer.text)] if answer.error is None else []

    def _answer(self, text: str) -> Completion:
        return self._answers[likelihood_request(self._model, text).key]
