"""Trains leased trials and tells the server of every epoch.

One `Run` is one trial under one lease. Order matters: an epoch is reported before a checkpoint of
it is sent, and both before the trial is said to be complete, so whatever the server shows is true
at every moment that anything may be killed.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

import torch

from hpsearch.errors import (
    CorruptArtifact,
    DatabaseUnavailable,
    NotFound,
    ServerUnreachable,
    StaleLease,
    StorageFull,
    TrainingFailed,
    Unauthorized,
)
from hpsearch.spec.records import Completion, Failure, Job, Resume
from hpsearch.spec.space import resolve
from hpsearch.spec.states import Decision, FailureReason, TrialReason, TrialState
from hpsearch.spec.study import Objective, parse_study
from hpsearch.training.engine import Group, Plan
from hpsearch.training.evaluation import evaluate
from hpsearch.training.plan import EpochReport
from workers.heartbeat import Heartbeat
from workers.link import Link
from workers.outbox import Outbox

logger = logging.getLogger("hpsearch.worker")

MESSAGE_LENGTH = 2000


@dataclass
class Run:
    """A trial in training and what is known of its best epoch."""

    job: Job
    plan: Plan
    objective: Objective
    best_epoch: int | None
    best_value: float | None
    epoch: int = -1
    """The last one trained."""
    best: bytes | None = None
    """The best epoch's checkpoint."""
    best_is_stored: bool = True
    stored_at: float = 0.0

    def improves(self, report: EpochReport) -> bool:
        """Whether the epoch is the trial's best; remembers it."""
        value = report.metrics.get(self.objective.metric, float("nan"))
        sign = 1 if self.objective.direction == "maximize" else -1
        if value - value != 0 or (
            self.best_value is not None and sign * value <= sign * self.best_value
        ):
            return False
        self.best_epoch, self.best_value = report.epoch, value
        return True


class Runner:
    """Runs jobs to their end, or gives them back when told to end.

    Args:
        link: the server.
        heartbeat: keeps the leases.
        device: where to train.
        checkpoint_seconds: the longest stretch of training that a kill may cost.
        ending: set when the worker is told to end.
    """

    def __init__(
        self,
        link: Link,
        heartbeat: Heartbeat,
        device: torch.device,
        checkpoint_seconds: float,
        ending: threading.Event,
    ) -> None:
        self._link = link
        self._heartbeat = heartbeat
        self._device = device
        self._checkpoint_seconds = checkpoint_seconds
        self._ending = ending

    def run(self, job: Job) -> None:
        """Trains one job's trial; whatever goes wrong is said to the server."""
        self._heartbeat.hold([job])
        try:
            self._train(job)
        except (StaleLease, NotFound):
            logger.warning("job %d is no longer ours; it is dropped", job.id)
        except StorageFull as error:
            self._give_back(job, FailureReason.STORAGE_FULL, str(error))
        except TrainingFailed as error:
            self._give_back(job, FailureReason.INVALID, str(error))
        except (torch.OutOfMemoryError, MemoryError) as error:
            self._give_back(job, FailureReason.OUT_OF_MEMORY, f"memory ran out: {error}")
        except (ServerUnreachable, DatabaseUnavailable, Unauthorized):
            raise
        except Exception as error:
            # Training runs what people wrote: its errors end the trial, never the worker.
            logger.exception("trial %d of study %d failed", job.trial, job.study_id)
            self._give_back(job, FailureReason.ERROR, f"{type(error).__name__}: {error}")
        finally:
            self._heartbeat.release(job)

    def _train(self, job: Job) -> None:
        outbox = Outbox(self._link)
        run, group = self._start(job)
        diverged = False
        for reports in group.epochs():
            for report in reports:
                self._note(run, group, outbox, report)
            diverged = reports[-1].diverged
            over = diverged or run.epoch == run.plan.epochs - 1
            if over or outbox.is_due or self._ending.is_set():
                decision = outbox.flush().get(job.id, Decision.CONTINUE)
                if decision is None or self._heartbeat.has_lost(job):
                    raise StaleLease(f"the lease of job {job.id} must be in force, and is not")
                if decision is Decision.STOP and not over:
                    self._finish(run, group, TrialState.PRUNED, None)
                    return
            if over:
                break
            if self._ending.is_set():
                self._store(run, group)
                self._give_back(job, FailureReason.RELEASED, "the worker was told to end")
                return
            if time.monotonic() - run.stored_at >= self._checkpoint_seconds:
                outbox.flush()
                self._store(run, group)
        self._finish(
            run,
            group,
            TrialState.PRUNED if diverged else TrialState.COMPLETE,
            TrialReason.DIVERGED if diverged else None,
        )

    def _start(self, job: Job) -> tuple[Run, Group]:
        study = parse_study(job.spec)
        if study.objective is None:
            raise TrainingFailed("a job's spec must name its objective; submit the study anew")
        plan = Plan(number=job.trial, spec=resolve(study, job.params), epochs=job.epochs)
        run = Run(job, plan, study.objective, None, None, stored_at=time.monotonic())
        if job.resume is not None:
            try:
                return run, self._resume(run, job.resume)
            except CorruptArtifact as error:
                logger.warning("trial %d starts from its beginning: %s", job.trial, error)
        return run, Group([plan], device=self._device)

    def _resume(self, run: Run, resume: Resume) -> Group:
        last = self._link.fetch(resume.checkpoint)
        best = None
        if resume.best_checkpoint is not None:
            same = resume.best_checkpoint == resume.checkpoint
            best = last if same else self._link.fetch(resume.best_checkpoint)
        group = Group([run.plan], device=self._device, resume={run.plan.number: last})
        run.epoch, run.best = resume.epoch, best
        run.best_epoch, run.best_value = resume.best_epoch, resume.best_value
        return group

    def _note(self, run: Run, group: Group, outbox: Outbox, report: EpochReport) -> None:
        outbox.add(run.job, report.epoch, report.metrics)
        run.epoch = report.epoch
        if run.improves(report):
            run.best, run.best_is_stored = group.checkpoint(run.plan.number), False

    def _store(self, run: Run, group: Group) -> None:
        """Sends the trial's present state, and its best one unless the server has it."""
        if run.epoch < 0:
            return
        is_best = run.best_epoch == run.epoch
        if not is_best:
            self._store_best(run, last=False)
        content = group.checkpoint(run.plan.number)
        self._link.store(run.job, run.epoch, content, best=is_best, last=True)
        run.best_is_stored = True
        run.stored_at = time.monotonic()

    def _store_best(self, run: Run, *, last: bool) -> None:
        if run.best is not None and run.best_epoch is not None and not run.best_is_stored:
            self._link.store(run.job, run.best_epoch, run.best, best=True, last=last)
            run.best_is_stored = True

    def _finish(
        self, run: Run, group: Group, state: TrialState, reason: TrialReason | None
    ) -> None:
        if reason is TrialReason.DIVERGED:  # what it ended with is of no use to anybody
            self._store_best(run, last=True)
        else:
            self._store(run, group)
        test_metrics: dict[str, float] = {}
        if run.best is not None and run.plan.spec.task.split.test > 0:
            measured = evaluate(run.plan, run.best, "test", device=self._device)
            test_metrics = {k: v for k, v in measured.items() if k.startswith("test_")}
        self._link.complete(
            run.job,
            Completion(
                attempt=run.job.attempt, state=state, reason=reason, test_metrics=test_metrics
            ),
        )

    def _give_back(self, job: Job, reason: FailureReason, message: str) -> None:
        failure = Failure(attempt=job.attempt, reason=reason, message=message[:MESSAGE_LENGTH])
        try:
            self._link.fail(job, failure)
        except (StaleLease, NotFound):
            logger.warning("job %d is no longer ours; it is dropped", job.id)
