"""From a leased job to a run that can train: its data, and the states that it goes on from."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from hpsearch.errors import CorruptArtifact, HpsearchError, NotFound
from hpsearch.spec.wire.jobs import Job
from hpsearch.training.group.replicas import AnyGroup, group_for
from workers.datasets import Datasets
from workers.failures import ESCAPING, fault_of, give_back
from workers.leased_trial import Run
from workers.server_api import Link

logger = logging.getLogger("hpsearch.worker")


def prepared(job: Job, link: Link, datasets: Datasets) -> Run | None:
    """The run of a job, with what was stored of it; none when it cannot be trained."""
    try:
        run = Run.of(job)
        if job.dataset is not None:
            datasets.make_ready(job.dataset)
        _resume(run, link)
    except ESCAPING:
        raise
    except (HpsearchError, OSError, MemoryError) as error:
        logger.warning("trial %d cannot be trained: %s", job.trial, error)
        give_back(link, job, fault_of(error))
        return None
    return run


def _resume(run: Run, link: Link) -> None:
    """Fetches what the trial goes on from; damage sends it back to its beginning."""
    resume = run.job.resume
    if resume is None:
        return
    try:
        run.last = link.fetch(resume.checkpoint)
        if resume.best_checkpoint == resume.checkpoint:
            run.best = run.last
        elif resume.best_checkpoint is not None:
            run.best = link.fetch(resume.best_checkpoint)
    except (CorruptArtifact, NotFound) as error:
        _start_over(run, error)
    else:
        run.epoch = run.reported = run.last_epoch = resume.epoch
        run.best_epoch, run.best_value = resume.best_epoch, resume.best_value


def formed(runs: Sequence[Run], device: torch.device) -> AnyGroup:
    """The group of some runs; those whose checkpoint is damaged begin at their beginning.

    Raises:
        CorruptArtifact: when each checkpoint can be read alone.
    """
    try:
        return _formed(runs, device)
    except CorruptArtifact as error:
        damaged = [run for run in runs if not _is_readable(run, device)]
        if not damaged:
            raise
        for run in damaged:
            _start_over(run, error)
        return _formed(runs, device)


def _formed(runs: Sequence[Run], device: torch.device) -> AnyGroup:
    return group_for(
        [run.plan for run in runs],
        device=device,
        resume={run.number: run.last for run in runs if run.last is not None},
        rows=runs[0].rows,
    )


def _is_readable(run: Run, device: torch.device) -> bool:
    """Whether a trial can go on from its checkpoint."""
    try:
        _formed([run], device)
    except CorruptArtifact:
        return False
    return True


def _start_over(run: Run, error: Exception) -> None:
    logger.warning("trial %d starts from its beginning: %s", run.number, error)
    run.forget()
