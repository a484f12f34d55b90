"""What workers speak: join, lease, heartbeat, report, checkpoint, complete, fail."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from sqlalchemy.orm import Session

from api.requests import Body, Id, Number, OneChange, answer
from api.services import Served
from hpsearch.errors import StaleLease, VersionMismatch
from hpsearch.spec.base import Record
from hpsearch.spec.records import (
    Checkpoint,
    Completion,
    Decisions,
    Failure,
    Heartbeat,
    JobList,
    JobStatus,
    LeaseRequest,
    Renewal,
    ReportBatch,
    Worker,
    WorkerJoin,
)
from hpsearch.store import jobs, workers
from hpsearch.version import VERSION

router = APIRouter(tags=["workers"])

IDLE_SECONDS = 1
"""How long a worker that got nothing is asked to wait."""


class WorkerList(Record):
    """Every worker that is there or was lately."""

    workers: list[Worker]


@router.post("/workers", status_code=201, response_model=Worker)
def join(worker: WorkerJoin, change: OneChange, services: Served) -> Response:
    """A worker process introduces itself."""
    if worker.version != VERSION:
        raise VersionMismatch(
            f"worker and server must be of the same version, got worker {worker.version} and "
            f"server {VERSION}; install hpsearch=={VERSION} where the worker runs"
        )
    return change(
        lambda session: workers.join(session, worker.name, worker.labels, services.lease_seconds),
        201,
    )


@router.get("/workers", response_model=WorkerList)
def page(services: Served) -> Response:
    """Workers, newest first."""
    with services.database.read() as session:
        return answer(WorkerList(workers=workers.page(session, services.lease_seconds)))


@router.post("/jobs:lease", response_model=JobList)
def lease(request: LeaseRequest, change: OneChange, services: Served) -> Response:
    """Up to `capacity` jobs, at once; `Retry-After` says when to ask again after none."""
    response = change(lambda session: services.tuner.lease(session, request))
    if response.body == b'{"jobs":[]}':
        response.headers["Retry-After"] = str(IDLE_SECONDS)
    return response


@router.post("/jobs:heartbeat", response_model=Renewal)
def heartbeat(beat: Heartbeat, change: OneChange, services: Served) -> Response:
    """Renews leases: all, or none when one of them is no longer in force."""

    def renew(session: Session) -> Renewal:
        services.tuner.heartbeat(session, beat)
        return Renewal(lease_seconds=services.lease_seconds)

    return change(renew)


@router.post("/jobs:report", response_model=Decisions)
def report(batch: ReportBatch, change: OneChange, services: Served) -> Response:
    """Stores epochs: all, or none when one of the leases is no longer in force."""
    return change(lambda session: services.tuner.report(session, batch))


@router.get("/jobs/{job_id:int}", response_model=JobStatus)
def status(job_id: Id, services: Served) -> Response:
    """What became of a job."""
    with services.database.read() as session:
        return answer(jobs.status(session, job_id))


@router.put("/jobs/{job_id:int}/checkpoints/{epoch:int}", response_model=Checkpoint)
def put_checkpoint(
    job_id: Id,
    epoch: Number,
    body: Body,
    services: Served,
    attempt: Annotated[int, Query(ge=1, le=2**31 - 1)],
    x_content_sha256: Annotated[str, Header(pattern="^[0-9a-f]{64}$")],
    best: bool = False,
    last: bool = True,
) -> Response:
    """Stores a trial's state after an epoch; it is visible only when whole."""
    with services.database.write() as session:
        prefix = services.tuner.check_checkpoint(session, job_id, attempt, epoch)
    key = f"{prefix}-{x_content_sha256[:16]}.safetensors"
    artifact = services.artifacts.put(key, body, x_content_sha256)
    try:
        with services.database.write() as session:
            kept = services.tuner.keep_checkpoint(
                session, (job_id, attempt), epoch, artifact, best=best, last=last
            )
    except StaleLease:  # The lease was lost while the file came.
        with services.database.write() as session:
            services.tuner.drop_unkept(session, artifact)
        raise
    return answer(kept)


@router.post("/jobs/{job_id:int}:complete", response_model=JobStatus)
def complete(job_id: Id, completion: Completion, change: OneChange, services: Served) -> Response:
    """A trial's end."""
    return change(lambda session: services.tuner.complete(session, job_id, completion))


@router.post("/jobs/{job_id:int}:fail", response_model=JobStatus)
def fail(job_id: Id, failure: Failure, change: OneChange, services: Served) -> Response:
    """A job given back undone."""
    return change(lambda session: services.tuner.fail(session, job_id, failure))
