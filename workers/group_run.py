"""Trains one group of leased trials, from its first epoch to their ends.

Order matters: an epoch is reported before a checkpoint of it is sent, and both before the trial
is said to be complete, so whatever the server shows is true at every moment that anything may be
killed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from hpsearch.spec.language.states import Decision, TrialReason, TrialState
from hpsearch.spec.wire.jobs import TrialEnding
from hpsearch.training.group.multi_run_group import AnyGroup
from hpsearch.training.numerics.memory import is_out_of_memory
from hpsearch.training.tasks.plan import EpochReport
from workers.context import WorkerContext
from workers.leased_trial import LeasedTrial
from workers.pending_states import PendingStates
from workers.predictions import WaitingPredictions
from workers.refusals import release_trials
from workers.report_queue import ReportQueue
from workers.trial_ends import TrialEnd, TrialEnds
from workers.uploader import Uploader

PENDING_BYTES = 1 << 28
"""States are sent when those that wait come to this much."""


class GroupRun:
    """One group while it trains.

    Args:
        trials: its trials, none of them over.
        group: what trains them.
        context: the worker's.
        uploader: takes checkpoints and ends; it outlives the group.
        predictions: answered between two epochs.
    """

    def __init__(
        self,
        trials: Sequence[LeasedTrial],
        group: AnyGroup,
        context: WorkerContext,
        uploader: Uploader,
        predictions: WaitingPredictions,
    ) -> None:
        self._group = group
        self._context = context
        self._predictions = predictions
        self._predictions_wait = False
        self._reports = ReportQueue(context.client)
        self._ends = TrialEnds(uploader, context.device)
        self._stored_at = 0.0
        self._trials = {trial.number: trial for trial in trials}
        """Those that train on, by number."""
        # What a pruner or a limit would stop should not train on meanwhile.
        specs = [trial.plan.spec for trial in trials]
        self._may_stop = any(spec.is_pruned or spec.limits.may_cut_short for spec in specs)
        for trial in trials:
            trial.group_size = len(trials)
            trial.pending = trial.pending or PendingStates(trial.plan, group.updates_per_epoch)

    def train(self) -> None:
        """Trains until every trial is over, or given back as the worker is told to end.

        Raises:
            Exception: whatever broke the group; `rescue` saves what it had come to.
        """
        self._stored_at = time.monotonic()
        for reports in self._group.epochs():
            for report in reports:  # of all, before any state is collected: that may fail
                self._reports.add(self._trials[report.number], report)
            for report in reports:
                self._trials[report.number].collect(report, self._group)
            if self._must_flush(reports):
                self._flush_reports()
            self._end_finished(reports)
            self._answer_predictions()
            if self._context.stop.is_set():
                self._store_states()
                release_trials(self._context.client, self._trials.values())
                return
            if self._must_store():
                self._flush_reports()
                self._store_states()
                self._stored_at = time.monotonic()
        self._end_trained()

    def rescue(self, error: Exception) -> None:
        """Saves what a broken group had come to, so that its trials can go on in other groups.

        What waits is sent: it is true whatever came after it, and states may be in hand that need
        it. Where memory ran out each trial has its state after its last finished epoch then.

        Args:
            error: what broke it, which was no fault of the server's.
        """
        if is_out_of_memory(error):
            self._flush_reports()
            for trial in self._trials.values():
                if trial.is_collected:  # else it trains that epoch again
                    trial.collect_last(self._group)
        else:
            self._reports.flush()
            self._drop_lost()

    def _must_flush(self, reports: Sequence[EpochReport]) -> bool:
        return (
            self._may_stop
            or self._reports.is_due
            or self._context.stop.is_set()
            or any(report.finished for report in reports)
        )

    def _must_store(self) -> bool:
        """Whether a kill would cost too much training, or the pending states take too much."""
        is_due = time.monotonic() - self._stored_at >= self._context.checkpoint_seconds
        return (
            is_due or sum(trial.pending_bytes for trial in self._trials.values()) >= PENDING_BYTES
        )

    def _flush_reports(self) -> None:
        """Sends the waiting epochs; trials that are to be pruned or have ended leave the group."""
        answer = self._reports.flush()
        self._predictions_wait |= answer.predictions_wait
        self._drop_lost()
        for trial, verdict in answer.decisions:
            if trial.is_over:
                continue
            if verdict.ended is not None:
                self._end_cut(trial, verdict.ended)
                continue
            trial.confirm()
            if verdict.decision is Decision.STOP and not trial.is_finished:
                if trial.is_collected:
                    trial.collect_last(self._group)
                self._ends.add(TrialEnd(trial, TrialState.PRUNED, message=verdict.why))
        self._ends.flush()
        self._remove_over()

    def _end_cut(self, trial: LeasedTrial, ended: TrialEnding) -> None:
        """Ends a trial that a limit or a stop has ended: what counts of it is sent, no more."""
        if ended.epochs <= trial.reported:
            trial.cut(ended.epochs)
        elif trial.is_collected:
            trial.collect_last(self._group)
        self._ends.add(TrialEnd(trial, ended.state, ended.reason))
        if trial.is_finished:  # the group holds it no more
            del self._trials[trial.number]

    def _end_finished(self, reports: Sequence[EpochReport]) -> None:
        """Ends the trials that train no further, and sends what was collected."""
        for report in reports:
            if report.finished and report.number in self._trials:
                trial = self._trials.pop(report.number)
                if report.diverged:
                    self._ends.add(TrialEnd(trial, TrialState.PRUNED, TrialReason.DIVERGED))
                else:
                    trial.collect_last(self._group)
                    self._ends.add(TrialEnd(trial, TrialState.COMPLETE))
        self._ends.flush()

    def _end_trained(self) -> None:
        """Ends the trials that were resumed after their last epoch."""
        for trial in self._trials.values():
            self._ends.add(TrialEnd(trial, TrialState.COMPLETE))
        self._ends.flush()

    def _answer_predictions(self) -> None:
        if self._predictions_wait:
            self._predictions_wait = False
            self._predictions.answer()

    def _store_states(self) -> None:
        """Sends the present state of all trials; those that are over leave the group."""
        for trial in self._trials.values():
            trial.collect_last(self._group)
            self._ends.add_states(trial)
        self._ends.flush()
        self._remove_over()

    def _drop_lost(self) -> None:
        for trial in self._trials.values():
            if self._context.heartbeat.has_lost(trial.job):
                trial.drop()

    def _remove_over(self) -> None:
        for trial in [trial for trial in self._trials.values() if trial.is_over]:
            del self._trials[trial.number]
            self._group.drop(trial.number)
