"""A run of `augment`: source → requests → completions → verdicts → negatives → shards → card."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..schemas.completion import Request
from ..schemas.errors import RunFailed
from ..schemas.source import Source
from .answer import Answering, Open, stoppable
from .blocks import Block, cut_blocks
from .card import write_card
from .config import RunConfig
from .disk import disk_errors
from .folder import OutputFolder, open_folder, own_manifest
from .fresh import fresh_manifest, refuse_nonsense
from .journal import Journal
from .judged import BlockJob
from .llm.client import Client
from .llm.connection import Endpoint
from .llm.endpoint import probe, prove
from .llm.limit import connections_possible
from .llm.models import ModelChoice
from .llm.requests import RequestPlan
from .llm.running import find_running
from .llm.server import VllmServer, installed_engine
from .llm.supervisor import Supervisor
from .manifest import Manifest
from .negatives.rows import texts_by_identity, write_known_texts
from .negatives.similar import similar_images
from .plan import model_of, plan_of, prompts_of, wanted_model
from .progress import RunProgress, note_finished
from .run_file import write_run
from .screen import Screen
from .sources.read import read_source
from .workers import Workers, start_workers


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    root: Path
    manifest: Manifest

    @property
    def failed(self) -> int:
        """Requests without an answer, which the same command asks again."""
        return sum(block.failed for block in self.manifest.blocks)


def augment(config: RunConfig, out: Path, screen: Screen) -> Outcome:
    """Make or go on making the dataset in `out`. With an empty recipe nothing is asked of a model: negatives alone.

    Raises UserError for what the user can mend, RunFailed for what stopped the run; what was answered stays on disk
    and the same call goes on from there.
    """
    prompts = prompts_of(config)
    refuse_nonsense(config, prompts)
    with screen.waiting(f"reading {config.source.path}"):
        source = read_wanted(config)
    say_source(source, screen)
    existing = own_manifest(out) if out.is_dir() else None
    finished = existing is not None and existing.complete and not any(block.failed for block in existing.blocks)
    # A finished dataset asks nothing, so its server need not be there; for any other run it should be, before all else.
    asks = bool(config.recipe) and (existing is None or not finished or _asks_more(config, existing))
    endpoint = asyncio.run(_given_endpoint(config)) if config.server.endpoint and asks else None
    served = endpoint.served_model if endpoint else wanted_model(config)
    if served is None and existing is not None:
        served = existing.made_from["model"]["name"]
    model = model_of(config, served)
    plan = plan_of(config, prompts, model)
    manifest = fresh_manifest(config, source, model, plan)
    if asks and config.server.endpoint is None and find_running(model) is None:
        installed_engine(config.server.device)
    with (
        disk_errors(out, "every answer so far is saved; make room and run the same command again"),
        open_folder(out, manifest) as folder,
    ):
        if folder.stale:
            screen.say(f"set otherwise: {'; '.join(folder.changed)}")
            screen.say("every answer is used again, the shards are written anew")
        else:
            write_run(folder.root, config, model.name)
        if config.negatives.enabled:
            write_known_texts(folder.known_texts, (caption.text for caption in source.captions()))
        try:
            _answer_and_finish(config, source, model, plan, endpoint, folder, screen)
        finally:
            # Of an unfinished dataset too: without a card it does not open, with an old one it may show old rows.
            if folder.manifest.blocks and not folder.stale:
                write_card(folder.root, folder.manifest)
    return Outcome(folder.root, folder.manifest)


def read_wanted(config: RunConfig) -> Source:
    """The source of a run, whole and validated. Raises UserError."""
    wanted = config.source
    return read_source(
        wanted.path, format=wanted.format, split=wanted.split, limit=wanted.limit, images_root=wanted.images_root
    )


def say_source(source: Source, screen: Screen) -> None:
    """Tell what was read, and what was odd in it."""
    captions = sum(len(image.captions) for image in source.images)
    identities = len({(image.dataset, image.pid) for image in source.images})
    screen.say(f"{source.format}: {captions:,} captions of {len(source.images):,} images, {identities:,} identities")
    for title, findings in (("repaired", source.repairs), ("warning", source.warnings)):
        for name, count in findings.counts.items():
            screen.say(f"  {title} {name}: {count:,} in the whole source (first: {findings.examples[name][0]})")


def _asks_more(config: RunConfig, existing: Manifest) -> bool:
    """Whether a finished dataset's answers are to be asked about, which they were not yet."""
    asked = existing.made_from["config"]
    judged, scorer = asked.get("judge", {}).get("enabled"), asked["negatives"].get("scorer")
    return (config.judge.enabled and not judged) or (config.negatives.ask_server and scorer != "served")


async def _given_endpoint(config: RunConfig) -> Endpoint:
    server = config.server
    key = os.environ.get(server.api_key_env)
    return await probe(str(server.endpoint), key, model=wanted_model(config), send_seed=server.send_seed)


def _answer_and_finish(
    config: RunConfig,
    source: Source,
    model: ModelChoice,
    plan: RequestPlan,
    endpoint: Endpoint | None,
    folder: OutputFolder,
    screen: Screen,
) -> None:
    per_caption = len(plan.prompts) * plan.samples
    pending = []
    for block in cut_blocks(source, config.block_size):
        result = folder.finished(block)
        if result is None:
            pending.append(block)
    if not pending:
        screen.say("nothing left to do: every block is finished")
        note_finished(folder.progress_path)
        return
    done = folder.manifest.source["captions"] - sum(len(block.captions) for block in pending)
    if done:
        screen.say(f"going on: {done:,} captions are finished")

    async def connect(stack: AsyncExitStack) -> Open:
        supervisor = None
        if config.server.endpoint is not None:
            found = endpoint or await _given_endpoint(config)
        else:
            found, supervisor = await _managed(config, model, folder, stack, screen)
        try:
            found = await prove(
                found,
                sampling=plan.samplings[0].set_fields(),
                likelihood=config.negatives.ask_server,
                json_output=config.judge.enabled or any(prompt.output == "json" for prompt in plan.prompts),
                timeout_s=config.server.request_timeout_s,
            )
        except RunFailed:
            if supervisor is not None:
                supervisor.server.check_alive()  # its log says more than the connection that broke
            raise
        wanted = config.server.concurrency or (512 if found.info.seeded and found.is_vllm else 64)
        concurrency = connections_possible(wanted)
        if concurrency < wanted:
            screen.say(f"{concurrency:,} requests in flight, not {wanted:,}: no more files may be open (ulimit -n)")
        client = Client(
            found,
            concurrency=concurrency,
            timeout_s=config.server.request_timeout_s,
            attempts=config.server.attempts,
            supervisor=supervisor,
            on_fault=screen.fault,
        )
        await stack.enter_async_context(client)
        screen.begin_answering()
        return Open(client, concurrency, watch=supervisor.watch if supervisor else None)

    identities = texts_by_identity(source) if config.negatives.enabled else {}
    similar: dict[str, tuple[str, ...]] = {}
    if config.negatives.enabled and (config.negatives.features or config.negatives.embed):
        with screen.waiting("looking for similar images"):
            similar = similar_images(source, config.negatives)

    def job_of(block: Block) -> BlockJob:
        told = {(caption.image.dataset, caption.image.pid) for caption in block.captions}
        return BlockJob(
            block=block,
            plan=plan,
            config=config,
            images_root=source.images_root,
            model_revision=model.revision,
            run_id=folder.manifest.run_id,
            out=folder.root,
            journal_path=folder.journal_path(block),
            siblings={identity: identities[identity] for identity in told} if identities else {},
            known_texts=folder.known_texts if config.negatives.enabled else None,
            neighbours={
                caption.image.image_id: similar[caption.image.image_id] for caption in block.captions if similar
            },
        )

    async def further(ask: Callable[[BlockJob], Awaitable[list[Request]]], block: Block) -> list[Request]:
        asked = await ask(job_of(block))
        screen.more(len(asked))
        return asked

    async def finish(workers: Workers, block: Block) -> None:
        if folder.stale:
            folder.renew()
            write_run(folder.root, config, model.name)
        result = await workers.finish(job_of(block))
        folder.record(result)
        screen.block(result)
        if not plan.prompts:
            screen.known(result.captions)

    progress = RunProgress(sum(len(block.captions) for block in pending) * (per_caption or 1))
    with start_workers(config) as workers, screen.answering(progress), progress.kept(folder.progress_path):
        answering = Answering(
            plan=plan,
            journal_of=lambda block: Journal(folder.journal_path(block)),
            connect=connect,
            finish=partial(finish, workers),
            on_answer=screen.answer,
            on_known=screen.known,
            followups=[
                *([partial(further, workers.questions)] if config.judge.enabled else []),
                *([partial(further, workers.texts)] if config.negatives.ask_server else []),
            ],
        )
        asyncio.run(stoppable(progress.beside(answering.run(pending))))


async def _managed(
    config: RunConfig, model: ModelChoice, folder: OutputFolder, stack: AsyncExitStack, screen: Screen
) -> tuple[Endpoint, Supervisor | None]:
    """A server for this run: one that `tbpr-data serve` keeps running, or one of its own, stopped with it."""
    running = find_running(model)
    if running is not None:
        screen.stage(f"using the server that runs at {running.base_url}")
        return running, None
    screen.stage(f"starting vLLM with {model.name}")
    screen.say(f"its log: {folder.log_path}")
    server = VllmServer(model, config.server, log_path=folder.log_path)
    await asyncio.to_thread(server.prepare)
    supervisor = await stack.enter_async_context(Supervisor(server, on_restart=screen.restarted))
    return await supervisor.wait_ready(), supervisor
