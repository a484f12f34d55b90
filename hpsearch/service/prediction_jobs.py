"""Jobs that let an ensemble predict rows which a person waits for.

They are leased before all studies, without a study's lock: whoever waits for an answer must not
wait for its study as well.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from hpsearch.errors import InvalidInput
from hpsearch.service.context import ServiceContext
from hpsearch.service.job_rules import JobRules
from hpsearch.spec.language.base import as_json
from hpsearch.spec.language.messages import format_value
from hpsearch.spec.language.states import JobKind, JobState, TrialReason
from hpsearch.spec.wire.ensembles import JobTicket, PredictRequest
from hpsearch.spec.wire.jobs import JobStatus, PredictionAnswer, PredictJob
from hpsearch.store import ensembles, jobs, studies
from hpsearch.store.database import is_storable
from hpsearch.store.jobs import QueuedJob


class PredictionJobs(JobRules):
    """The job's own row holds the rows to predict and the answer; nothing else is changed."""

    def requeue(self, session: Session, job: QueuedJob) -> None:
        """Changes nothing beside the job."""

    def fail(
        self,
        session: Session,
        job: QueuedJob,
        reason: TrialReason,  # noqa: ARG002 (the answer holds the message alone)
        message: str,
    ) -> None:
        """The job's result says what went wrong."""
        jobs.set_result(session, job.id, {"error": message})


def request(session: Session, ensemble_id: int, asked: PredictRequest) -> JobTicket:
    """Queues rows for an ensemble to predict.

    Raises:
        Conflict: when the ensemble is not complete.
        InvalidInput: when a row cannot be stored.
    """
    inputs = asked.inputs
    if not is_storable(inputs):
        index = next(index for index, row in enumerate(inputs) if not is_storable(row))
        raise InvalidInput.at(
            f"inputs.{index}",
            "must hold numbers of at most 64 bits and valid Unicode text, got "
            f"{format_value(inputs[index])}; write large numbers as 1e20, remove broken characters",
        )
    study = studies.lock(session, ensembles.get_stored(session, ensemble_id).study_id)
    ensembles.artifact_of(session, ensemble_id)
    payload = {"inputs": inputs, "strict": asked.strict}
    return JobTicket(
        job=jobs.add_for_ensemble(
            session, JobKind.PREDICT, study.id, ensemble_id, study.priority, payload
        )
    )


def lease(session: Session, worker_id: int | None, lease_seconds: float) -> list[PredictJob]:
    """Leases the oldest prediction that waits, if any; one alone, as it may bring many rows."""
    queued = [job.id for job in jobs.lock_queued_predictions(session, 1)]
    return [_start(session, job) for job in jobs.lease(session, queued, worker_id, lease_seconds)]


def _start(session: Session, job: QueuedJob) -> PredictJob:
    payload = jobs.payload(session, job.id)
    return PredictJob(
        id=job.id,
        attempt=job.attempt,
        study_id=job.study_id,
        ensemble=job.required_ensemble_id,
        sha256=ensembles.artifact_of(session, job.required_ensemble_id).sha256,
        inputs=payload["inputs"],
        strict=payload.get("strict", False),  # releases before 0.2 queued none
    )


def finish(
    session: Session, context: ServiceContext, job_id: int, answer: PredictionAnswer
) -> JobStatus:
    """Stores a worker's answer as the job's result.

    Raises:
        StaleLease: when the worker's lease is no longer in force.
        Conflict: when the job predicts nothing.
    """
    job = jobs.renew(session, [(job_id, answer.attempt)], context.lease_seconds)[job_id]
    job.check_kind(JobKind.PREDICT)
    jobs.finish(session, job_id, JobState.DONE)
    jobs.set_result(session, job_id, as_json(answer.result))
    return jobs.status(session, job_id)
