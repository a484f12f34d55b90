"""A server and workers as subprocesses, for tests that go through HTTP, a browser or a shell."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpsearch.processes.local_server import LocalDeployment


@contextmanager
def running(workers: int = 1) -> Iterator[LocalDeployment]:
    """A server and `workers` worker processes on a data directory of their own.

    The person's state directory and this process's signal handlers are as before afterwards.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    before = os.environ.get("XDG_STATE_HOME")
    with tempfile.TemporaryDirectory(prefix="hpsearch-running-") as home:
        os.environ["XDG_STATE_HOME"] = str(Path(home) / "state")
        try:
            with LocalDeployment("127.0.0.1", 0, workers, Path(home) / "data") as deployment:
                yield deployment
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            if before is None:
                os.environ.pop("XDG_STATE_HOME")
            else:
                os.environ["XDG_STATE_HOME"] = before
