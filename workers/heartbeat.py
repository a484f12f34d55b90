"""Renews leases while training keeps the main thread busy."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from hpsearch.errors import HpsearchError, NotFound, StaleLease
from hpsearch.spec.wire.jobs import LeasedJob, LeaseToken
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")


class Heartbeat:
    """Beats for the jobs that this worker holds, three times in a lease."""

    def __init__(self, client: WorkerClient, lease_seconds: float) -> None:
        self._client = client
        self._seconds = lease_seconds / 3
        self._held: dict[int, LeaseToken] = {}
        self._lost: set[int] = set()
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begins to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beats no more."""
        self._over.set()
        self._thread.join(timeout=5)

    def hold(self, jobs: Iterable[LeasedJob]) -> None:
        """Beats for these too."""
        with self._guard:
            for job in jobs:
                self._held[job.id] = LeaseToken(job=job.id, attempt=job.attempt)
                self._lost.discard(job.id)

    def release(self, job: LeasedJob) -> None:
        """Beats for this one no more."""
        with self._guard:
            self._held.pop(job.id, None)
            self._lost.discard(job.id)

    def has_lost(self, job: LeasedJob) -> bool:
        """Whether a beat found the job's lease gone."""
        with self._guard:
            return job.id in self._lost

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            with self._guard:
                tokens = list(self._held.values())
            try:
                self._beat(tokens)
            except HpsearchError as error:
                logger.warning("no heartbeat this time: %s", error)
            except Exception:
                # Whatever it was: a worker that beats no more loses every trial it ever holds.
                logger.exception("no heartbeat this time")

    def _beat(self, tokens: list[LeaseToken]) -> None:
        try:
            self._client.heartbeat(tokens)
        except (StaleLease, NotFound):
            # All or none were renewed: find out which one is gone, renew the others.
            for token in tokens:
                try:
                    self._client.heartbeat([token])
                except (StaleLease, NotFound):
                    with self._guard:
                        if self._held.get(token.job) == token:
                            del self._held[token.job]
                            self._lost.add(token.job)
