"""A worker process: joins, asks for work, trains, and asks again."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from types import FrameType

import torch

from hpsearch.client.transport import TRANSIENT_ERRORS, Transport
from hpsearch.errors import Conflict, NotFound
from hpsearch.processes.supervisor import DO_NOT_RESTART
from hpsearch.settings import Settings
from workers.context import WorkerContext
from workers.datasets import Datasets
from workers.heartbeat import Heartbeat
from workers.retry import RetryPolicy
from workers.runner import Runner
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")

IDLE_SECONDS = 0.5
"""How long a worker waits after an answer without work."""


class Agent:
    """One worker.

    Args:
        settings: where the server is and how often to store checkpoints.
        device: where to train.
        capacity: how many trials to take on at once; none for as many as pay.
    """

    def __init__(
        self, settings: Settings, device: torch.device, capacity: int | None = None
    ) -> None:
        self._settings = settings
        self._device = device
        self._capacity = capacity
        self._stop = threading.Event()

    def run(self) -> int:
        """Works until told to end; returns the exit status.

        Raises:
            Unauthorized, VersionMismatch: when the server does not take this worker.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        retry = RetryPolicy()
        with Transport(
            self._settings.server, self._settings.token, patience_seconds=retry.attempt_seconds
        ) as transport:
            client = WorkerClient(transport, self._stop, retry)
            while not self._stop.is_set():
                try:
                    self._work(client)
                except NotFound as error:
                    logger.warning("joining anew: %s", error)
                except TRANSIENT_ERRORS:
                    if not self._stop.is_set():
                        raise
                except Conflict as error:
                    if type(error) is not Conflict:
                        raise
                    logger.error("%s", error)
                    return DO_NOT_RESTART
        return 0

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _work(self, client: WorkerClient) -> None:
        worker = client.join(f"{socket.gethostname()}:{os.getpid()}")
        heartbeat = Heartbeat(client, worker.lease_seconds)
        context = WorkerContext(
            client=client,
            datasets=Datasets(client, self._settings.cache_dir),
            heartbeat=heartbeat,
            device=self._device,
            stop=self._stop,
            checkpoint_seconds=self._settings.checkpoint_seconds,
        )
        runner = Runner(context, self._capacity)
        heartbeat.start()
        try:
            while not self._stop.is_set():
                if not runner.work():
                    _import_ahead()
                    self._stop.wait(IDLE_SECONDS)
        finally:
            heartbeat.stop()


def _import_ahead() -> None:
    """Imports, while there is nothing to do, what the first study with data would wait for."""
    import sklearn.datasets  # noqa: F401
