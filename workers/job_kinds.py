"""What a worker does for each kind of job that trains in no group.

HANDLERS    the kinds: a new one is a file with a `JobHandler` and a line here
SingleJobs  does jobs by it, and says to the server why one fails

Trials are not among them: they train together (`workers.runner`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from hpsearch.errors import HpsearchError, StaleLease
from hpsearch.spec.language.states import JobKind
from hpsearch.spec.wire.jobs import AnyJob
from workers.context import WorkerContext
from workers.ensemble_jobs import EnsembleBuilder, EnsemblePredictor
from workers.failures import DROPPED, WORKER_ERRORS, WorkerStopping, cause_of, fail_job

logger = logging.getLogger("hpsearch.worker")


class JobHandler(Protocol):
    """Does jobs of one kind; one for each worker."""

    def run(self, job: Any) -> None:
        """Does a job and sends the server what came of it.

        Args:
            job: the wire record of the handler's kind.

        Raises:
            Exception: when it cannot be done; the server is then told so.
        """


HANDLERS: Mapping[JobKind, Callable[[WorkerContext], JobHandler]] = {
    JobKind.ENSEMBLE: EnsembleBuilder,
    JobKind.PREDICT: EnsemblePredictor,
}


class SingleJobs:
    """Does jobs one by one."""

    def __init__(self, context: WorkerContext) -> None:
        self._client = context.client
        self._handlers = {kind: handler(context) for kind, handler in HANDLERS.items()}

    def run(self, job: AnyJob) -> None:
        """Does a job, or tells the server why it cannot be done.

        Raises:
            HpsearchError: of `WORKER_ERRORS`, which are not the job's.
        """
        try:
            self._handlers[job.kind].run(job)
        except StaleLease:
            logger.warning(DROPPED, job.id)
        except WORKER_ERRORS:
            raise
        except WorkerStopping as error:
            fail_job(self._client, job, cause_of(error))
        except HpsearchError as error:
            logger.warning("job %d fails: %s", job.id, error)
            fail_job(self._client, job, cause_of(error))
        except Exception as error:
            # Jobs put to work what people wrote: its errors end the job, never the worker.
            logger.exception("job %d fails", job.id)
            fail_job(self._client, job, cause_of(error))
