"""Epochs on their way to the server, sent together a few times a second."""

from __future__ import annotations

import time
from collections.abc import Mapping

from hpsearch.errors import StaleLease
from hpsearch.spec.exchange import Job, JobDecision, Report
from workers.link import Link

FLUSH_SECONDS = 0.25
"""How long an epoch waits for others: a live curve is never later than this."""


class Outbox:
    """Collects reports; `flush` sends them and says which jobs may go on."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: dict[int, list[Report]] = {}
        self._sent_at = time.monotonic()

    def add(self, job: Job, epoch: int, metrics: Mapping[str, float]) -> None:
        """Takes one epoch on."""
        report = Report(job=job.id, attempt=job.attempt, epoch=epoch, metrics=dict(metrics))
        self._waiting.setdefault(job.id, []).append(report)

    @property
    def is_due(self) -> bool:
        """Whether it is time to send."""
        return time.monotonic() - self._sent_at >= FLUSH_SECONDS

    def flush(self) -> dict[int, JobDecision | None]:
        """Sends what waits: a decision by job, none where the lease is gone."""
        waiting, self._waiting = self._waiting, {}
        self._sent_at = time.monotonic()
        if not waiting:
            return {}
        try:
            return self._send([report for reports in waiting.values() for report in reports])
        except StaleLease:
            # The whole batch was refused for one of them; each is sent on its own.
            answers: dict[int, JobDecision | None] = {}
            for job, reports in waiting.items():
                try:
                    answers |= self._send(reports)
                except StaleLease:
                    answers[job] = None
            return answers

    def forget(self, job: Job) -> None:
        """Drops a job's reports."""
        self._waiting.pop(job.id, None)

    def _send(self, reports: list[Report]) -> dict[int, JobDecision | None]:
        return {item.job: item for item in self._link.report(reports).decisions}
