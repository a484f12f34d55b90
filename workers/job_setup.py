"""From a leased job to a run that can train: its data, and the states that it goes on from."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from hpsearch.errors import CorruptArtifact, HpsearchError, NotFound
from hpsearch.spec.wire.jobs import Job
from hpsearch.training.group.multi_run_group import AnyGroup, group_for
from workers.datasets import Datasets
from workers.failures import WORKER_ERRORS, cause_of, fail_job
from workers.leased_trial import LeasedTrial
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")


def prepare_trial(job: Job, client: WorkerClient, datasets: Datasets) -> LeasedTrial | None:
    """The run of a job, with what was stored of it; none when it cannot be trained."""
    try:
        run = LeasedTrial.of(job)
        if job.dataset is not None:
            datasets.make_ready(job.dataset)
        _resume(run, client)
    except WORKER_ERRORS:
        raise
    except (HpsearchError, OSError, MemoryError) as error:
        logger.warning("trial %d cannot be trained: %s", job.trial, error)
        fail_job(client, job, cause_of(error))
        return None
    return run


def _resume(run: LeasedTrial, client: WorkerClient) -> None:
    """Fetches what the trial goes on from; damage sends it back to its beginning."""
    resume = run.job.resume
    if resume is None:
        return
    try:
        run.last = client.fetch(resume.checkpoint)
        if resume.best_checkpoint == resume.checkpoint:
            run.best = run.last
        elif resume.best_checkpoint is not None:
            run.best = client.fetch(resume.best_checkpoint)
    except (CorruptArtifact, NotFound) as error:
        _start_over(run, error)
    else:
        run.epoch = run.reported = run.last_epoch = resume.epoch
        run.best_epoch, run.best_value = resume.best_epoch, resume.best_value


def build_group(runs: Sequence[LeasedTrial], device: torch.device) -> AnyGroup:
    """The group of some runs; those whose checkpoint is damaged begin at their beginning.

    Raises:
        CorruptArtifact: when each checkpoint can be read alone.
    """
    try:
        return _build_group(runs, device)
    except CorruptArtifact as error:
        damaged = [run for run in runs if not _is_readable(run, device)]
        if not damaged:
            raise
        for run in damaged:
            _start_over(run, error)
        return _build_group(runs, device)


def _build_group(runs: Sequence[LeasedTrial], device: torch.device) -> AnyGroup:
    return group_for(
        [run.plan for run in runs],
        device=device,
        resume={run.number: run.last for run in runs if run.last is not None},
        rows=runs[0].rows,
    )


def _is_readable(run: LeasedTrial, device: torch.device) -> bool:
    """Whether a trial can go on from its checkpoint."""
    try:
        _build_group([run], device)
    except CorruptArtifact:
        return False
    return True


def _start_over(run: LeasedTrial, error: Exception) -> None:
    logger.warning("trial %d starts from its beginning: %s", run.number, error)
    run.forget()
