"""What a server does wrong: every fault alone, and all of them at random."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scripted_server import PROOF, Answer

from .case import Script, answer, tag

Wrong = Callable[[Answer, random.Random], Answer]
"""What is sent in place of an answer."""
_WHITE = "\n \t" * 300


@dataclass(frozen=True)
class Weather:
    """A fault of the server, for a whole run."""

    wrong: Wrong
    """What it does."""
    share: float = 0.2
    """Share of the tries that it befalls."""
    after: int = 0
    """Requests before it begins."""
    always: bool = False
    """It befalls every try of a request or none: what is wrong is the answer, and stays wrong."""
    codes: tuple[int, ...] = (0, 3)
    """How the run may end: 3 where a request ran out of tries."""
    reason: str = ""
    """Why the rows are refused that it befalls; empty where it leaves no trace in the rows."""
    settings: tuple[str, ...] = ()
    """Settings of the run that it is met with."""


def _status(status: int, **headers: str) -> Wrong:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda good, chance: Answer("told to fail", status=status, headers=sent)


def _body(body: bytes) -> Wrong:
    return lambda good, chance: Answer(body=body)


SOON = ("request_timeout_s=1",)
"""What a server that keeps silent is met with, so that its run does not take all night."""

FAULTS: Mapping[str, Weather] = {
    "late, out of order": Weather(lambda good, chance: replace(good, delay_s=chance.uniform(0, 0.1)), 1, codes=(0,)),
    "hangs": Weather(lambda good, chance: Answer(hang=True), 0.02, settings=SOON),
    "reset before the answer": Weather(lambda good, chance: replace(good, reset="before")),
    "reset inside the answer": Weather(lambda good, chance: replace(good, reset="middle")),
    "closed without a word": Weather(lambda good, chance: Answer(drop=True)),
    "trickles": Weather(lambda good, chance: replace(good, trickle_s=0.01), codes=(0,)),
    "trickles for ever": Weather(lambda good, chance: replace(good, trickle_s=0.7), 0.02, settings=SOON),
    "429 with Retry-After": Weather(_status(429, Retry_After="1"), 0.02),
    "429 with a date": Weather(_status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")),
    "429 without": Weather(_status(429)),
    "500": Weather(_status(500)),
    "503": Weather(_status(503)),
    "truncated JSON": Weather(_body(b'{"choices": [{"message": {"content": "A man in a r')),
    "wrong schema": Weather(_body(b'{"choices": [], "object": "list"}')),
    "white space without end": Weather(lambda good, chance: Answer(endless=True), 0.02, settings=SOON),
    "empty content": Weather(lambda good, chance: replace(good, text=""), always=True, codes=(0,), reason="empty"),
    "white space as content": Weather(
        lambda good, chance: replace(good, text=_WHITE, finish_reason="length"),
        always=True,
        codes=(0,),
        reason="empty",
    ),
    "finish_reason=length": Weather(
        lambda good, chance: replace(good, finish_reason="length"), always=True, codes=(0,), reason="cut_by_length"
    ),
    "some never answered": Weather(_status(500), 0.02, always=True, codes=(3,), settings=("attempts=2",)),
    "nothing answered after 100": Weather(_status(500), 1, 100, codes=(1,), settings=("attempts=2",)),
    "silent after 100": Weather(
        lambda good, chance: Answer(hang=True), 1, 100, codes=(1,), settings=("attempts=1", "request_timeout_s=1")
    ),
    "dies after 100": Weather(lambda good, chance: Answer(dies=True), 1, 100, codes=(1,)),
    "another model after 100": Weather(
        lambda good, chance: replace(good, text=f"{good.text} Yes.", model="another"), 1, 100, codes=(1,)
    ),
    "model gone after 100": Weather(_status(404), 1, 100, codes=(1,)),
}
_PASSING = [name for name, one in FAULTS.items() if not one.after and not one.always]


def script(weather: Weather, seed: int) -> Script:
    """A server with one fault; the requests and tries that it befalls depend on the seed alone."""

    def decide(number: int, nth: int) -> Wrong | None:
        return weather.wrong if befalls(weather, seed, number, nth) else None

    return _scripted(decide, seed, weather.after)


def mixed(seed: int, share: float = 0.3) -> Script:
    """A server with all the faults that pass, at random."""

    def decide(number: int, nth: int) -> Wrong | None:
        chance = random.Random(f"{seed} {number} {nth}")
        one = FAULTS[chance.choice(_PASSING)]
        # What takes a second each time comes as seldom as it does alone.
        return one.wrong if chance.random() < min(share, one.share) else None

    return _scripted(decide, seed, 0)


def befalls(weather: Weather, seed: int, number: int, nth: int = 1) -> bool:
    """Whether it befalls the nth try of a request, which is known by its tag."""
    return random.Random(f"{seed} {number} {0 if weather.always else nth}").random() < weather.share


def _scripted(decide: Callable[[int, int], Wrong | None], seed: int, after: int) -> Script:
    tries: Counter[int] = Counter()
    lock = threading.Lock()

    def answering(body: dict[str, Any], count: int) -> Answer:
        good, number = answer(body, count), tag(body)
        if count < after or PROOF in body["messages"][-1]["content"]:
            return good
        with lock:
            tries[number] += 1
            nth = tries[number]
        wrong = decide(number, nth)
        return wrong(good, random.Random(f"{seed} {number} {nth} how")) if wrong else good

    return answering
