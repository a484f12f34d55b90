"""The worker's side of the protocol: typed calls that wait for a server that is away."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from hpsearch.errors import CorruptArtifact
from hpsearch.spec.exchange import (
    CompletionBatch,
    Decisions,
    Failure,
    Heartbeat,
    Job,
    JobCompletion,
    JobList,
    JobStatus,
    JobStatusList,
    LeaseRequest,
    Renewal,
    Report,
    ReportBatch,
    Token,
    Worker,
    WorkerJoin,
)
from hpsearch.spec.parcel import Enclosed, pack
from hpsearch.spec.records import CheckpointList
from hpsearch.transport import PASSING, Transport
from hpsearch.version import VERSION

T = TypeVar("T")

logger = logging.getLogger("hpsearch.worker")


class Link:
    """Calls of one worker.

    A server or database that does not answer is waited for until `ending` is set: what was
    trained meanwhile is kept and sent when it is back.
    """

    def __init__(self, transport: Transport, ending: threading.Event) -> None:
        self._transport = transport
        self._ending = ending
        self.worker_id = 0

    def join(self, name: str) -> Worker:
        """Introduces this process; all later calls are in the name it is given."""
        key = secrets.token_urlsafe(16)
        joining = WorkerJoin(name=name, version=VERSION)
        worker = self._patiently(
            lambda: self._transport.post("/workers", Worker, joining, idempotency_key=key)
        )
        self.worker_id = worker.id
        return worker

    def lease(self, capacity: int) -> list[Job]:
        """Up to `capacity` jobs; none when there is no work."""
        key = secrets.token_urlsafe(16)
        request = LeaseRequest(worker=self.worker_id, capacity=capacity)
        return self._patiently(
            lambda: self._transport.post("/jobs:lease", JobList, request, idempotency_key=key)
        ).jobs

    def heartbeat(self, tokens: Sequence[Token]) -> None:
        """Renews leases once; the caller comes again anyway."""
        beat = Heartbeat(worker=self.worker_id, jobs=list(tokens))
        self._transport.post("/jobs:heartbeat", Renewal, beat, once=False)

    def report(self, reports: Sequence[Report]) -> Decisions:
        """Stores epochs: all or none."""
        batch = ReportBatch(worker=self.worker_id, reports=list(reports))
        return self._patiently(
            lambda: self._transport.post("/jobs:report", Decisions, batch, once=False)
        )

    def store(self, checkpoints: Sequence[tuple[Enclosed, bytes]]) -> None:
        """Stores checkpoints: all or none."""
        body = pack([sent for sent, _ in checkpoints], [content for _, content in checkpoints])
        sha256 = hashlib.sha256(body).hexdigest()
        self._patiently(
            lambda: self._transport.put("/jobs:checkpoints", CheckpointList, body, sha256)
        )

    def fetch(self, checkpoint_id: int) -> bytes:
        """A checkpoint's content, whole.

        Raises:
            CorruptArtifact: when it is not what was stored.
        """
        content, sha256 = self._patiently(
            lambda: self._transport.download(f"/checkpoints/{checkpoint_id}/artifact")
        )
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorruptArtifact(
                f"checkpoint {checkpoint_id} must have the sha256 {sha256}, and its content has "
                "another; it is left out"
            )
        return content

    def fetch_dataset(self, name: str, path: Path) -> str:
        """Writes an uploaded data set to a file; returns the sha256 of what came."""
        return self._patiently(
            lambda: self._transport.download_to(f"/datasets/{name}/artifact", path)
        )

    def complete(self, completions: Sequence[JobCompletion]) -> None:
        """Ends trials of one study: all or none."""
        key = secrets.token_urlsafe(16)
        batch = CompletionBatch(completions=list(completions))
        self._patiently(
            lambda: self._transport.post(
                "/jobs:complete", JobStatusList, batch, idempotency_key=key
            )
        )

    def fail(self, job: Job, failure: Failure) -> None:
        """Gives a job back."""
        key = secrets.token_urlsafe(16)
        self._patiently(
            lambda: self._transport.post(
                f"/jobs/{job.id}:fail", JobStatus, failure, idempotency_key=key
            )
        )

    def _patiently(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except PASSING as error:
                if self._ending.is_set():
                    raise
                logger.warning("waiting: %s", error)
