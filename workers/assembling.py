"""Ensembles on a worker: built from what the server has stored, and asked to predict."""

from __future__ import annotations

import logging
import threading
import time
from hashlib import sha256

import torch

from hpsearch.building import build
from hpsearch.errors import (
    CorruptArtifact,
    HpsearchError,
    InvalidInput,
    NotFound,
    StaleLease,
    StorageFull,
    TrainingFailed,
    Unauthorized,
)
from hpsearch.spec.ensemble_records import Candidate
from hpsearch.spec.exchange import (
    Advance,
    Built,
    EnsembleJob,
    Failure,
    Predicted,
    PredictJob,
)
from hpsearch.spec.fields import MESSAGE_LENGTH
from hpsearch.spec.messages import counted
from hpsearch.spec.states import FailureReason
from hpsearch.spec.study import parse_study
from hpsearch.trained_ensemble import TrainedEnsemble, load_ensemble
from hpsearch.training.memory import is_out_of_memory
from hpsearch.transport import PASSING
from workers.datasets import Datasets
from workers.delivery import DROPPED
from workers.link import Link

logger = logging.getLogger("hpsearch.worker")

TELL_SECONDS = 0.5
"""The server is told no more often how far a job is."""

REASONS: tuple[tuple[type[HpsearchError], FailureReason], ...] = (
    (InvalidInput, FailureReason.INVALID),
    (TrainingFailed, FailureReason.INVALID),
    (StorageFull, FailureReason.STORAGE_FULL),
    (CorruptArtifact, FailureReason.ERROR),
    (NotFound, FailureReason.ERROR),
)


class Ending(Exception):
    """The worker was told to end."""


class Assembler:
    """Does the jobs that train nothing.

    Args:
        link: the server.
        datasets: where uploaded data lie.
        device: where weights are put to work.
        ending: set when the worker is told to end.
    """

    def __init__(
        self, link: Link, datasets: Datasets, device: torch.device, ending: threading.Event
    ) -> None:
        self._link = link
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
        except (*PASSING, Unauthorized):
            raise
        except Ending:
            self._fail(job, FailureReason.RELEASED, "the worker was told to end")
        except HpsearchError as error:
            reason = next((r for kind, r in REASONS if isinstance(error, kind)), None)
            self._fail(job, reason or FailureReason.ERROR, str(error))
        except Exception as error:
            if is_out_of_memory(error):
                self._fail(job, FailureReason.OUT_OF_MEMORY, f"memory ran out: {error}")
            else:
                logger.exception("a job failed")
                self._fail(job, FailureReason.ERROR, f"{type(error).__name__}: {error}")

    def _build(self, job: EnsembleJob) -> None:
        if job.dataset is not None:
            self._datasets.make_ready(job.dataset)
        built = build(
            job.request,
            parse_study(job.spec),
            job.candidates,
            Stored(self._link),
            device=self._device,
            on_progress=Teller(self._link, job, self._ending),
        )
        digest = sha256(built.content).hexdigest()
        found = Built(attempt=job.attempt, sha256=digest, result=built.result)
        self._link.keep_ensemble(job, found, built.content)
        members = counted(len(built.result.members), "member")
        logger.info("ensemble %d is built of %s", job.ensemble, members)

    def _predict(self, job: PredictJob) -> None:
        if self._loaded is None or self._loaded[0] != job.sha256:
            content = self._link.fetch_ensemble(job.ensemble)
            self._loaded = (job.sha256, load_ensemble(content))
        result = self._loaded[1].answer(job.inputs)
        self._link.predicted(job, Predicted(attempt=job.attempt, result=result))

    def _fail(self, job: EnsembleJob | PredictJob, reason: FailureReason, message: str) -> None:
        failure = Failure(attempt=job.attempt, reason=reason, message=message[:MESSAGE_LENGTH])
        try:
            self._link.fail(job, failure)
        except (StaleLease, NotFound):
            logger.warning(DROPPED, job.id)


class Stored:
    """Candidates' contents, as the server has them; whoever asks holds them to their hashes."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def predictions(self, candidate: Candidate) -> bytes:
        """What a candidate predicts."""
        return self._link.fetch_predictions(candidate.checkpoint)

    def checkpoint(self, candidate: Candidate) -> bytes:
        """A candidate's checkpoint."""
        return self._link.fetch(candidate.checkpoint)


class Teller:
    """Tells the server how far a job is.

    Raises:
        Ending: when the worker is told to end meanwhile.
    """

    def __init__(self, link: Link, job: EnsembleJob, ending: threading.Event) -> None:
        self._link = link
        self._job = job
        self._ending = ending
        self._told_at = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        """So much is done of so much."""
        if self._ending.is_set():
            raise Ending
        if time.monotonic() - self._told_at >= TELL_SECONDS:
            self._told_at = time.monotonic()
            progress = Advance(attempt=self._job.attempt, done=done, total=total, what=what)
            self._link.advance(self._job, progress)
