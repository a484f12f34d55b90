"""Ensembles on a worker: built from what the server has stored, and asked to predict."""

from __future__ import annotations

import logging
import threading
import time
from hashlib import sha256

from hpsearch.ensemble_builder import build
from hpsearch.inference.ensemble import TrainedEnsemble, load_ensemble
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.study import parse_study
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.spec.wire.jobs import (
    EnsembleJob,
    EnsembleUpload,
    PredictionAnswer,
    PredictJob,
    ProgressReport,
)
from workers.context import WorkerContext
from workers.failures import WorkerStopping
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")

PROGRESS_SECONDS = 0.5
"""The server is told no more often how far a job is."""


class EnsembleBuilder:
    """Builds ensembles from what the server has stored of a study's trials."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context

    def run(self, job: EnsembleJob) -> None:
        """Builds an ensemble and uploads its file.

        Raises:
            WorkerStopping: when the worker is told to end meanwhile.
            HpsearchError: when no ensemble can be built, or the server does not take it.
        """
        client = self._context.client
        if job.dataset is not None:
            self._context.datasets.make_ready(job.dataset)
        built = build(
            job.request,
            parse_study(job.spec),
            job.candidates,
            StoredContents(client),
            device=self._context.device,
            on_progress=ProgressReporter(client, job, self._context.stop),
        )
        digest = sha256(built.content).hexdigest()
        upload = EnsembleUpload(attempt=job.attempt, sha256=digest, result=built.result)
        client.store_ensemble(job, upload, built.content)
        members = pluralize(len(built.result.members), "member")
        logger.info("ensemble %d is built of %s", job.ensemble, members)


class EnsemblePredictor:
    """Asks ensembles for predictions; the one asked last stays in memory."""

    def __init__(self, context: WorkerContext) -> None:
        self._client = context.client
        self._loaded: tuple[str, TrainedEnsemble] | None = None
        """The ensemble asked last, by its file's sha256."""

    def run(self, job: PredictJob) -> None:
        """Predicts a job's rows and sends the answer.

        Raises:
            HpsearchError: when the rows do not fit, or the ensemble's file is damaged.
        """
        if self._loaded is None or self._loaded[0] != job.sha256:
            content = self._client.fetch_ensemble(job.ensemble)
            self._loaded = (job.sha256, load_ensemble(content))
        result = self._loaded[1].answer(job.inputs, strict=job.strict)
        self._client.answer_prediction(job, PredictionAnswer(attempt=job.attempt, result=result))


class StoredContents:
    """Candidates' contents, as the server has them; whoever asks holds them to their hashes."""

    def __init__(self, client: WorkerClient) -> None:
        self._client = client

    def predictions(self, candidate: Candidate) -> bytes:
        """What a candidate predicts."""
        return self._client.fetch_predictions(candidate.checkpoint)

    def checkpoint(self, candidate: Candidate) -> bytes:
        """A candidate's checkpoint."""
        return self._client.fetch_checkpoint(candidate.checkpoint)


class ProgressReporter:
    """Tells the server how far a job is.

    Raises:
        WorkerStopping: when the worker is told to end meanwhile.
    """

    def __init__(self, client: WorkerClient, job: EnsembleJob, stop: threading.Event) -> None:
        self._client = client
        self._job = job
        self._stop = stop
        self._sent_at = 0.0
        self._sent_step = ""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Says that `done` parts of `total` are done of the step `what`."""
        if self._stop.is_set():
            raise WorkerStopping
        is_due = time.monotonic() - self._sent_at >= PROGRESS_SECONDS
        if is_due or what != self._sent_step:
            self._sent_at, self._sent_step = time.monotonic(), what
            progress = ProgressReport(attempt=self._job.attempt, done=done, total=total, what=what)
            self._client.report_progress(self._job, progress)
