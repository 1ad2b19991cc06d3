"""The verdict: a rewrite and its source, compared under the policy of the prompt that asked for it."""

from ...schemas.attributes import Person
from ...schemas.prompt import Policy
from ...schemas.verdict import Status, Verdict
from ..language.parse import parse
from .compare import compare
from .fluency import disfluencies
from .surface import LONGEST_CHARACTERS, novelty, words

# What no rewrite of this kind may do to an attribute. A detailed one may say more only of what a picture shows, and no
# picture is compared here: it is held to what a paraphrase is.
FORBIDDEN: dict[Policy, tuple[Status, ...]] = {
    "paraphrase": ("contradicted", "added", "specialised", "dropped", "generalised"),
    "concise": ("contradicted", "added", "specialised"),
    "detailed": ("contradicted", "added", "specialised", "dropped", "generalised"),
}


def judge_pair(
    source: str,
    rewrite: str,
    policy: Policy,
    *,
    min_novelty: float = 0.1,
    source_person: Person | None = None,
    rewrite_person: Person | None = None,
) -> Verdict:
    """Compare a rewrite with its source, attribute by attribute.

    Persons already parsed may be given. Never fails: whatever cannot be read counts as said beside, and a text without
    a word, or of more than 20,000 characters, is refused unread.
    """
    unusable = _unusable(source, "source") or _unusable(rewrite, "rewrite")
    if unusable:
        return Verdict((), faithful=False, fluent=False, novel=True, novelty=1.0, reasons=(unusable,))
    mine = parse(source) if source_person is None else source_person
    theirs = parse(rewrite) if rewrite_person is None else rewrite_person
    findings, repeated = compare(mine, theirs)
    reasons = [
        f"{finding.status} {finding}"
        for status in FORBIDDEN[policy]
        for finding in findings
        if finding.status == status
    ]
    unlike = novelty(source, rewrite)
    slips = disfluencies(rewrite, theirs, repeated)
    novel = unlike >= min_novelty
    return Verdict(
        findings=tuple(findings),
        faithful=not reasons,
        fluent=not slips,
        novel=novel,
        novelty=round(unlike, 4),
        reasons=(*reasons, *(f"not fluent: {slip}" for slip in slips), *(() if novel else ("near copy",))),
    )


def _unusable(text: str, name: str) -> str:
    if len(text) > LONGEST_CHARACTERS:
        return f"{name} too long"
    return "" if words(text) else f"{name} empty"
