"""Epochs on their way to the server, sent together a few times a second."""

from __future__ import annotations

import time
from typing import NamedTuple

from hpsearch.spec.wire.jobs import JobDecision, Report
from hpsearch.training.tasks.plan import EpochReport
from workers.leased_trial import LeasedTrial
from workers.refusals import Items, send_all_or_each
from workers.server_api import WorkerClient

FLUSH_SECONDS = 0.25
"""How long an epoch waits for others: a live curve is never later than this."""
MOST_REPORTS = 5000
"""They are sent when they come to this much: a server takes 10,000 at once, and an epoch of all the
trials that a worker holds may join them."""


class ReportAnswer(NamedTuple):
    """What the server said to the reports of one flush."""

    decisions: list[tuple[LeasedTrial, JobDecision]]
    """Of each trial whose epochs it took, whether the trial goes on."""
    predictions_wait: bool
    """Whether somebody waits for predictions."""


class ReportQueue:
    """Collects the epochs of a group's trials; `flush` sends them."""

    def __init__(self, client: WorkerClient) -> None:
        self._client = client
        self._waiting: dict[int, tuple[LeasedTrial, list[Report]]] = {}
        """By job."""
        self._flushed_at = time.monotonic()

    def add(self, trial: LeasedTrial, report: EpochReport) -> None:
        """Adds one epoch of a trial."""
        job = trial.job
        _, reports = self._waiting.setdefault(job.id, (trial, []))
        reports.append(
            Report(
                job=job.id, attempt=job.attempt, epoch=report.epoch, metrics=dict(report.metrics)
            )
        )
        trial.reported = report.epoch

    @property
    def is_due(self) -> bool:
        """Whether it is time to send."""
        count = sum(len(reports) for _, reports in self._waiting.values())
        return count >= MOST_REPORTS or time.monotonic() - self._flushed_at >= FLUSH_SECONDS

    def flush(self) -> ReportAnswer:
        """Sends what waits; trials whose epochs the server will not take are over.

        Raises:
            StorageFull: when the server has no room; all waits on.
        """
        self._flushed_at = time.monotonic()
        decisions: list[tuple[LeasedTrial, JobDecision]] = []
        predictions_wait = False

        def send(items: Items[list[Report]]) -> None:
            nonlocal predictions_wait
            answer = self._client.report([one for _, reports in items for one in reports])
            predictions_wait = answer.predictions_wait
            trials = {trial.job.id: trial for trial, _ in items}
            decisions.extend((trials[decision.job], decision) for decision in answer.decisions)

        send_all_or_each(self._client, list(self._waiting.values()), send)
        self._waiting = {}
        return ReportAnswer(decisions, predictions_wait)
