"""Trains leased trials, in groups where that pays, and tells the server of every epoch.

Order matters: an epoch is reported before a checkpoint of it is sent, and both before the trial
is said to be complete, so whatever the server shows is true at every moment that anything may be
killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch

from hpsearch.errors import HpsearchError, StorageFull
from hpsearch.spec.language.states import Decision, FailureReason, TrialReason, TrialState
from hpsearch.spec.wire.jobs import AnyJob, Job, JobDecision
from hpsearch.training.group.group_size import Groupings
from hpsearch.training.group.replicas import AnyGroup
from hpsearch.training.numerics.memory import is_out_of_memory
from hpsearch.training.tasks.plan import EpochReport, group_key
from workers.capacity import Appetite
from workers.datasets import Datasets
from workers.ensemble_jobs import Assembler
from workers.failures import ESCAPING, Fault, fault_of, give_back
from workers.heartbeat import Heartbeat
from workers.job_setup import formed, prepared
from workers.leased_trial import Run
from workers.pending_states import Kept, State
from workers.predictions import Answering
from workers.report_queue import Outbox
from workers.server_api import Link
from workers.trial_ends import Closing, End
from workers.uploader import Delivery, lose

logger = logging.getLogger("hpsearch.worker")

HELD_BYTES = 1 << 28
"""States are sent when those held come to this much."""


class Runner:
    """Runs jobs to their end, or gives them back when told to end.

    Args:
        link: the server.
        datasets: where uploaded data lie.
        heartbeat: keeps the leases.
        device: where to train.
        checkpoint_seconds: the longest stretch of training that a kill may cost.
        ending: set when the worker is told to end.
        capacity: how many trials to take on at once; none for as many as pay.
    """

    def __init__(
        self,
        link: Link,
        datasets: Datasets,
        heartbeat: Heartbeat,
        device: torch.device,
        checkpoint_seconds: float,
        ending: threading.Event,
        capacity: int | None = None,
    ) -> None:
        self._link = link
        self._datasets = datasets
        self._heartbeat = heartbeat
        self._device = device
        self._checkpoint_seconds = checkpoint_seconds
        self._ending = ending
        self._assembler = Assembler(link, datasets, device, ending)
        self._answering = Answering(link, heartbeat, self._assembler, device)
        self._groupings = Groupings(device)
        self._appetite = Appetite(self._groupings, capacity)
        self._delivery = Delivery(link)
        self._closing = Closing(self._delivery, device)

    def work(self) -> bool:
        """Takes on what the server has, and trains it; whether there was any."""
        asked = self._appetite.asks
        jobs = self._link.lease(asked)
        if not jobs:
            return False
        held: list[AnyJob] = []
        try:
            runs = self._take(jobs, held)
            wanted = self._wanted(runs)
            if wanted > asked == len(runs):
                runs += self._take(self._more(wanted - asked), held)
            self._release(runs[wanted:], "more trials were leased than train at once")
            for job in held:  # before the trials, which take longer
                if not isinstance(job, Job):
                    self._assembler.do(job)
            self.run(runs[:wanted])
        finally:
            for job in held:
                self._heartbeat.release(job)
        return True

    def _more(self, count: int) -> list[AnyJob]:
        """More jobs beside those held, which no answer to this may cost."""
        try:
            return self._link.lease(count)
        except ESCAPING:
            raise
        except HpsearchError as error:
            logger.warning("no more trials are taken on: %s", error)
            return []

    def run(self, runs: Sequence[Run]) -> None:
        """Trains trials; whatever goes wrong is said to the server."""
        for shape in _groups(runs):
            for group in self._parts(shape):
                if self._ending.is_set():
                    self._release(group)
                else:
                    self._train_safely(group)

    def _parts(self, runs: list[Run]) -> Iterator[list[Run]]:
        """Runs of one shape in groups of a size that pays, as even as can be."""
        size = len(runs)
        if size > 1 or runs[0].plan.spec.training.repeats > 1:
            try:
                size, grouping = self._appetite.together(runs[0].plan)
            except Exception as error:  # noqa: BLE001 (training them says what is wrong)
                logger.debug("no measurement: %s", error)
            else:
                for run in runs:
                    run.why, run.rows = grouping.why, grouping.size
        parts = -(-len(runs) // size)
        for part in range(parts):
            yield runs[part * len(runs) // parts : (part + 1) * len(runs) // parts]

    def _take(self, jobs: Sequence[AnyJob], held: list[AnyJob]) -> list[Run]:
        """Keeps the leases from now on; the runs of those that are trials."""
        self._heartbeat.hold(jobs)
        held += jobs
        trials = [job for job in jobs if isinstance(job, Job)]
        found = (prepared(job, self._link, self._datasets) for job in trials)
        return [run for run in found if run is not None]

    def _wanted(self, runs: Sequence[Run]) -> int:
        """How many trials like these to hold; none is refused that cannot be measured."""
        try:
            return self._appetite.learn([run.plan for run in runs])
        except Exception as error:  # noqa: BLE001 (training them says what is wrong, trial by trial)
            logger.debug("no measurement: %s", error)
            return len(runs)

    def _train_safely(self, runs: Sequence[Run]) -> None:
        """Trains a group; where it fails as a whole its trials are tried in smaller ones."""
        try:
            self._train(runs)
        except ESCAPING:
            raise
        except StorageFull as error:
            for run in _open(runs):
                self._give_back(run, fault_of(error))
        except HpsearchError as error:
            self._in_parts(runs, 1, fault_of(error))
        except Exception as error:
            if is_out_of_memory(error):
                self._halve(runs, error)
                return
            # Training runs what people wrote: its errors end the trial, never the worker.
            logger.exception("training failed")
            self._in_parts(runs, 1, fault_of(error))

    def _halve(self, runs: Sequence[Run], error: Exception) -> None:
        """Goes on in groups half as large, each trial from its last finished epoch."""
        left = _open(runs)
        every = sum(run.plan.spec.training.repeats for run in left)
        rows = min([every, *(run.rows for run in left if run.rows)])
        if len(left) > 1:
            grouping = self._groupings.ran_out(left[0].plan, rows)
            logger.warning("%s", grouping.why)
            for run in left:
                run.why, run.rows = grouping.why, grouping.size
        elif left and rows > 1:  # of one trial's repeats fewer at once may do
            left[0].rows = rows // 2
            self._train_safely(left)
            return
        half = max(1, len(left) // 2)
        self._in_parts(left, half, fault_of(error))

    def _in_parts(self, runs: Sequence[Run], size: int, fault: Fault) -> None:
        """Tries again in groups of `size`; gives a trial back that failed alone."""
        left = _open(runs)
        if len(left) == 1 == len(runs):
            self._give_back(left[0], fault)
            return
        for start in range(0, len(left), size):
            self._train_safely(left[start : start + size])

    def _train(self, runs: Sequence[Run]) -> None:
        group = formed(runs, self._device)
        outbox = Outbox(self._link)
        self._closing = Closing(self._delivery, self._device)
        living = {run.number: run for run in runs}
        for run in runs:
            run.group = len(runs)
            run.kept = run.kept or Kept(run.plan, group.updates_per_epoch)
        try:
            self._train_group(group, outbox, living)
        except (*ESCAPING, StorageFull):
            raise
        except Exception as error:
            # What waits is true whatever came after it, and states may be in hand that need it.
            if is_out_of_memory(error):
                self._flush(outbox, group, living)
                for run in living.values():
                    run.rescue(group)
            else:
                self._report(outbox, living)
            raise

    def _train_group(self, group: AnyGroup, outbox: Outbox, living: dict[int, Run]) -> None:
        stored_at = time.monotonic()
        # What a pruner would stop should not train on meanwhile.
        is_judged = any(run.plan.spec.pruner.kind != "none" for run in living.values())
        for reports in group.epochs():
            for report in reports:  # of all, before any state is taken: that may fail
                run = living[report.number]
                outbox.add(run.job, report.epoch, report.metrics)
                run.reported = report.epoch
            for report in reports:
                self._note(living[report.number], group, report)
            finished = [report for report in reports if report.finished]
            if finished or is_judged or outbox.is_due or self._ending.is_set():
                self._flush(outbox, group, living)
            for report in finished:
                if report.number in living:
                    self._finish(living.pop(report.number), group, report)
            self._closing.send()
            if outbox.predictions_wait:
                outbox.predictions_wait = False
                self._answering.answer()
            if self._ending.is_set():
                self._store_all(group, living)
                self._release(living.values())
                return
            is_due = time.monotonic() - stored_at >= self._checkpoint_seconds
            if is_due or _held_bytes(living.values()) >= HELD_BYTES:
                self._flush(outbox, group, living)
                self._store_all(group, living)
                stored_at = time.monotonic()
        for run in living.values():  # resumed after their last epoch
            self._send_states(run)
            self._closing.end(End(run, TrialState.COMPLETE))
        self._closing.send()

    def _store_all(self, group: AnyGroup, living: dict[int, Run]) -> None:
        """Sends the present state of all, and lets go of those that are lost."""
        for run in living.values():
            self._store(run, group)
        self._closing.send()
        self._let_go(group, living)

    @staticmethod
    def _note(run: Run, group: AnyGroup, report: EpochReport) -> None:
        """Takes the states after an epoch that are to be kept."""
        run.finished = report.finished
        is_best = run.is_better(report)
        # What diverged is of no use to anybody.
        reasons = run.kept.reasons(report.epoch) if run.kept and not report.diverged else ()
        if is_best or reasons:
            state = group.checkpoint(run.number)
            if is_best:
                run.take_best(report, state)
            if reasons and run.kept:
                run.kept.add(report.epoch, state, reasons)
        if not report.diverged:  # else the trial must not go on from what the group holds of it
            run.epoch = report.epoch

    def _report(self, outbox: Outbox, living: Mapping[int, Run]) -> Mapping[int, JobDecision]:
        """Sends what waits; lets no trial go on that is lost or refused, and decides on others."""
        decisions = {}
        answers = outbox.flush()
        for run in living.values():
            answer = answers.get(run.job.id)
            is_refused = answer is None and run.job.id in answers
            if is_refused or self._heartbeat.has_lost(run.job):
                lose(run)
            elif isinstance(answer, Fault):
                self._give_back(run, answer)
            elif answer is not None:
                decisions[run.number] = answer
        return decisions

    def _flush(self, outbox: Outbox, group: AnyGroup, living: dict[int, Run]) -> None:
        """Sends what waits; lets go of the trials that are lost or told to stop."""
        for number, told in self._report(outbox, living).items():
            run = living[number]
            if told.decision is Decision.STOP and not run.finished:
                if run.is_noted:
                    self._store(run, group)
                else:
                    self._send_states(run)
                self._closing.end(End(run, TrialState.PRUNED, message=told.why))
        self._closing.send()
        self._let_go(group, living)

    def _let_go(self, group: AnyGroup, living: dict[int, Run]) -> None:
        for number in [run.number for run in living.values() if run.over]:
            del living[number]
            group.drop(number)

    def _store(self, run: Run, group: AnyGroup) -> None:
        """Sends the trial's present state, and what the server does not have of its past ones."""
        is_fresh = run.best_epoch == run.epoch and not run.best_is_stored
        run.take_last((run.best if is_fresh else None) or group.checkpoint(run.number))
        self._send_states(run)

    def _send_states(self, run: Run) -> None:
        """Sends what the server does not have of the trial's past states."""
        best = last = None
        if run.last is not None and not run.last_is_stored:
            last = State(run.last_epoch, run.last, last=True)
        if run.best is not None and run.best_epoch is not None and not run.best_is_stored:
            # Of a trial that has no later state its best one is the last.
            best = State(run.best_epoch, run.best, best=True, last=run.best_epoch > run.last_epoch)
        self._closing.store(run, run.kept.take(best, last) if run.kept else [])
        run.best_is_stored = run.last_is_stored = True

    def _finish(self, run: Run, group: AnyGroup, report: EpochReport) -> None:
        if report.diverged:
            self._send_states(run)
            self._closing.end(End(run, TrialState.PRUNED, TrialReason.DIVERGED))
        else:
            self._store(run, group)
            self._closing.end(End(run, TrialState.COMPLETE))

    def _give_back(self, run: Run, fault: Fault) -> None:
        give_back(self._link, run.job, fault)
        run.over = True

    def _release(self, runs: Iterable[Run], message: str = "the worker was told to end") -> None:
        for run in _open(runs):
            self._give_back(run, Fault(FailureReason.RELEASED, message))


def _open(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if not run.over]


def _held_bytes(runs: Iterable[Run]) -> int:
    return sum(run.kept.size_bytes for run in runs if run.kept)


def _groups(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Runs that may train together: of one study, with equal keys."""
    groups: dict[object, list[Run]] = {}
    for run in runs:
        groups.setdefault((run.job.study_id, group_key(run.plan)), []).append(run)
    yield from groups.values()
