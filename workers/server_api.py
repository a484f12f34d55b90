"""The worker's side of the protocol: one typed method for each request.

All of them raise what `workers.retry` calls final, beside the errors that they name.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from hpsearch.client.transport import Transport
from hpsearch.errors import CorruptArtifact
from hpsearch.spec.language.states import JobKind
from hpsearch.spec.wire.jobs import (
    AnyJob,
    BeginRequest,
    BegunJobs,
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
from workers.retry import RetryPolicy

T = TypeVar("T")


class WorkerClient:
    """The requests of one worker; each is sent until it is answered or its failure is final.

    Args:
        transport: the connection; one attempt at a request lasts as long as it is patient.
        stop: set when the worker is told to end.
        retry: says when a request is sent again.
    """

    def __init__(
        self, transport: Transport, stop: threading.Event, retry: RetryPolicy | None = None
    ) -> None:
        self._transport = transport
        self._stop = stop
        self._retry = retry or RetryPolicy()
        self.worker_id = 0
        """Whom the server takes this process for; known once it has joined."""

    def join(self, name: str) -> Worker:
        """Introduces this process; all later requests are in the name of the worker it becomes.

        Args:
            name: host and process, for people.

        Returns:
            The worker and the terms it works on. Joining again gives a fresh identity.

        Raises:
            Unauthorized: when the server does not know this process's token.
            VersionMismatch: when the server runs another version of hpsearch.
        """
        key = secrets.token_urlsafe(16)
        joining = WorkerJoin(name=name, version=VERSION)
        worker = self._send(
            lambda: self._transport.post("/workers", Worker, joining, idempotency_key=key),
            is_for_work=True,
            waits_for_room=True,
        )
        self.worker_id = worker.id
        return worker

    def lease(self, capacity: int, only: Literal[JobKind.PREDICT] | None = None) -> list[AnyJob]:
        """Up to `capacity` jobs, or predictions alone; empty when there is no work.

        Raises:
            NotFound: when the server knows no such worker; join again.
            Conflict: when it has set this worker aside.
        """
        key = secrets.token_urlsafe(16)
        request = LeaseRequest(worker=self.worker_id, capacity=capacity, only=only)
        return self._send(
            lambda: self._transport.post("/jobs:lease", JobList, request, idempotency_key=key),
            is_for_work=True,
            waits_for_room=True,
        ).jobs

    def heartbeat(self, tokens: Sequence[LeaseToken]) -> None:
        """Renews leases: all or none, in one attempt, as the caller comes again anyway.

        Raises:
            StaleLease: when one of them is no longer in force.
            ServerUnreachable, DatabaseUnavailable, ServerFault: when the attempt failed.
        """
        beat = HeartbeatRequest(worker=self.worker_id, jobs=list(tokens))
        self._transport.post("/jobs:heartbeat", LeaseRenewal, beat, repeatable=True)

    def begin(self, jobs: Sequence[LeasedJob]) -> set[int]:
        """Says that jobs are about to be trained; the ids of those that may be.

        The others are no longer this worker's: an edit or a pause has taken them back, or their
        study is over.
        """
        tokens = [LeaseToken(job=job.id, attempt=job.attempt) for job in jobs]
        request = BeginRequest(worker=self.worker_id, jobs=tokens)
        answer = self._send(
            lambda: self._transport.post("/jobs:begin", BegunJobs, request, repeatable=True)
        )
        return set(answer.jobs)

    def report(self, reports: Sequence[Report]) -> Decisions:
        """Stores epochs, all or none, and returns a decision on each job.

        Raises:
            StaleLease: when one of the jobs is no longer this worker's.
            StorageFull: when the server has no room.
        """
        batch = ReportBatch(worker=self.worker_id, reports=list(reports))
        return self._send(
            lambda: self._transport.post("/jobs:report", Decisions, batch, repeatable=True)
        )

    def store_checkpoints(self, parts: Sequence[tuple[CheckpointPart, bytes]]) -> None:
        """Stores checkpoints and predictions, all or none.

        Args:
            parts: what is said of each content, and the content.

        Raises:
            StaleLease: when one of the jobs is no longer this worker's.
            CorruptArtifact: when a content did not arrive as it was sent.
            StorageFull: when the server has no room.
        """
        body = pack([header for header, _ in parts], [content for _, content in parts])
        sha256 = hashlib.sha256(body).hexdigest()
        self._send(lambda: self._transport.put("/jobs:checkpoints", CheckpointList, body, sha256))

    def fetch_checkpoint(self, checkpoint_id: int) -> bytes:
        """A checkpoint's content, whole.

        Raises:
            NotFound: when the server has no such checkpoint.
            CorruptArtifact: when it is not what was stored.
        """
        return self._download(
            f"/checkpoints/{checkpoint_id}/artifact", f"checkpoint {checkpoint_id}"
        )

    def fetch_predictions(self, checkpoint_id: int) -> bytes:
        """The stored predictions of a checkpoint, whole.

        Raises:
            NotFound: when the server has none.
            CorruptArtifact: when it is not what was stored.
        """
        noun = f"predictions of checkpoint {checkpoint_id}"
        return self._download(f"/checkpoints/{checkpoint_id}/predictions", noun)

    def fetch_ensemble(self, ensemble_id: int) -> bytes:
        """An ensemble's file, whole.

        Raises:
            NotFound: when it is not built.
            CorruptArtifact: when it is not what was stored.
        """
        return self._download(f"/ensembles/{ensemble_id}/artifact", f"ensemble {ensemble_id}")

    def _download(self, path: str, noun: str) -> bytes:
        content, sha256 = self._send(lambda: self._transport.download(path))
        actual = hashlib.sha256(content).hexdigest()
        if actual != sha256:
            raise CorruptArtifact(f"{noun} must have the sha256 {sha256[:12]}…, got {actual[:12]}…")
        return content

    def report_progress(self, job: EnsembleJob, progress: ProgressReport) -> None:
        """Says how far a job is, which renews its lease.

        Raises:
            StaleLease: when it is no longer this worker's.
        """
        self._send(
            lambda: self._transport.post(
                f"/jobs/{job.id}:advance", JobStatus, progress, repeatable=True
            )
        )

    def store_ensemble(self, job: EnsembleJob, upload: EnsembleUpload, content: bytes) -> None:
        """Stores a built ensemble's file, which ends its job.

        Raises:
            StaleLease: when the job is no longer this worker's.
            StorageFull: when the server has no room.
        """
        body = pack_ensemble(upload, content)
        sha256 = hashlib.sha256(body).hexdigest()
        self._send(lambda: self._transport.put(f"/jobs/{job.id}/ensemble", JobStatus, body, sha256))

    def answer_prediction(self, job: PredictJob, answer: PredictionAnswer) -> None:
        """Sends what an ensemble predicts, which ends the job.

        Raises:
            StaleLease: when the job is no longer this worker's.
        """
        key = secrets.token_urlsafe(16)
        self._send(
            lambda: self._transport.post(
                f"/jobs/{job.id}:predicted", JobStatus, answer, idempotency_key=key
            )
        )

    def fetch_dataset(self, name: str, version: int, path: Path) -> str:
        """Writes a version of an uploaded data set to a file; returns the sha256 of what came.

        Raises:
            NotFound: when the server has no data set of this name and version.
            OSError: when the file cannot be written.
        """
        return self._send(
            lambda: self._transport.download_to(f"/datasets/{name}/artifact", path, version=version)
        )

    def complete(self, completions: Sequence[JobCompletion]) -> None:
        """Ends trials, all or none.

        Raises:
            StaleLease: when one of them is no longer this worker's.
        """
        key = secrets.token_urlsafe(16)
        batch = CompletionBatch(completions=list(completions))
        self._send(
            lambda: self._transport.post(
                "/jobs:complete", JobStatusList, batch, idempotency_key=key
            )
        )

    def fail(self, job: LeasedJob, failure: Failure) -> None:
        """Says why a job is not done; the server queues it again or gives it up.

        Raises:
            StaleLease: when it is no longer this worker's.
        """
        key = secrets.token_urlsafe(16)
        self._send(
            lambda: self._transport.post(
                f"/jobs/{job.id}:fail", JobStatus, failure, idempotency_key=key
            ),
            waits_for_room=True,
        )

    def _send(
        self,
        request: Callable[[], T],
        *,
        is_for_work: bool = False,
        waits_for_room: bool = False,
    ) -> T:
        return self._retry.send(
            request, self._stop, is_for_work=is_for_work, waits_for_room=waits_for_room
        )
