"""Renews leases while training keeps the main thread busy."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from hpsearch.errors import HpsearchError, NotFound, StaleLease
from hpsearch.spec.wire.jobs import LeasedJob, LeaseToken
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")

STOP_SECONDS = 5.0
"""How long a renewal that is on its way is waited for at the end."""


class Heartbeat:
    """Renews the leases of the jobs that it is given, from a thread, three times in a lease.

    Args:
        client: the server.
        lease_seconds: how long a lease runs that nobody renews.
    """

    def __init__(self, client: WorkerClient, lease_seconds: float) -> None:
        self._client = client
        self._interval_seconds = lease_seconds / 3
        self._tokens: dict[int, LeaseToken] = {}
        self._lost: set[int] = set()
        self._lock = threading.Lock()
        """Over the jobs above: they are given by another thread."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread: no lease is renewed from now on."""
        self._stopped.set()
        self._thread.join(timeout=STOP_SECONDS)

    def hold(self, jobs: Iterable[LeasedJob]) -> None:
        """Renews these jobs' leases too, from now on."""
        with self._lock:
            for job in jobs:
                self._tokens[job.id] = LeaseToken(job=job.id, attempt=job.attempt)
                self._lost.discard(job.id)

    def release(self, job: LeasedJob) -> None:
        """Renews a job's lease no more."""
        with self._lock:
            self._tokens.pop(job.id, None)
            self._lost.discard(job.id)

    def has_lost(self, job: LeasedJob) -> bool:
        """Whether a renewal showed that a job's lease is gone."""
        with self._lock:
            return job.id in self._lost

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_seconds):
            with self._lock:
                tokens = list(self._tokens.values())
            try:
                self._renew(tokens)
            except HpsearchError as error:
                logger.warning("no heartbeat this time: %s", error)
            except Exception:
                # Whatever it was: a worker that renews no more loses every trial it ever leases.
                logger.exception("no heartbeat this time")

    def _renew(self, tokens: list[LeaseToken]) -> None:
        try:
            self._client.heartbeat(tokens)
        except (StaleLease, NotFound):
            # All or none were renewed: find out which lease is gone, renew the others.
            for token in tokens:
                try:
                    self._client.heartbeat([token])
                except (StaleLease, NotFound):
                    with self._lock:
                        if self._tokens.get(token.job) == token:
                            del self._tokens[token.job]
                            self._lost.add(token.job)
