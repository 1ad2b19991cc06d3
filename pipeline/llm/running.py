"""Servers kept running by `tbpr-data serve`: announced in a file of the user's own, found and reused by runs."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from platformdirs import user_state_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...schemas.completion import EngineInfo
from .connection import Endpoint
from .models import ModelChoice


class Announcement(BaseModel):
    """One running server; the file is readable by its user alone, because it holds the key."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    host: str
    """Machine it runs on: homes are shared between the machines of a cluster."""
    pid: int
    """Process that keeps it."""
    base_url: str
    """Where it answers."""
    api_key: str = Field(repr=False)
    """Its random key."""
    model: str
    """Name of the model it serves."""
    revision: str | None
    """The model's revision."""
    info: EngineInfo
    """Engine, version, seeds or not."""


@contextmanager
def announced(endpoint: Endpoint, model: ModelChoice) -> Iterator[None]:
    """Make a server known to later runs for as long as the context lasts."""
    announcement = Announcement(
        host=socket.gethostname(),
        pid=os.getpid(),
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or "",
        model=model.name,
        revision=model.revision,
        info=endpoint.info,
    )
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{announcement.host}-{announcement.pid}.json"
    path.touch(mode=0o600)
    path.write_text(announcement.model_dump_json(), encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running(model: ModelChoice) -> Endpoint | None:
    """A server on this machine that serves exactly this model and answers, or none. Forgets those that are gone."""
    for path in sorted(_folder().glob("*.json")):
        try:
            found = Announcement.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if found.host != socket.gethostname():
            continue
        if not psutil.pid_exists(found.pid):
            path.unlink(missing_ok=True)
        elif (found.model, found.revision) == (model.name, model.revision) and _answers(found):
            return Endpoint(found.base_url, found.api_key, found.model, found.info, is_vllm=True)
    return None


def _answers(found: Announcement) -> bool:
    try:
        with httpx.Client(trust_env=False, timeout=3.0) as http:
            headers = {"Authorization": f"Bearer {found.api_key}"}
            return http.get(found.base_url + "models", headers=headers).status_code == 200
    except httpx.HTTPError:
        return False


def _folder() -> Path:
    return user_state_path("tbpr-data") / "servers"
