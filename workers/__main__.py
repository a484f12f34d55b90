"""`python -P -m workers`: one worker process, or several."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import stamina

from hpsearch.errors import HpsearchError
from hpsearch.processes.parent_watch import exit_with_parent
from hpsearch.settings import Settings
from workers.processes import run_processes

MAX_CAPACITY = 1024
"""What a server gives out at once."""


def main(arguments: list[str]) -> int:
    """Works until told to end; returns the exit status."""
    parser = argparse.ArgumentParser(prog="hpsearch worker")
    parser.add_argument("--server", help="address of the server")
    parser.add_argument(
        "--data-dir", type=Path, help="where a server of this machine keeps its token"
    )
    parser.add_argument("--processes", type=int, default=1)
    # One thread is fastest for small models, and workers that share cores wait for each other
    # at every operation when they have more.
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each process")
    parser.add_argument(
        "--device", default=None, help="cpu, cuda, mps; the best there is by default"
    )
    parser.add_argument(
        "--capacity", type=int, help="trials taken on at once; as many as pay by default"
    )
    parser.add_argument("--with-parent", action="store_true", help="end when the parent does")
    options = parser.parse_args(arguments)
    if options.processes < 1:
        parser.error(f"--processes must be at least 1, got {options.processes}")
    if options.capacity is not None and not 1 <= options.capacity <= MAX_CAPACITY:
        parser.error(f"--capacity must be from 1 to {MAX_CAPACITY}, got {options.capacity}")
    if options.with_parent:
        exit_with_parent()
    logging.basicConfig(level=logging.WARNING, format="hpsearch worker: %(message)s")
    logging.getLogger("hpsearch.worker").setLevel(logging.INFO)
    stamina.instrumentation.set_on_retry_hooks([])
    given = {"server": options.server, "data_dir": options.data_dir}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    try:
        if options.processes == 1:
            return _work(settings, options.device, options.threads, options.capacity)
        shared = [f"--threads={options.threads}"]
        shared += [f"--capacity={options.capacity}"] if options.capacity is not None else []
        shared += [f"--server={settings.server}"] if settings.server else []
        shared += [f"--data-dir={settings.data_dir}"]
        shared += [f"--device={options.device}"] if options.device else []
        run_processes(options.processes, shared)
    except HpsearchError as error:
        print(f"hpsearch worker: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _work(settings: Settings, device: str | None, threads: int, capacity: int | None) -> int:
    # Imported here: the process that only watches others needs no torch.
    import torch

    from workers.agent import Agent
    from workers.devices import choose_device

    torch.set_num_threads(threads)
    return Agent(settings, choose_device(device), capacity).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
