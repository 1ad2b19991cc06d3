"""Ends a server's process group when the run that started it is gone, however it went.

Started beside the server with the run at the other end of its standard input. A run that ends well writes a byte
after stopping the server itself; a run that is killed (even by SIGKILL) closes the pipe without one. Works on any
POSIX system, and needs nothing but the standard library, so that it starts at once and stays small.
"""

import contextlib
import os
import signal
import sys
import time

_GRACE_S = 5.0


def kill_group(pgid: int, grace_s: float = _GRACE_S) -> None:
    """SIGTERM to a process group, SIGKILL once `grace_s` seconds have passed."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pgid, sign)
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            try:
                os.killpg(pgid, 0)
            except (ProcessLookupError, PermissionError):
                return
            time.sleep(0.05)


def main() -> None:
    """`python lifeline.py PGID`, its standard input held by the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not sys.stdin.buffer.read(1):
        kill_group(int(sys.argv[1]))


if __name__ == "__main__":
    main()
