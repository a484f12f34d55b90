"""The worker's side of the protocol: typed calls that wait for a server that is away."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from hpsearch.client.transport import TRANSIENT_ERRORS, Transport
from hpsearch.errors import CorruptArtifact, ServerFault, ServerRefused, StorageFull
from hpsearch.spec.language.states import JobKind
from hpsearch.spec.wire.jobs import (
    AnyJob,
    CompletionBatch,
    Decisions,
    EnsembleJob,
    EnsembleUpload,
    Failure,
    HeartbeatRequest,
    JobCompletion,
    JobList,
    JobStatus,
    JobStatusList,
    LeasedJob,
    LeaseRenewal,
    LeaseRequest,
    LeaseToken,
    PredictionAnswer,
    PredictJob,
    ProgressReport,
    Report,
    ReportBatch,
    Worker,
    WorkerJoin,
)
from hpsearch.spec.wire.multipart import CheckpointPart, pack, pack_ensemble
from hpsearch.spec.wire.records import CheckpointList
from hpsearch.version import VERSION

T = TypeVar("T")

logger = logging.getLogger("hpsearch.worker")

FAULTS = 100
"""A request that makes the server fail is sent so often, which takes 8 minutes and more: whatever
is out of order for a while is waited for, and what breaks the server each time is given up."""
ROOM_SECONDS = 2.0
"""How long a server without room for a line in its database is left alone."""


class WorkerClient:
    """Calls of one worker.

    A server or database that does not answer is waited for until `ending` is set: what was
    trained meanwhile is kept and sent when it is back.

    A call that the server fails at again and again raises ServerRefused, but for those that ask for
    work: nothing is lost by asking on. These, and those that give work back, wait for a server
    whose disk is full as well.
    """

    def __init__(self, transport: Transport, ending: threading.Event) -> None:
        self._transport = transport
        self._ending = ending
        self.worker_id = 0

    def join(self, name: str) -> Worker:
        """Introduces this process; all later calls are in the name it is given."""
        key = secrets.token_urlsafe(16)
        joining = WorkerJoin(name=name, version=VERSION)
        worker = self._with_room(
            lambda: self._transport.post("/workers", Worker, joining, idempotency_key=key),
            for_ever=True,
        )
        self.worker_id = worker.id
        return worker

    def lease(self, capacity: int, only: Literal[JobKind.PREDICT] | None = None) -> list[AnyJob]:
        """Up to `capacity` jobs, or predictions alone; none when there is no work."""
        key = secrets.token_urlsafe(16)
        request = LeaseRequest(worker=self.worker_id, capacity=capacity, only=only)
        return self._with_room(
            lambda: self._transport.post("/jobs:lease", JobList, request, idempotency_key=key),
            for_ever=True,
        ).jobs

    def heartbeat(self, tokens: Sequence[LeaseToken]) -> None:
        """Renews leases once; the caller comes again anyway."""
        beat = HeartbeatRequest(worker=self.worker_id, jobs=list(tokens))
        self._transport.post("/jobs:heartbeat", LeaseRenewal, beat, repeatable=True)

    def report(self, reports: Sequence[Report]) -> Decisions:
        """Stores epochs: all or none."""
        batch = ReportBatch(worker=self.worker_id, reports=list(reports))
        return self._patiently(
            lambda: self._transport.post("/jobs:report", Decisions, batch, repeatable=True)
        )

    def store(self, checkpoints: Sequence[tuple[CheckpointPart, bytes]]) -> None:
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
        return self._whole(f"/checkpoints/{checkpoint_id}/artifact", f"checkpoint {checkpoint_id}")

    def fetch_predictions(self, checkpoint_id: int) -> bytes:
        """What a checkpoint predicts, whole.

        Raises:
            CorruptArtifact: when it is not what was stored.
        """
        noun = f"predictions of checkpoint {checkpoint_id}"
        return self._whole(f"/checkpoints/{checkpoint_id}/predictions", noun)

    def fetch_ensemble(self, ensemble_id: int) -> bytes:
        """An ensemble's file, whole.

        Raises:
            CorruptArtifact: when it is not what was stored.
        """
        return self._whole(f"/ensembles/{ensemble_id}/artifact", f"ensemble {ensemble_id}")

    def _whole(self, path: str, noun: str) -> bytes:
        content, sha256 = self._patiently(lambda: self._transport.download(path))
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise CorruptArtifact(f"{noun} must have the sha256 {sha256[:12]}…, got {found[:12]}…")
        return content

    def advance(self, job: EnsembleJob, progress: ProgressReport) -> None:
        """Says how far a job is."""
        self._patiently(
            lambda: self._transport.post(
                f"/jobs/{job.id}:advance", JobStatus, progress, repeatable=True
            )
        )

    def keep_ensemble(self, job: EnsembleJob, built: EnsembleUpload, content: bytes) -> None:
        """Ends the building of an ensemble."""
        body = pack_ensemble(built, content)
        sha256 = hashlib.sha256(body).hexdigest()
        self._patiently(
            lambda: self._transport.put(f"/jobs/{job.id}/ensemble", JobStatus, body, sha256)
        )

    def predicted(self, job: PredictJob, said: PredictionAnswer) -> None:
        """Ends a prediction."""
        key = secrets.token_urlsafe(16)
        self._patiently(
            lambda: self._transport.post(
                f"/jobs/{job.id}:predicted", JobStatus, said, idempotency_key=key
            )
        )

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

    def fail(self, job: LeasedJob, failure: Failure) -> None:
        """Gives a job back."""
        key = secrets.token_urlsafe(16)
        self._with_room(
            lambda: self._transport.post(
                f"/jobs/{job.id}:fail", JobStatus, failure, idempotency_key=key
            )
        )

    def _with_room(self, call: Callable[[], T], *, for_ever: bool = False) -> T:
        """Waits for room: without it nobody can say anything, and there is nothing else to do."""
        while True:
            try:
                return self._patiently(call, for_ever=for_ever)
            except StorageFull as error:
                if self._ending.is_set():
                    raise
                logger.warning("waiting: %s", error)
                self._ending.wait(ROOM_SECONDS)

    def _patiently(self, call: Callable[[], T], *, for_ever: bool = False) -> T:
        faults = 0
        while True:
            try:
                return call()
            except TRANSIENT_ERRORS as error:
                faults += isinstance(error, ServerFault)
                if self._ending.is_set():
                    raise
                if faults >= FAULTS and not for_ever:
                    raise ServerRefused(
                        500, error.code, f"a server must not fail at one request {faults} times, "
                        f"the last time: {error}",
                    ) from error  # fmt: skip
                logger.warning("waiting: %s", error)
