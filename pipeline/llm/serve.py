"""`tbpr-data serve`: one vLLM server for many runs."""

import asyncio
import tempfile
from pathlib import Path

from ..config import load_config
from ..screen import Screen
from .models import choose_model
from .running import announced
from .server import VllmServer
from .supervisor import Supervisor


def keep_serving(llm: str, settings: list[str], screen: Screen) -> None:
    """Start a server, make it known to `augment`, and keep it until it dies or the user stops it."""
    config = load_config(None, [f"server.{setting}" for setting in settings], {"source.path": "none"}).server
    model = choose_model(llm)
    log_path = Path(tempfile.mkdtemp(prefix="tbpr-data-serve-")) / "vllm.log"
    server = VllmServer(model, config, log_path=log_path)
    screen.say(f"starting vLLM with {model.name}; its log: {log_path}")
    try:
        server.prepare()
        asyncio.run(_serve(server, screen))
    except KeyboardInterrupt:  # how it is meant to end
        screen.say("stopped")


async def _serve(server: VllmServer, screen: Screen) -> None:
    async with Supervisor(server, on_restart=screen.say) as supervisor:
        endpoint = await supervisor.wait_ready()
        with announced(endpoint, server.model):
            screen.say(
                f"ready at {endpoint.base_url}: `tbpr-data augment --llm …` with this model uses it. Ctrl-C stops it."
            )
            await supervisor.watch()
