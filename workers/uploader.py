"""Checkpoints and ends of trials on their way to the server, sent together.

Order matters: a trial's checkpoints are there before it is said to be over. What the server will
not take of one trial costs the others nothing: that trial is given back, and says why.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeVar

from hpsearch.errors import CorruptArtifact, HpsearchError, NotFound, StaleLease, StorageFull
from hpsearch.spec.checkpoints import Reason
from hpsearch.spec.wire.jobs import JobCompletion
from hpsearch.spec.wire.multipart import CheckpointPart
from workers.failures import DROPPED, WORKER_ERRORS, FailureCause, cause_of, fail_job
from workers.leased_trial import LeasedTrial
from workers.pending_states import PendingState
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")

PARCEL_BYTES = 1 << 26
"""Contents are sent when they come to this much."""
PARCEL_CONTENTS = 1000
"""Or when they are so many, which take the server 3 s."""
TRIES = 3
"""So often is sent what arrives damaged."""

T = TypeVar("T")


class _Sent(NamedTuple):
    run: LeasedTrial
    enclosed: CheckpointPart
    content: bytes


class Uploader:
    """Collects; `send` sends what has come together."""

    def __init__(self, client: WorkerClient) -> None:
        self._client = client
        self._checkpoints: list[_Sent] = []
        self._size = 0
        self._ends: list[tuple[LeasedTrial, JobCompletion]] = []
        self._faults: list[tuple[LeasedTrial, FailureCause]] = []

    def checkpoint(self, run: LeasedTrial, state: PendingState) -> None:
        """Takes a trial's state after an epoch on."""
        self._enclose(
            run, state.epoch, state.content, best=state.best, last=state.last,
            reasons=state.reasons,
        )  # fmt: skip

    def predictions(self, run: LeasedTrial, epoch: int, content: bytes) -> None:
        """Takes on what a state predicts, behind the state itself."""
        self._enclose(run, epoch, content, of="predictions", best=False, last=False)

    def _enclose(
        self,
        run: LeasedTrial,
        epoch: int,
        content: bytes,
        *,
        best: bool,
        last: bool,
        of: Literal["checkpoint", "predictions"] = "checkpoint",
        reasons: tuple[Reason, ...] = (),
    ) -> None:
        enclosed = CheckpointPart(
            job=run.job.id, attempt=run.job.attempt, epoch=epoch, content=of, best=best, last=last,
            reasons=reasons, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(),
        )  # fmt: skip
        self._checkpoints.append(_Sent(run, enclosed, content))
        self._size += len(content)
        if self._size >= PARCEL_BYTES or len(self._checkpoints) >= PARCEL_CONTENTS:
            self._send_checkpoints()

    def end(self, run: LeasedTrial, completion: JobCompletion) -> None:
        """Takes a trial's end on, behind its checkpoints."""
        self._ends.append((run, completion))

    def fail(self, run: LeasedTrial, fault: FailureCause) -> None:
        """Takes on why a trial is given back, behind its checkpoints."""
        self._faults.append((run, fault))

    def send(self) -> None:
        """Sends all; trials that have ended, are given back, or whose lease is gone, are over.

        Raises:
            StorageFull: when the server has no room; what is not over is the caller's to give back.
        """
        self._send_checkpoints()
        faults, self._faults = self._faults, []
        for run, fault in faults:
            self._fail(run, fault)
        ends = [(run, end) for run, end in self._ends if not run.over]
        self._ends = []
        self._all_or_each(ends, lambda part: self._client.complete([end for _, end in part]))
        for run, _ in ends:
            run.over = True

    def _send_checkpoints(self) -> None:
        waiting = [one for one in self._checkpoints if not one.run.over]
        self._checkpoints, self._size = [], 0
        self._all_or_each([(one.run, one) for one in waiting], self._store)

    def _store(self, part: Sequence[tuple[LeasedTrial, _Sent]]) -> None:
        """Sends contents; again where they do not arrive as they were.

        Raises:
            CorruptArtifact: when they never do.
        """
        for left in reversed(range(TRIES)):
            try:
                self._client.store([(one.enclosed, one.content) for _, one in part])
            except CorruptArtifact as error:
                if not left:
                    raise
                logger.warning("checkpoints are sent again: %s", error)
            else:
                return

    def _all_or_each(
        self,
        items: Sequence[tuple[LeasedTrial, T]],
        send: Callable[[Sequence[tuple[LeasedTrial, T]]], None],
    ) -> None:
        """All at once; where one is refused all are, and each is sent on its own."""
        if not items:
            return
        try:
            send(items)
        except (*WORKER_ERRORS, StorageFull):  # no item's own
            raise
        except (HpsearchError, MemoryError) as error:
            if len(items) > 1:
                for item in items:
                    if not item[0].over:
                        self._all_or_each([item], send)
            elif isinstance(error, StaleLease | NotFound):
                mark_lost(items[0][0])
            else:
                logger.warning("job %d is refused: %s", items[0][0].job.id, error)
                self._fail(items[0][0], cause_of(error))

    def _fail(self, run: LeasedTrial, fault: FailureCause) -> None:
        if not run.over:
            fail_job(self._client, run.job, fault)
            run.over = True


def mark_lost(run: LeasedTrial) -> None:
    """The trial is another worker's now."""
    logger.warning(DROPPED, run.job.id)
    run.over = True
