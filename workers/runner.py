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
from hpsearch.training.group.group_size import GroupSizes
from hpsearch.training.group.multi_run_group import AnyGroup
from hpsearch.training.numerics.memory import is_out_of_memory
from hpsearch.training.tasks.plan import EpochReport, group_key
from workers.capacity import LeaseSizer
from workers.datasets import Datasets
from workers.ensemble_jobs import Assembler
from workers.failures import WORKER_ERRORS, FailureCause, cause_of, fail_job
from workers.heartbeat import Heartbeat
from workers.job_setup import build_group, prepare_trial
from workers.leased_trial import LeasedTrial
from workers.pending_states import PendingState, PendingStates
from workers.predictions import Answering
from workers.report_queue import ReportQueue
from workers.server_api import WorkerClient
from workers.trial_ends import TrialEnd, TrialEnds
from workers.uploader import Uploader, mark_lost

logger = logging.getLogger("hpsearch.worker")

HELD_BYTES = 1 << 28
"""States are sent when those held come to this much."""


class Runner:
    """Runs jobs to their end, or gives them back when told to end.

    Args:
        client: the server.
        datasets: where uploaded data lie.
        heartbeat: keeps the leases.
        device: where to train.
        checkpoint_seconds: the longest stretch of training that a kill may cost.
        ending: set when the worker is told to end.
        capacity: how many trials to take on at once; none for as many as pay.
    """

    def __init__(
        self,
        client: WorkerClient,
        datasets: Datasets,
        heartbeat: Heartbeat,
        device: torch.device,
        checkpoint_seconds: float,
        ending: threading.Event,
        capacity: int | None = None,
    ) -> None:
        self._client = client
        self._datasets = datasets
        self._heartbeat = heartbeat
        self._device = device
        self._checkpoint_seconds = checkpoint_seconds
        self._ending = ending
        self._assembler = Assembler(client, datasets, device, ending)
        self._answering = Answering(client, heartbeat, self._assembler, device)
        self._groupings = GroupSizes(device)
        self._lease_sizer = LeaseSizer(self._groupings, capacity)
        self._uploader = Uploader(client)
        self._trial_ends = TrialEnds(self._uploader, device)

    def work(self) -> bool:
        """Takes on what the server has, and trains it; whether there was any."""
        asked = self._lease_sizer.asks
        jobs = self._client.lease(asked)
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
            return self._client.lease(count)
        except WORKER_ERRORS:
            raise
        except HpsearchError as error:
            logger.warning("no more trials are taken on: %s", error)
            return []

    def run(self, runs: Sequence[LeasedTrial]) -> None:
        """Trains trials; whatever goes wrong is said to the server."""
        for shape in _groups(runs):
            for group in self._parts(shape):
                if self._ending.is_set():
                    self._release(group)
                else:
                    self._train_safely(group)

    def _parts(self, runs: list[LeasedTrial]) -> Iterator[list[LeasedTrial]]:
        """Runs of one shape in groups of a size that pays, as even as can be."""
        size = len(runs)
        if size > 1 or runs[0].plan.spec.training.repeats > 1:
            try:
                size, grouping = self._lease_sizer.together(runs[0].plan)
            except Exception as error:  # noqa: BLE001 (training them says what is wrong)
                logger.debug("no measurement: %s", error)
            else:
                for run in runs:
                    run.why, run.rows = grouping.why, grouping.size
        parts = -(-len(runs) // size)
        for part in range(parts):
            yield runs[part * len(runs) // parts : (part + 1) * len(runs) // parts]

    def _take(self, jobs: Sequence[AnyJob], held: list[AnyJob]) -> list[LeasedTrial]:
        """Keeps the leases from now on; the runs of those that are trials."""
        self._heartbeat.hold(jobs)
        held += jobs
        trials = [job for job in jobs if isinstance(job, Job)]
        found = (prepare_trial(job, self._client, self._datasets) for job in trials)
        return [run for run in found if run is not None]

    def _wanted(self, runs: Sequence[LeasedTrial]) -> int:
        """How many trials like these to hold; none is refused that cannot be measured."""
        try:
            return self._lease_sizer.learn([run.plan for run in runs])
        except Exception as error:  # noqa: BLE001 (training them says what is wrong, trial by trial)
            logger.debug("no measurement: %s", error)
            return len(runs)

    def _train_safely(self, runs: Sequence[LeasedTrial]) -> None:
        """Trains a group; where it fails as a whole its trials are tried in smaller ones."""
        try:
            self._train(runs)
        except WORKER_ERRORS:
            raise
        except StorageFull as error:
            for run in _open(runs):
                self._fail(run, cause_of(error))
        except HpsearchError as error:
            self._in_parts(runs, 1, cause_of(error))
        except Exception as error:
            if is_out_of_memory(error):
                self._halve(runs, error)
                return
            # Training runs what people wrote: its errors end the trial, never the worker.
            logger.exception("training failed")
            self._in_parts(runs, 1, cause_of(error))

    def _halve(self, runs: Sequence[LeasedTrial], error: Exception) -> None:
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
        self._in_parts(left, half, cause_of(error))

    def _in_parts(self, runs: Sequence[LeasedTrial], size: int, fault: FailureCause) -> None:
        """Tries again in groups of `size`; gives a trial back that failed alone."""
        left = _open(runs)
        if len(left) == 1 == len(runs):
            self._fail(left[0], fault)
            return
        for start in range(0, len(left), size):
            self._train_safely(left[start : start + size])

    def _train(self, runs: Sequence[LeasedTrial]) -> None:
        group = build_group(runs, self._device)
        queue = ReportQueue(self._client)
        self._trial_ends = TrialEnds(self._uploader, self._device)
        living = {run.number: run for run in runs}
        for run in runs:
            run.group = len(runs)
            run.kept = run.kept or PendingStates(run.plan, group.updates_per_epoch)
        try:
            self._train_group(group, queue, living)
        except (*WORKER_ERRORS, StorageFull):
            raise
        except Exception as error:
            # What waits is true whatever came after it, and states may be in hand that need it.
            if is_out_of_memory(error):
                self._flush(queue, group, living)
                for run in living.values():
                    run.rescue(group)
            else:
                self._report(queue, living)
            raise

    def _train_group(
        self, group: AnyGroup, queue: ReportQueue, living: dict[int, LeasedTrial]
    ) -> None:
        stored_at = time.monotonic()
        # What a pruner would stop should not train on meanwhile.
        is_judged = any(run.plan.spec.is_pruned for run in living.values())
        for reports in group.epochs():
            for report in reports:  # of all, before any state is taken: that may fail
                run = living[report.number]
                queue.add(run.job, report.epoch, report.metrics)
                run.reported = report.epoch
            for report in reports:
                self._note(living[report.number], group, report)
            finished = [report for report in reports if report.finished]
            if finished or is_judged or queue.is_due or self._ending.is_set():
                self._flush(queue, group, living)
            for report in finished:
                if report.number in living:
                    self._finish(living.pop(report.number), group, report)
            self._trial_ends.send()
            if queue.predictions_wait:
                queue.predictions_wait = False
                self._answering.answer()
            if self._ending.is_set():
                self._store_all(group, living)
                self._release(living.values())
                return
            is_due = time.monotonic() - stored_at >= self._checkpoint_seconds
            if is_due or _held_bytes(living.values()) >= HELD_BYTES:
                self._flush(queue, group, living)
                self._store_all(group, living)
                stored_at = time.monotonic()
        for run in living.values():  # resumed after their last epoch
            self._send_states(run)
            self._trial_ends.end(TrialEnd(run, TrialState.COMPLETE))
        self._trial_ends.send()

    def _store_all(self, group: AnyGroup, living: dict[int, LeasedTrial]) -> None:
        """Sends the present state of all, and lets go of those that are lost."""
        for run in living.values():
            self._store(run, group)
        self._trial_ends.send()
        self._let_go(group, living)

    @staticmethod
    def _note(run: LeasedTrial, group: AnyGroup, report: EpochReport) -> None:
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

    def _report(
        self, queue: ReportQueue, living: Mapping[int, LeasedTrial]
    ) -> Mapping[int, JobDecision]:
        """Sends what waits; lets no trial go on that is lost or refused, and decides on others."""
        decisions = {}
        answers = queue.flush()
        for run in living.values():
            answer = answers.get(run.job.id)
            is_refused = answer is None and run.job.id in answers
            if is_refused or self._heartbeat.has_lost(run.job):
                mark_lost(run)
            elif isinstance(answer, FailureCause):
                self._fail(run, answer)
            elif answer is not None:
                decisions[run.number] = answer
        return decisions

    def _flush(self, queue: ReportQueue, group: AnyGroup, living: dict[int, LeasedTrial]) -> None:
        """Sends what waits; lets go of the trials that are lost or told to stop."""
        for number, told in self._report(queue, living).items():
            run = living[number]
            if told.decision is Decision.STOP and not run.finished:
                if run.is_noted:
                    self._store(run, group)
                else:
                    self._send_states(run)
                self._trial_ends.end(TrialEnd(run, TrialState.PRUNED, message=told.why))
        self._trial_ends.send()
        self._let_go(group, living)

    def _let_go(self, group: AnyGroup, living: dict[int, LeasedTrial]) -> None:
        for number in [run.number for run in living.values() if run.over]:
            del living[number]
            group.drop(number)

    def _store(self, run: LeasedTrial, group: AnyGroup) -> None:
        """Sends the trial's present state, and what the server does not have of its past ones."""
        is_fresh = run.best_epoch == run.epoch and not run.best_is_stored
        run.take_last((run.best if is_fresh else None) or group.checkpoint(run.number))
        self._send_states(run)

    def _send_states(self, run: LeasedTrial) -> None:
        """Sends what the server does not have of the trial's past states."""
        best = last = None
        if run.last is not None and not run.last_is_stored:
            last = PendingState(run.last_epoch, run.last, last=True)
        if run.best is not None and run.best_epoch is not None and not run.best_is_stored:
            # Of a trial that has no later state its best one is the last.
            best = PendingState(
                run.best_epoch, run.best, best=True, last=run.best_epoch > run.last_epoch
            )
        self._trial_ends.store(run, run.kept.take(best, last) if run.kept else [])
        run.best_is_stored = run.last_is_stored = True

    def _finish(self, run: LeasedTrial, group: AnyGroup, report: EpochReport) -> None:
        if report.diverged:
            self._send_states(run)
            self._trial_ends.end(TrialEnd(run, TrialState.PRUNED, TrialReason.DIVERGED))
        else:
            self._store(run, group)
            self._trial_ends.end(TrialEnd(run, TrialState.COMPLETE))

    def _fail(self, run: LeasedTrial, fault: FailureCause) -> None:
        fail_job(self._client, run.job, fault)
        run.over = True

    def _release(
        self, runs: Iterable[LeasedTrial], message: str = "the worker was told to end"
    ) -> None:
        for run in _open(runs):
            self._fail(run, FailureCause(FailureReason.RELEASED, message))


def _open(runs: Iterable[LeasedTrial]) -> list[LeasedTrial]:
    return [run for run in runs if not run.over]


def _held_bytes(runs: Iterable[LeasedTrial]) -> int:
    return sum(run.kept.size_bytes for run in runs if run.kept)


def _groups(runs: Sequence[LeasedTrial]) -> Iterator[list[LeasedTrial]]:
    """Runs that may train together: of one study, with equal keys."""
    groups: dict[object, list[LeasedTrial]] = {}
    for run in runs:
        groups.setdefault((run.job.study_id, group_key(run.plan)), []).append(run)
    yield from groups.values()
