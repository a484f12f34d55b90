"""Trains leased trials, in groups where that pays, and tells the server of every epoch.

Order matters: an epoch is reported before a checkpoint of it is sent, and both before the trial
is said to be complete, so whatever the server shows is true at every moment that anything may be
killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import torch

from hpsearch.errors import (
    CorruptArtifact,
    InvalidInput,
    NotFound,
    StaleLease,
    StorageFull,
    TrainingFailed,
    Unauthorized,
)
from hpsearch.spec.records import Completion, Failure, Job
from hpsearch.spec.states import Decision, FailureReason, TrialReason, TrialState
from hpsearch.training.engine import Group
from hpsearch.training.evaluation import evaluate
from hpsearch.training.plan import EpochReport, group_key
from hpsearch.transport import PASSING
from workers.datasets import Datasets
from workers.heartbeat import Heartbeat
from workers.link import Link
from workers.outbox import Outbox
from workers.run import Run

logger = logging.getLogger("hpsearch.worker")

MESSAGE_LENGTH = 2000
DROPPED = "job %d is no longer this worker's; it is dropped"


class Runner:
    """Runs jobs to their end, or gives them back when told to end.

    Args:
        link: the server.
        datasets: where uploaded data lie.
        heartbeat: keeps the leases.
        device: where to train.
        checkpoint_seconds: the longest stretch of training that a kill may cost.
        ending: set when the worker is told to end.
    """

    def __init__(
        self,
        link: Link,
        datasets: Datasets,
        heartbeat: Heartbeat,
        device: torch.device,
        checkpoint_seconds: float,
        ending: threading.Event,
    ) -> None:
        self._link = link
        self._datasets = datasets
        self._heartbeat = heartbeat
        self._device = device
        self._checkpoint_seconds = checkpoint_seconds
        self._ending = ending

    def run(self, jobs: Sequence[Job]) -> None:
        """Trains the jobs' trials; whatever goes wrong is said to the server."""
        self._heartbeat.hold(jobs)
        try:
            runs = [run for job in jobs if (run := self._prepare(job)) is not None]
            for group in _groups(runs):
                if self._ending.is_set():
                    self._release(group)
                else:
                    self._train_safely(group)
        finally:
            for job in jobs:
                self._heartbeat.release(job)

    def _prepare(self, job: Job) -> Run | None:
        """The run of a job, with what was stored of it; none when it cannot be trained."""
        try:
            run = Run.of(job)
            if job.dataset is not None:
                self._datasets.make_ready(job.dataset)
        except (InvalidInput, TrainingFailed) as error:
            self._fail(job, FailureReason.INVALID, str(error))
            return None
        except StorageFull as error:
            self._fail(job, FailureReason.STORAGE_FULL, str(error))
            return None
        except (CorruptArtifact, NotFound, OSError) as error:
            self._fail(job, FailureReason.ERROR, str(error))
            return None
        resume = job.resume
        if resume is not None:
            try:
                run.last = self._link.fetch(resume.checkpoint)
                if resume.best_checkpoint == resume.checkpoint:
                    run.best = run.last
                elif resume.best_checkpoint is not None:
                    run.best = self._link.fetch(resume.best_checkpoint)
            except (CorruptArtifact, NotFound) as error:
                logger.warning("trial %d starts from its beginning: %s", job.trial, error)
                run.forget()
            else:
                run.epoch = resume.epoch
                run.best_epoch, run.best_value = resume.best_epoch, resume.best_value
        return run

    def _train_safely(self, runs: Sequence[Run]) -> None:
        """Trains a group; where it fails as a whole its trials are tried in smaller ones."""
        try:
            self._train(runs)
        except (*PASSING, Unauthorized):
            raise
        except StorageFull as error:
            for run in _open(runs):
                self._give_back(run, FailureReason.STORAGE_FULL, str(error))
        except CorruptArtifact as error:
            for run in _open(runs):
                logger.warning("trial %d starts from its beginning: %s", run.number, error)
                run.forget()
            self._train_safely(_open(runs))
        except (TrainingFailed, InvalidInput) as error:
            self._in_parts(runs, 1, FailureReason.INVALID, str(error))
        except (torch.OutOfMemoryError, MemoryError) as error:
            half = max(1, len(_open(runs)) // 2)
            self._in_parts(runs, half, FailureReason.OUT_OF_MEMORY, f"memory ran out: {error}")
        except Exception as error:
            # Training runs what people wrote: its errors end the trial, never the worker.
            logger.exception("training failed")
            message = f"{type(error).__name__}: {error}"
            self._in_parts(runs, 1, FailureReason.ERROR, message)

    def _in_parts(
        self, runs: Sequence[Run], size: int, reason: FailureReason, message: str
    ) -> None:
        """Tries again in groups of `size`; gives a trial back that failed alone."""
        left = _open(runs)
        if len(left) == 1:
            self._give_back(left[0], reason, message)
            return
        for start in range(0, len(left), size):
            self._train_safely(left[start : start + size])

    def _train(self, runs: Sequence[Run]) -> None:
        group = Group(
            [run.plan for run in runs],
            device=self._device,
            resume={run.number: run.last for run in runs if run.last is not None},
        )
        outbox = Outbox(self._link)
        stored_at = time.monotonic()
        living = {run.number: run for run in runs}
        for reports in group.epochs():
            for report in reports:
                self._note(living[report.number], group, outbox, report)
            finished = [report for report in reports if report.finished]
            if finished or outbox.is_due or self._ending.is_set():
                self._flush(outbox, group, living)
            for report in finished:
                if report.number in living:
                    self._finish(living.pop(report.number), group, report)
            if self._ending.is_set():
                for run in living.values():
                    self._store(run, group)
                self._release(living.values())
                return
            if time.monotonic() - stored_at >= self._checkpoint_seconds:
                self._flush(outbox, group, living)
                for run in living.values():
                    self._store(run, group)
                self._let_go(group, living)
                stored_at = time.monotonic()
        for run in living.values():  # resumed after their last epoch
            self._complete(run, TrialState.COMPLETE, None)

    def _note(self, run: Run, group: Group, outbox: Outbox, report: EpochReport) -> None:
        outbox.add(run.job, report.epoch, report.metrics)
        if run.note(report):
            run.best, run.best_is_stored = group.checkpoint(run.number), False

    def _flush(self, outbox: Outbox, group: Group, living: dict[int, Run]) -> None:
        """Sends what waits; lets go of the trials that are lost or told to stop."""
        decisions = outbox.flush()
        for run in list(living.values()):
            decision = decisions.get(run.job.id, Decision.CONTINUE)
            if decision is None or self._heartbeat.has_lost(run.job):
                self._lose(run)
            elif decision is Decision.STOP:
                self._store(run, group)
                self._complete(run, TrialState.PRUNED, None)
        self._let_go(group, living)

    def _let_go(self, group: Group, living: dict[int, Run]) -> None:
        for number in [run.number for run in living.values() if run.over]:
            del living[number]
            group.drop(number)

    def _store(self, run: Run, group: Group) -> None:
        """Sends the trial's present state, and its best one unless the server has it."""
        is_best = run.best_epoch == run.epoch
        if not is_best:
            self._store_best(run, last=False)
        run.last = group.checkpoint(run.number)
        self._send(run, run.epoch, run.last, best=is_best, last=True)
        run.best_is_stored = True

    def _store_best(self, run: Run, *, last: bool) -> None:
        if run.best is not None and run.best_epoch is not None and not run.best_is_stored:
            self._send(run, run.best_epoch, run.best, best=True, last=last)
            run.best_is_stored = True

    def _send(self, run: Run, epoch: int, content: bytes, *, best: bool, last: bool) -> None:
        try:
            self._link.store(run.job, epoch, content, best=best, last=last)
        except (StaleLease, NotFound):
            self._lose(run)

    def _finish(self, run: Run, group: Group, report: EpochReport) -> None:
        if report.diverged:  # what it ended with is of no use to anybody
            self._store_best(run, last=True)
            self._complete(run, TrialState.PRUNED, TrialReason.DIVERGED)
        else:
            self._store(run, group)
            self._complete(run, TrialState.COMPLETE, None)

    def _complete(self, run: Run, state: TrialState, reason: TrialReason | None) -> None:
        if run.over:
            return
        test_metrics: dict[str, float] = {}
        if run.best is not None and _has_test_rows(run):
            measured = evaluate(run.plan, run.best, "test", device=self._device)
            test_metrics = {k: v for k, v in measured.items() if k.startswith("test_")}
        completion = Completion(
            attempt=run.job.attempt, state=state, reason=reason, test_metrics=test_metrics
        )
        try:
            self._link.complete(run.job, completion)
        except (StaleLease, NotFound):
            self._lose(run)
        run.over = True

    def _give_back(self, run: Run, reason: FailureReason, message: str) -> None:
        self._fail(run.job, reason, message)
        run.over = True

    def _release(self, runs: Iterable[Run]) -> None:
        for run in _open(runs):
            self._give_back(run, FailureReason.RELEASED, "the worker was told to end")

    def _fail(self, job: Job, reason: FailureReason, message: str) -> None:
        failure = Failure(attempt=job.attempt, reason=reason, message=message[:MESSAGE_LENGTH])
        try:
            self._link.fail(job, failure)
        except (StaleLease, NotFound):
            logger.warning(DROPPED, job.id)

    @staticmethod
    def _lose(run: Run) -> None:
        logger.warning(DROPPED, run.job.id)
        run.over = True


def _has_test_rows(run: Run) -> bool:
    """Whether the trial's task keeps rows to test on."""
    split = getattr(run.plan.spec.task, "split", None)
    return split is None or split.test > 0


def _open(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if not run.over]


def _groups(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Runs that may train together: of one study, with equal keys."""
    groups: dict[object, list[Run]] = {}
    for run in runs:
        groups.setdefault((run.job.study_id, group_key(run.plan)), []).append(run)
    yield from groups.values()
