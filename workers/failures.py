"""Why a job cannot be done, and how it is given back.

FailureCause   why a job is not done, as the server is told
cause_of       what an exception means for the job that met it
WORKER_ERRORS  exceptions that mean nothing for a job: they concern the worker as a whole
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from hpsearch.client.transport import TRANSIENT_ERRORS
from hpsearch.errors import (
    HpsearchError,
    InvalidInput,
    NotFound,
    StaleLease,
    StorageFull,
    TrainingFailed,
    Unauthorized,
)
from hpsearch.spec.language.fields import MESSAGE_LENGTH
from hpsearch.spec.language.states import FailureReason
from hpsearch.spec.wire.jobs import Failure, LeasedJob
from hpsearch.training.numerics.memory import is_out_of_memory
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")

DROPPED = "job %d is no longer this worker's; it is dropped"
WORKER_ERRORS = (*TRANSIENT_ERRORS, Unauthorized)

REASONS: tuple[tuple[type[HpsearchError], FailureReason], ...] = (
    (InvalidInput, FailureReason.INVALID),
    (TrainingFailed, FailureReason.INVALID),
    (StorageFull, FailureReason.STORAGE_FULL),
)
"""The errors that the job or the disk is to blame for, and what the server is told of them."""


@dataclass(frozen=True)
class FailureCause:
    """Why a job is not done."""

    reason: FailureReason
    message: str
    """A sentence for people."""


STOPPING = FailureCause(FailureReason.RELEASED, "the worker was told to end")


class WorkerStopping(Exception):
    """The worker was told to end while it did a job that it cannot finish in time."""


def cause_of(error: Exception) -> FailureCause:
    """What an exception that a job met means for it.

    Of our own errors `REASONS` are the job's fault; all others may pass when it is tried elsewhere.
    """
    if isinstance(error, WorkerStopping):
        return STOPPING
    if is_out_of_memory(error):
        return FailureCause(FailureReason.OUT_OF_MEMORY, f"memory ran out: {error}")
    if isinstance(error, HpsearchError):
        known = (reason for kind, reason in REASONS if isinstance(error, kind))
        return FailureCause(next(known, FailureReason.ERROR), str(error))
    return FailureCause(FailureReason.ERROR, f"{type(error).__name__}: {error}")


def fail_job(client: WorkerClient, job: LeasedJob, cause: FailureCause) -> None:
    """Tells the server why a job is not done; nothing it answers costs the worker its other jobs.

    Raises:
        ServerUnreachable, DatabaseUnavailable, ServerFault: when the worker is told to end first.
        Unauthorized: when the server does not know its token.
    """
    failure = Failure(
        attempt=job.attempt, reason=cause.reason, message=_text(cause.message)[:MESSAGE_LENGTH]
    )
    try:
        client.fail(job, failure)
    except (StaleLease, NotFound):
        logger.warning(DROPPED, job.id)
    except WORKER_ERRORS:
        raise
    except HpsearchError as error:
        logger.warning("job %d is left to its lease, as the server refuses it: %s", job.id, error)


def _text(message: str) -> str:
    """A message as JSON can hold it: names of files may have bytes that are no text."""
    return message.encode("utf-8", "replace").decode("utf-8")
