"""Ensembles on a worker: built from what the server has stored, and asked to predict."""

from __future__ import annotations

import logging
import threading
import time
from hashlib import sha256

import torch

from hpsearch.ensemble_builder import build
from hpsearch.errors import HpsearchError, StaleLease
from hpsearch.inference.ensemble import TrainedEnsemble, load_ensemble
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.language.states import FailureReason
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.spec.wire.jobs import (
    EnsembleJob,
    EnsembleUpload,
    PredictionAnswer,
    PredictJob,
    ProgressReport,
)
from workers.datasets import Datasets
from workers.failures import DROPPED, WORKER_ERRORS, FailureCause, cause_of, fail_job
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")

TELL_SECONDS = 0.5
"""The server is told no more often how far a job is."""


class Ending(Exception):
    """The worker was told to end."""


class Assembler:
    """Does the jobs that train nothing.

    Args:
        client: the server.
        datasets: where uploaded data lie.
        device: where weights are put to work.
        ending: set when the worker is told to end.
    """

    def __init__(
        self,
        client: WorkerClient,
        datasets: Datasets,
        device: torch.device,
        ending: threading.Event,
    ) -> None:
        self._client = client
        self._datasets = datasets
        self._device = device
        self._ending = ending
        self._loaded: tuple[str, TrainedEnsemble] | None = None
        """The ensemble asked last, by its file's sha256."""

    def do(self, job: EnsembleJob | PredictJob) -> None:
        """Does a job, or says why it cannot be done."""
        try:
            if isinstance(job, EnsembleJob):
                self._build(job)
            else:
                self._predict(job)
        except StaleLease:
            logger.warning(DROPPED, job.id)
        except WORKER_ERRORS:
            raise
        except Ending:
            fault = FailureCause(FailureReason.RELEASED, "the worker was told to end")
            fail_job(self._client, job, fault)
        except HpsearchError as error:
            logger.warning("job %d fails: %s", job.id, error)
            fail_job(self._client, job, cause_of(error))
        except Exception as error:
            # Ensembles put to work what people wrote: its errors end the job, never the worker.
            logger.exception("job %d fails", job.id)
            fail_job(self._client, job, cause_of(error))

    def _build(self, job: EnsembleJob) -> None:
        if job.dataset is not None:
            self._datasets.make_ready(job.dataset)
        built = build(
            job.request,
            parse_study(job.spec),
            job.candidates,
            Stored(self._client),
            device=self._device,
            on_progress=Teller(self._client, job, self._ending),
        )
        digest = sha256(built.content).hexdigest()
        found = EnsembleUpload(attempt=job.attempt, sha256=digest, result=built.result)
        self._client.keep_ensemble(job, found, built.content)
        members = pluralize(len(built.result.members), "member")
        logger.info("ensemble %d is built of %s", job.ensemble, members)

    def _predict(self, job: PredictJob) -> None:
        if self._loaded is None or self._loaded[0] != job.sha256:
            content = self._client.fetch_ensemble(job.ensemble)
            self._loaded = (job.sha256, load_ensemble(content))
        result = self._loaded[1].answer(job.inputs)
        self._client.predicted(job, PredictionAnswer(attempt=job.attempt, result=result))


class Stored:
    """Candidates' contents, as the server has them; whoever asks holds them to their hashes."""

    def __init__(self, client: WorkerClient) -> None:
        self._client = client

    def predictions(self, candidate: Candidate) -> bytes:
        """What a candidate predicts."""
        return self._client.fetch_predictions(candidate.checkpoint)

    def checkpoint(self, candidate: Candidate) -> bytes:
        """A candidate's checkpoint."""
        return self._client.fetch(candidate.checkpoint)


class Teller:
    """Tells the server how far a job is.

    Raises:
        Ending: when the worker is told to end meanwhile.
    """

    def __init__(self, client: WorkerClient, job: EnsembleJob, ending: threading.Event) -> None:
        self._client = client
        self._job = job
        self._ending = ending
        self._told_at = 0.0
        self._told_what = ""

    def __call__(self, done: int, total: int, what: str) -> None:
        """So much is done of so much."""
        if self._ending.is_set():
            raise Ending
        is_due = time.monotonic() - self._told_at >= TELL_SECONDS
        if is_due or what != self._told_what:
            self._told_at, self._told_what = time.monotonic(), what
            progress = ProgressReport(attempt=self._job.attempt, done=done, total=total, what=what)
            self._client.advance(self._job, progress)
