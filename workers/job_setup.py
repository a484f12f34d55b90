"""From a leased job to a trial that can train: its data, and the states that it goes on from."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from hpsearch.errors import CorruptArtifact, HpsearchError, NotFound
from hpsearch.spec.wire.jobs import Job
from hpsearch.training.group.multi_run_group import AnyGroup, group_for
from workers.context import WorkerContext
from workers.failures import WORKER_ERRORS, cause_of, fail_job
from workers.leased_trial import Improvement, LeasedTrial
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")


def prepare_trial(job: Job, context: WorkerContext) -> LeasedTrial | None:
    """The trial of a job, with the states that it goes on from.

    None when it cannot be trained: the server knows why then.
    """
    try:
        trial = LeasedTrial.of(job)
        if job.dataset is not None:
            context.datasets.make_ready(job.dataset)
        _resume(trial, context.client)
    except WORKER_ERRORS:
        raise
    except (HpsearchError, OSError, MemoryError) as error:
        logger.warning("trial %d cannot be trained: %s", job.trial, error)
        fail_job(context.client, job, cause_of(error))
        return None
    return trial


def _resume(trial: LeasedTrial, client: WorkerClient) -> None:
    """Fetches what the trial goes on from; damage sends it back to its beginning."""
    resume = trial.job.resume
    if resume is None:
        return
    try:
        trial.last = client.fetch_checkpoint(resume.checkpoint)
        if resume.best_checkpoint == resume.checkpoint:
            trial.best = trial.last
        elif resume.best_checkpoint is not None:
            trial.best = client.fetch_checkpoint(resume.best_checkpoint)
    except (CorruptArtifact, NotFound) as error:
        _start_over(trial, error)
    else:
        trial.epoch = trial.reported = trial.last_epoch = resume.epoch
        trial.best_epoch, trial.best_value = resume.best_epoch, resume.best_value
        if resume.best_epoch is not None:
            best = Improvement(resume.best_epoch, resume.best_value, trial.best)
            trial.improvements.append(best)


def build_group(trials: Sequence[LeasedTrial], device: torch.device) -> AnyGroup:
    """The group that trains these trials; those with a damaged checkpoint begin at their beginning.

    Raises:
        CorruptArtifact: when each checkpoint can be read alone.
    """
    try:
        return _build_group(trials, device)
    except CorruptArtifact as error:
        damaged = [trial for trial in trials if not _is_readable(trial, device)]
        if not damaged:
            raise
        for trial in damaged:
            _start_over(trial, error)
        return _build_group(trials, device)


def _build_group(trials: Sequence[LeasedTrial], device: torch.device) -> AnyGroup:
    return group_for(
        [trial.plan for trial in trials],
        device=device,
        resume={trial.number: trial.last for trial in trials if trial.last is not None},
        max_runs=trials[0].max_runs,
    )


def _is_readable(trial: LeasedTrial, device: torch.device) -> bool:
    """Whether a trial can go on from its checkpoint."""
    try:
        _build_group([trial], device)
    except CorruptArtifact:
        return False
    return True


def _start_over(trial: LeasedTrial, error: Exception) -> None:
    logger.warning("trial %d starts from its beginning: %s", trial.number, error)
    trial.reset()
