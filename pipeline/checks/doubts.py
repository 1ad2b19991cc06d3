"""Doubts: findings the parser is unsure of, put to the language model as yes/no questions, and what these settle."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...schemas.completion import Completion, Request
from ...schemas.prompt import Policy
from ...schemas.verdict import Finding, Verdict
from ..config import canonical_sha256
from .verdict import FORBIDDEN

# Scenery, poses and words that the lexicon does not know: there "added" is often only said in other words. What the
# parser says of garments and colours it knows better than a small model does.
_SLOTS = ("action", "other")
_STATUSES = ("added", "dropped")
# A rewrite with more of them is another text, and not worth the questions.
_MOST = 4
_QUESTION = """Two texts describe the same person in a photograph.
Text A: {a}
Text B: {b}
Does text A also say or plainly imply "{words}"? Answer {{"answer": "yes"}} or {{"answer": "no"}}."""
_SAMPLING = {"temperature": 0.0, "max_tokens": 16}
# Whatever else a server writes that ignores the schema is no yes.
_YES = re.compile(r'\s*\{\s*"answer"\s*:\s*"yes"\s*\}\s*')


def doubts_sha256() -> str:
    """Hash of all that decides what is asked: part of the fingerprint of a run that asks."""
    return canonical_sha256([_SLOTS, _STATUSES, _MOST, _QUESTION, _SAMPLING, _YES.pattern])


def question_asked() -> tuple[str, dict[str, float]]:
    """The question as it is put, and its sampling: for the card."""
    return _QUESTION.format(a="(a text)", b="(the other text)", words="(what was found)"), dict(_SAMPLING)


@dataclass(frozen=True)
class Doubts:
    """What may be asked of a model, and what it has answered."""

    model: str
    """Its name, as the rows record it."""
    answers: Mapping[str, Completion]
    """Answers by the request's key."""

    def questions(self, source: str, rewrite: str, verdict: Verdict, policy: Policy) -> dict[Finding, Request]:
        """A question for each finding that a fluent rewrite is refused for, if the parser is unsure of them all."""
        forbidden = verdict.of(*FORBIDDEN[policy])
        unsure = all(finding.slot in _SLOTS and finding.status in _STATUSES for finding in forbidden)
        if not (verdict.fluent and unsure and len(forbidden) <= _MOST):
            return {}
        return {finding: self._question(source, rewrite, finding) for finding in forbidden}

    def settle(self, verdict: Verdict, questions: Mapping[Finding, Request], policy: Policy) -> Verdict:
        """The verdict with every finding kept whose question was answered with yes."""
        kept = {finding for finding, asked in questions.items() if self._is_yes(asked)}
        findings = tuple(replace(one, status="kept") if one in kept else one for one in verdict.findings)
        gone = {f"{finding.status} {finding}" for finding in kept}
        return replace(
            verdict,
            findings=findings,
            faithful=not any(finding.status in FORBIDDEN[policy] for finding in findings),
            reasons=tuple(reason for reason in verdict.reasons if reason not in gone),
        )

    def _question(self, source: str, rewrite: str, finding: Finding) -> Request:
        """What one text says beside the other is asked of the other, text A."""
        said = finding.rewrite if finding.status == "added" else finding.source
        a, b = (source, rewrite) if finding.status == "added" else (rewrite, source)
        words = said.text if said else ""
        return Request(
            model=self.model,
            messages=(("user", _QUESTION.format(a=a, b=b, words=words)),),
            sampling=_SAMPLING,
            output="yes_no",
            seed=0,
            sample_index=0,
        )

    def _is_yes(self, asked: Request) -> bool:
        answer = self.answers.get(asked.key)
        return answer is not None and answer.error is None and _YES.fullmatch(answer.text) is not None
