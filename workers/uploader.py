"""Checkpoints and ends of trials on their way to the server, sent together.

Order matters: a trial's checkpoints are there before it is said to be over.
"""

from __future__ import annotations

import hashlib
import logging
from typing import NamedTuple

from hpsearch.errors import CorruptArtifact
from hpsearch.spec.wire.jobs import JobCompletion
from hpsearch.spec.wire.multipart import CheckpointPart
from workers.failures import FailureCause
from workers.leased_trial import LeasedTrial
from workers.pending_states import PendingState
from workers.refusals import Items, fail_trial, send_all_or_each
from workers.server_api import WorkerClient

logger = logging.getLogger("hpsearch.worker")

BATCH_BYTES = 1 << 26
"""Contents are sent when they come to this much."""
BATCH_CONTENTS = 1000
"""Or when they are so many, which take the server 3 s."""
TRIES = 3
"""How often contents are sent that arrive damaged."""


class _Part(NamedTuple):
    """One content of a request, and what the request's header says of it."""

    header: CheckpointPart
    content: bytes


class Uploader:
    """Collects what is to be stored and said of trials; `flush` sends it.

    One serves all groups of a worker: what a group that broke had collected goes out with the next.
    """

    def __init__(self, client: WorkerClient) -> None:
        self._client = client
        self._parts: list[tuple[LeasedTrial, _Part]] = []
        self._size_bytes = 0
        self._completions: list[tuple[LeasedTrial, JobCompletion]] = []
        self._failures: list[tuple[LeasedTrial, FailureCause]] = []

    def add_checkpoint(self, trial: LeasedTrial, state: PendingState) -> None:
        """Adds a trial's state after an epoch."""
        header = CheckpointPart(
            job=trial.job.id, attempt=trial.job.attempt, epoch=state.epoch, content="checkpoint",
            best=state.best, last=state.last, reasons=state.reasons,
            size_bytes=len(state.content), sha256=hashlib.sha256(state.content).hexdigest(),
        )  # fmt: skip
        self._add(trial, _Part(header, state.content))

    def add_predictions(self, trial: LeasedTrial, epoch: int, content: bytes) -> None:
        """Adds what a state predicts, behind the state itself."""
        header = CheckpointPart(
            job=trial.job.id, attempt=trial.job.attempt, epoch=epoch, content="predictions",
            best=False, last=False,
            size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(),
        )  # fmt: skip
        self._add(trial, _Part(header, content))

    def add_completion(self, trial: LeasedTrial, completion: JobCompletion) -> None:
        """Adds a trial's end, behind its checkpoints."""
        self._completions.append((trial, completion))

    def add_failure(self, trial: LeasedTrial, cause: FailureCause) -> None:
        """Adds why a trial is not done, behind its checkpoints."""
        self._failures.append((trial, cause))

    def flush(self) -> None:
        """Sends all; trials that ended, failed, were refused or lost their lease are over.

        Raises:
            StorageFull: when the server has no room; what is not over is the caller's to give back.
        """
        self._flush_parts()
        failures, self._failures = self._failures, []
        for trial, cause in failures:
            fail_trial(self._client, trial, cause)
        ends = [(trial, end) for trial, end in self._completions if not trial.is_over]
        self._completions = []
        send_all_or_each(
            self._client, ends, lambda items: self._client.complete([end for _, end in items])
        )
        for trial, _ in ends:
            trial.is_over = True

    def _add(self, trial: LeasedTrial, part: _Part) -> None:
        self._parts.append((trial, part))
        self._size_bytes += len(part.content)
        if self._size_bytes >= BATCH_BYTES or len(self._parts) >= BATCH_CONTENTS:
            self._flush_parts()

    def _flush_parts(self) -> None:
        parts = [(trial, part) for trial, part in self._parts if not trial.is_over]
        self._parts, self._size_bytes = [], 0
        send_all_or_each(self._client, parts, self._store)

    def _store(self, items: Items[_Part]) -> None:
        """Sends contents; again where they do not arrive as they were.

        Raises:
            CorruptArtifact: when they never do.
        """
        for left in reversed(range(TRIES)):
            try:
                self._client.store_checkpoints([(part.header, part.content) for _, part in items])
            except CorruptArtifact as error:
                if not left:
                    raise
                logger.warning("checkpoints are sent again: %s", error)
            else:
                return
