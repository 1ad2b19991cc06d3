"""Push a dataset to the loopback Hub as a user pushes to the real one, and load it back by its name.

    python tests/publish_demo.py DIR

What runs is `tbpr-data push`, huggingface_hub and datasets themselves; the Hub alone is a stand-in (loopback_hub.py).
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from loopback_clients import environment
from loopback_hub import LoopbackHub

REPO = "user/demo"
_PUSH = "from tbpr_data.pipeline.cli import main; main()"
_LOAD = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from datasets import load_dataset

loaded = load_dataset(sys.argv[1], "pairs")
for split, there in loaded.items():
    shards = sorted(Path(sys.argv[2]).glob(f"data/{split}-*.parquet"))
    here = [row for shard in shards for row in pq.read_table(shard).to_pylist()]
    if there.to_list() != here:
        sys.exit(f"{split}: what is loaded is not what lies there")
    print(f'load_dataset("{sys.argv[1]}", "pairs")["{split}"]: {len(here):,} rows, equal')
"""


def main() -> int:
    """Push, load back, compare."""
    folder = sys.argv[1]
    with tempfile.TemporaryDirectory() as work, LoopbackHub(Path(work) / "hub") as hub:
        ours = environment(hub, Path(work) / "home")
        for code, *arguments in ((_PUSH, "push", folder, "--repo", REPO), (_LOAD, REPO, folder)):
            done = subprocess.run([sys.executable, "-c", code, *arguments], env=ours)
            if done.returncode:
                return done.returncode
        sent = sum(request.received for request in hub.requests)
        print(f"{len(hub.commits(REPO)) - 1} commit, {sent:,} bytes sent")
    return 0


if __name__ == "__main__":
    sys.exit(main())
