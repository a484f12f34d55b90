"""Checkpoints and ends of trials on their way to the server, sent together.

Order matters: a trial's checkpoints are there before it is said to be over.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeVar

from hpsearch.errors import NotFound, StaleLease
from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.exchange import JobCompletion
from hpsearch.spec.parcel import Enclosed
from workers.kept import State
from workers.link import Link
from workers.run import Run

logger = logging.getLogger("hpsearch.worker")

PARCEL_BYTES = 1 << 26
"""Contents are sent when they come to this much."""
PARCEL_CONTENTS = 1000
"""Or when they are so many, which take the server 3 s."""
DROPPED = "job %d is no longer this worker's; it is dropped"

T = TypeVar("T")


class _Sent(NamedTuple):
    run: Run
    enclosed: Enclosed
    content: bytes


class Delivery:
    """Collects; `send` sends what has come together."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._checkpoints: list[_Sent] = []
        self._size = 0
        self._ends: list[tuple[Run, JobCompletion]] = []

    def checkpoint(self, run: Run, state: State) -> None:
        """Takes a trial's state after an epoch on."""
        self._enclose(
            run, state.epoch, state.content, best=state.best, last=state.last,
            reasons=state.reasons,
        )  # fmt: skip

    def predictions(self, run: Run, epoch: int, content: bytes) -> None:
        """Takes on what a state predicts, behind the state itself."""
        self._enclose(run, epoch, content, of="predictions", best=False, last=False)

    def _enclose(
        self,
        run: Run,
        epoch: int,
        content: bytes,
        *,
        best: bool,
        last: bool,
        of: Literal["checkpoint", "predictions"] = "checkpoint",
        reasons: tuple[Reason, ...] = (),
    ) -> None:
        enclosed = Enclosed(
            job=run.job.id, attempt=run.job.attempt, epoch=epoch, content=of, best=best, last=last,
            reasons=reasons, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(),
        )  # fmt: skip
        self._checkpoints.append(_Sent(run, enclosed, content))
        self._size += len(content)
        if self._size >= PARCEL_BYTES or len(self._checkpoints) >= PARCEL_CONTENTS:
            self._send_checkpoints()

    def end(self, run: Run, completion: JobCompletion) -> None:
        """Takes a trial's end on, behind its checkpoints."""
        self._ends.append((run, completion))

    def send(self) -> None:
        """Sends all; trials that have ended, or whose lease is gone, are over."""
        self._send_checkpoints()
        ends = [(run, end) for run, end in self._ends if not run.over]
        self._ends = []
        self._all_or_each(ends, lambda part: self._link.complete([end for _, end in part]))
        for run, _ in ends:
            run.over = True

    def _send_checkpoints(self) -> None:
        waiting = [one for one in self._checkpoints if not one.run.over]
        self._checkpoints, self._size = [], 0
        self._all_or_each(
            [(one.run, one) for one in waiting],
            lambda part: self._link.store([(one.enclosed, one.content) for _, one in part]),
        )

    @staticmethod
    def _all_or_each(
        items: Sequence[tuple[Run, T]], send: Callable[[Sequence[tuple[Run, T]]], None]
    ) -> None:
        """All at once; where one lease is gone all are refused, and each is sent on its own."""
        if not items:
            return
        try:
            send(items)
        except (StaleLease, NotFound):
            if len(items) == 1:
                lose(items[0][0])
                return
            for item in items:
                if not item[0].over:
                    Delivery._all_or_each([item], send)


def lose(run: Run) -> None:
    """The trial is another worker's now."""
    logger.warning(DROPPED, run.job.id)
    run.over = True
