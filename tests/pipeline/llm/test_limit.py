"""How many requests are in flight: fewer when a server refuses, and all of them again once it does not."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from scripted_server import PROOF, Answer, ScriptedServer, rewrite

from tbpr_data.pipeline.llm.client import Client
from tbpr_data.pipeline.llm.endpoint import probe
from tbpr_data.pipeline.llm.limit import Limit
from tbpr_data.schemas.completion import Completion, Request

Start = Callable[..., ScriptedServer]


def request(i: int) -> Request:
    messages = (("user", f"Rewrite: A man in a red shirt, number {i}."),)
    return Request(model="m", messages=messages, sampling={}, output="text", seed=i, sample_index=0)


class Narrow:
    """A server that refuses what is above `room` in flight, at once; what it takes takes a `moment`."""

    def __init__(self, room: int, *, says: str | None = None) -> None:
        self.room, self.refused, self.inside = room, 0, 0
        self.moment: Callable[[], None] = lambda: time.sleep(0.02)
        self._headers = {"Retry-After": says} if says else {}
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any], count: int) -> Answer:
        if PROOF in str(body):
            return rewrite(body, count)
        with self._lock:
            if self.inside >= self.room:
                self.refused += 1
                return Answer(status=429, headers=self._headers)
            self.inside += 1
        self.moment()
        with self._lock:
            self.inside -= 1
        return rewrite(body, count)


async def ask(client: Client, requests: range, at_once: int) -> list[Completion]:
    """As a run does: as many tasks as the client may have in flight at most."""
    slots = asyncio.Semaphore(at_once)

    async def one(i: int) -> Completion:
        async with slots:
            return await client.complete(request(i))

    return await asyncio.gather(*map(one, requests))


def test_a_server_that_refuses_is_given_what_it_takes_and_later_all_of_it(scripted: Start) -> None:
    narrow = Narrow(4)
    server = scripted(narrow)

    async def main() -> None:
        endpoint = await probe(server.url, None, model=None, send_seed=None)
        async with Client(endpoint, concurrency=16, timeout_s=20, attempts=6) as client:
            assert not [answer for answer in await ask(client, range(150), 16) if answer.error]
            # Of the first burst all but four may be refused, and then hardly anything.
            assert 0 < narrow.refused <= 12 + 15
            narrow.refused = server.most_at_once = 0
            await ask(client, range(150, 300), 16)
            assert narrow.refused <= 15
            assert server.most_at_once <= 6
            narrow.room = 1000
            await ask(client, range(300, 600), 16)
            assert client.limit.now == 16
            server.most_at_once = 0
            narrow.moment = lambda: server.until_at_once(16)
            await ask(client, range(600, 650), 16)
            assert server.most_at_once == 16

    asyncio.run(main())


def test_a_slow_server_keeps_all_its_requests(scripted: Start) -> None:
    slow = Narrow(1000)
    server = scripted(slow)

    def moment() -> None:
        server.until_at_once(16)
        time.sleep(0.5)

    async def main() -> None:
        endpoint = await probe(server.url, None, model=None, send_seed=None)
        async with Client(endpoint, concurrency=16, timeout_s=20, attempts=2) as client:
            slow.moment = moment
            await ask(client, range(64), 16)
            assert (client.limit.now, client.limit.cuts, server.most_at_once) == (16, 0, 16)

    asyncio.run(main())


def test_nobody_asks_before_the_server_wants_it(scripted: Start) -> None:
    narrow = Narrow(2, says="1")
    server = scripted(narrow)

    async def main() -> float:
        endpoint = await probe(server.url, None, model=None, send_seed=None)
        async with Client(endpoint, concurrency=8, timeout_s=20, attempts=6) as client:
            began = time.monotonic()
            assert not [answer for answer in await ask(client, range(12), 8) if answer.error]
            return time.monotonic() - began

    assert asyncio.run(main()) >= 1
    # Eight at first, two of them taken; after the pause fewer.
    assert narrow.refused <= 6 + 3


def test_the_limit() -> None:
    async def main() -> None:
        limit = Limit(16)
        async with AsyncExitStack() as stack:
            for _ in range(16):
                await stack.enter_async_context(_place_of(limit))
            limit.refused(0)
            assert limit.now == 8
            for _ in range(15):  # sent before: they say nothing new
                limit.refused(0)
                limit.answered(0)
            assert (limit.now, limit.cuts) == (8, 1)
            for _ in range(16):
                limit.answered(1)
            assert limit.now == 9
            limit.timed_out(1)
            assert limit.now == 4
            # Nothing was answered since: the server is gone, not overloaded.
            limit.timed_out(2)
            assert limit.now == 4
            for _ in range(5):
                limit.refused(limit.cuts)
            assert limit.now == 1
            for _ in range(16 * 15):
                limit.answered(limit.cuts)
            assert limit.now == 16
        # With nothing waiting for a place more places prove nothing.
        async with limit.place():
            limit.refused(limit.cuts)
            assert limit.now == 1
        async with limit.place():
            for _ in range(16):
                limit.answered(limit.cuts)
        assert limit.now == 2
        async with limit.place():
            for _ in range(64):
                limit.answered(limit.cuts)
        assert limit.now == 2

    asyncio.run(main())


def _place_of(limit: Limit) -> Any:
    """A place of a task of its own, as every request has one."""

    class Place:
        async def __aenter__(self) -> None:
            self.taken, self.over = asyncio.Event(), asyncio.Event()
            self.task = asyncio.create_task(self.hold())
            await self.taken.wait()

        async def hold(self) -> None:
            async with limit.place():
                self.taken.set()
                await self.over.wait()

        async def __aexit__(self, *_: object) -> None:
            self.over.set()
            await self.task

    return Place()


def test_one_alone_has_none_beside_it_and_holds_nobody_up_for_ever() -> None:
    inside, beside = [0], [0]

    async def one(limit: Limit, i: int) -> None:
        alone = i % 5 == 0
        await asyncio.sleep(0.001 * (i % 7))
        async with limit.place(alone=alone):
            inside[0] += 1
            most = inside[0]
            for _ in range(4):
                await asyncio.sleep(0.001)
                most = max(most, inside[0])
            beside[0] = max(beside[0], most)
            assert most == 1 or not alone
            inside[0] -= 1
            limit.refused(limit.cuts)  # the fewest places there can be

    async def all_of_them() -> None:
        limit = Limit(8)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            for i in range(60):
                tasks.create_task(one(limit, i))

    asyncio.run(all_of_them())
    assert beside[0] > 1


def test_no_more_connections_than_files_may_be_open() -> None:
    code = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (128, 400));"
        "from tbpr_data.pipeline.llm.limit import connections_possible as possible;"
        "print(possible(100), possible(512), r.getrlimit(r.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split(" ", 2) == ["100", "144", "(400, 400)\n"], done.stderr
