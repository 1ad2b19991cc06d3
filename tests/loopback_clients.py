"""huggingface_hub and datasets, with the loopback Hub for their Hub: in a process of their own, or in the tests'."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback_hub import LoopbackHub

_FOREIGN = ("HF_", "HUGGINGFACE_", "HUGGING_FACE_", "TRANSFORMERS_OFFLINE")
IGNORED = "ignore:Use 'content=<...>' to upload raw:DeprecationWarning"
"""A filter for a warning of huggingface_hub 2.4's own code, whenever it sends a file to git-LFS."""

# A proxy of the machine is not asked for loopback.
_DIRECT = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def environment(hub: LoopbackHub, home: Path) -> dict[str, str]:
    """The environment of a process whose Hub this is, signed in; what it caches goes below `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {
        **kept,
        **_DIRECT,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": hub.token,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        # Else `datasets` tells s3.amazonaws.com of every load.
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    }


def take_over(hub: LoopbackHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this the Hub of the process that runs the tests, signed in, until the test ends."""
    # Both read the environment when they are imported: a later import must not find this hub there, and keep it. So
    # they are imported now, and what they read is replaced.
    import datasets
    import huggingface_hub
    from huggingface_hub import constants, hf_api

    huggingface_hub.close_session()
    huggingface_hub.HfFileSystem.clear_instance_cache()
    for name, value in {**_DIRECT, "HF_TOKEN": hub.token}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)
    hub_constants: dict[str, object] = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_OFFLINE": False,
    }
    datasets_config: dict[str, object] = {
        "HF_ENDPOINT": hub.url,
        "HF_DATASETS_CACHE": home / "datasets",
        "DOWNLOADED_DATASETS_PATH": home / "datasets" / "downloads",
        "HF_UPDATE_DOWNLOAD_COUNTS": False,
        "HF_HUB_OFFLINE": False,
    }
    for module, values in ((constants, hub_constants), (datasets.config, datasets_config)):
        for name, replaced in values.items():
            monkeypatch.setattr(module, name, replaced)


def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let huggingface_hub go on at once where it would sleep before it tries again: the seconds that it would sleep."""
    from huggingface_hub import file_download
    from huggingface_hub.utils import _http

    slept: list[float] = []
    clock = SimpleNamespace(**{**vars(time), "sleep": slept.append})
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", clock)
    return slept
