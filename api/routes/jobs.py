"""What workers request: join, lease, heartbeat, report, checkpoint, ensemble, complete, fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from sqlalchemy.orm import Session

from api.idempotent_requests import HeadersOf, IdempotentDep
from api.parameters import Body, Id, Number
from api.responses import json_response
from api.services import Services, ServicesDep
from hpsearch.errors import (
    CorruptArtifact,
    NotFound,
    StaleLease,
    StorageFull,
    VersionMismatch,
)
from hpsearch.spec.language.base import Record
from hpsearch.spec.wire.jobs import (
    BeginRequest,
    BegunJobs,
    Completion,
    CompletionBatch,
    Decisions,
    Failure,
    HeartbeatRequest,
    JobList,
    JobStatus,
    JobStatusList,
    LeaseRenewal,
    LeaseRequest,
    PredictionAnswer,
    ProgressReport,
    ReportBatch,
    Worker,
    WorkerJoin,
)
from hpsearch.spec.wire.multipart import CheckpointPart, unpack, unpack_ensemble
from hpsearch.spec.wire.records import Checkpoint, CheckpointList
from hpsearch.store import jobs, workers
from hpsearch.store.checkpoints import StoredArtifact
from hpsearch.version import VERSION

router = APIRouter(tags=["workers"])

IDLE_SECONDS = 1
"""How long a worker that got nothing is asked to wait."""


class WorkerList(Record):
    """Every worker that is there or was lately."""

    workers: list[Worker]


@router.post("/workers", status_code=201, response_model=Worker)
def join(worker: WorkerJoin, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """A worker process introduces itself."""
    if worker.version != VERSION:
        raise VersionMismatch(
            f"worker and server must be of the same version, got worker {worker.version} and "
            f"server {VERSION}; install hpsearch=={VERSION} where the worker runs"
        )
    return idempotent.run(
        lambda session: workers.join(session, worker.name, worker.labels, services.lease_seconds),
        201,
    )


@router.get("/workers", response_model=WorkerList)
def page(services: ServicesDep) -> Response:
    """Workers, newest first."""
    with services.database.read() as session:
        return json_response(WorkerList(workers=workers.page(session, services.lease_seconds)))


@router.post("/jobs:lease", response_model=JobList)
def lease(request: LeaseRequest, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Up to `capacity` jobs, at once; `Retry-After` says when to ask again after none."""
    return idempotent.run(
        lambda session: services.tuner.lease(session, request),
        headers_of=HeadersOf(JobList, _retry_after),
    )


def _retry_after(leased: JobList) -> dict[str, str]:
    return {} if leased.jobs else {"Retry-After": str(IDLE_SECONDS)}


@router.post("/jobs:heartbeat", response_model=LeaseRenewal)
def heartbeat(beat: HeartbeatRequest, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Renews leases: all, or none when one of them is no longer in force."""

    def renew(session: Session) -> LeaseRenewal:
        services.tuner.heartbeat(session, beat)
        return LeaseRenewal(lease_seconds=services.lease_seconds)

    return idempotent.run(renew)


@router.post("/jobs:begin", response_model=BegunJobs)
def begin(request: BeginRequest, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Asks which of its trials a worker may begin to train; the others were taken back."""
    return idempotent.run(lambda session: services.tuner.begin(session, request))


@router.post("/jobs:report", response_model=Decisions)
def report(batch: ReportBatch, idempotent: IdempotentDep, services: ServicesDep) -> Response:
    """Stores epochs: all, or none when one of the leases is no longer in force."""
    return idempotent.run(lambda session: services.tuner.report(session, batch))


@router.get("/jobs/{job_id:int}", response_model=JobStatus)
def status(job_id: Id, services: ServicesDep) -> Response:
    """The state of a job, and its result once it is done."""
    with services.database.read() as session:
        return json_response(jobs.status(session, job_id))


@router.put("/jobs/{job_id:int}/checkpoints/{epoch:int}", response_model=Checkpoint)
def put_checkpoint(
    job_id: Id,
    epoch: Number,
    body: Body,
    services: ServicesDep,
    attempt: Annotated[int, Query(ge=1, le=2**31 - 1)],
    x_content_sha256: Annotated[str, Header(pattern="^[0-9a-f]{64}$")],
    best: bool = False,
    last: bool = True,
) -> Response:
    """Stores a trial's state after an epoch; it is visible only when whole."""
    sent = CheckpointPart(
        job=job_id, attempt=attempt, epoch=epoch, best=best, last=last,
        size_bytes=len(body), sha256=x_content_sha256,
    )  # fmt: skip
    return json_response(_store_checkpoints(services, [(sent, body)])[0])


@router.put("/jobs:checkpoints", response_model=CheckpointList)
def put_checkpoints(body: Body, services: ServicesDep) -> Response:
    """Stores several trials' states at once: all become visible, or none.

    The body is: 8 bytes that say how long the header is (little-endian), the header
    `{"checkpoints": [{job, attempt, epoch, content, best, last, reasons, size_bytes, sha256}]}`,
    then the contents. `content` is `checkpoint`, or `predictions` for what the checkpoint says of
    validation and test rows.
    """
    return json_response(CheckpointList(checkpoints=_store_checkpoints(services, unpack(body))))


def _store_checkpoints(
    services: Services, sent: Sequence[tuple[CheckpointPart, bytes]]
) -> list[Checkpoint]:
    """Checks, writes, checks again and makes visible: no lock is held while files are written."""
    with services.database.write() as session:
        prefixes = services.tuner.check_checkpoints(session, [part for part, _ in sent])
    written: list[StoredArtifact] = []
    with _removed_on_failure(services, written):
        for (part, content), prefix in zip(sent, prefixes, strict=True):
            key = f"{prefix}-{part.sha256[:16]}.safetensors"
            written.append(services.artifacts.put(key, content, part.sha256))
        stored = zip((part for part, _ in sent), written, strict=True)
        with services.database.write() as session:
            return services.tuner.store_checkpoints(session, list(stored))


@contextmanager
def _removed_on_failure(services: Services, written: Sequence[StoredArtifact]) -> Iterator[None]:
    """Removes the written files again when they cannot be kept.

    That is: their lease was lost or their study deleted while they came, or there was no room for
    the other files of their batch.
    """
    try:
        yield
    except (StaleLease, NotFound, StorageFull, CorruptArtifact):
        with suppress(StorageFull), services.database.write() as session:
            for artifact in written:
                services.tuner.remove_unreferenced(session, artifact)
        raise


@router.put("/jobs/{job_id:int}/ensemble", response_model=JobStatus)
def put_ensemble(job_id: Id, body: Body, services: ServicesDep) -> Response:
    """Ends the building of an ensemble: what was found, and its file, which is visible when whole.

    The body is: 8 bytes that say how long the JSON is (little-endian), the JSON
    `{attempt, sha256, result}`, then the file.
    """
    built, content = unpack_ensemble(body)
    with services.database.write() as session:
        prefix = services.tuner.ensemble_key_prefix(session, job_id, built.attempt)
    key = f"{prefix}-{built.sha256[:16]}.zip"
    artifact = services.artifacts.put(key, content, built.sha256)
    with _removed_on_failure(services, [artifact]), services.database.write() as session:
        return json_response(services.tuner.finish_ensemble(session, job_id, built, artifact))


@router.post("/jobs/{job_id:int}:advance", response_model=JobStatus)
def advance(
    job_id: Id, progress: ProgressReport, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """How far the building of an ensemble is; renews the lease."""
    return idempotent.run(lambda session: services.tuner.report_progress(session, job_id, progress))


@router.post("/jobs/{job_id:int}:predicted", response_model=JobStatus)
def predicted(
    job_id: Id, predictions: PredictionAnswer, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """What an ensemble says of the rows that it was asked about."""
    return idempotent.run(
        lambda session: services.tuner.finish_prediction(session, job_id, predictions)
    )


@router.post("/jobs:complete", response_model=JobStatusList)
def complete_all(
    batch: CompletionBatch, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """The ends of several trials of one study: all are stored, or none."""
    return idempotent.run(lambda session: services.tuner.complete_all(session, batch))


@router.post("/jobs/{job_id:int}:complete", response_model=JobStatus)
def complete(
    job_id: Id, completion: Completion, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """A trial's end."""
    return idempotent.run(lambda session: services.tuner.complete(session, job_id, completion))


@router.post("/jobs/{job_id:int}:fail", response_model=JobStatus)
def fail(
    job_id: Id, failure: Failure, idempotent: IdempotentDep, services: ServicesDep
) -> Response:
    """A job given back undone."""
    return idempotent.run(lambda session: services.tuner.fail(session, job_id, failure))
