"""States of a trial that wait to be sent, beside its best and its last one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from hpsearch.spec.checkpoints import Reason
from hpsearch.training.evaluation.snapshots import snapshot_epochs
from hpsearch.training.tasks.plan import Plan


@dataclass(frozen=True)
class PendingState:
    """A trial after an epoch, and what its checkpoint is stored as."""

    epoch: int
    """From 0."""
    content: bytes
    """The checkpoint's."""
    best: bool = False
    last: bool = False
    reasons: tuple[Reason, ...] = ()
    """Why the study's policy keeps it beside the best and the last one."""


@dataclass
class PendingStates:
    """States that the study's policy keeps and the server does not have yet."""

    plan: Plan
    updates_per_epoch: int
    _waiting: dict[int, PendingState] = field(default_factory=dict)

    def reasons(self, epoch: int) -> tuple[Reason, ...]:
        """Why the state after an epoch is kept beside the best and the last one; empty if not."""
        policy = self.plan.spec.checkpoints
        reasons: list[Reason] = []
        if policy.every is not None and (epoch + 1) % policy.every == 0:
            reasons.append("every")
        if policy.recent is not None:
            reasons.append("recent")
        if policy.snapshots and epoch in self._snapshots:
            reasons.append("snapshot")
        return tuple(reasons)

    @property
    def size_bytes(self) -> int:
        """The memory that the waiting states take."""
        return sum(len(state.content) for state in self._waiting.values())

    def add(self, epoch: int, content: bytes, reasons: tuple[Reason, ...]) -> None:
        """Adds a state, and drops those that were kept as recent alone and are so no more."""
        self._waiting[epoch] = PendingState(epoch, content, reasons=reasons)
        recent = self.plan.spec.checkpoints.recent or 0
        for state in list(self._waiting.values()):
            if state.reasons == ("recent",) and state.epoch <= epoch - recent:
                del self._waiting[state.epoch]

    def drop_from(self, epoch: int) -> None:
        """Drops the states after an epoch and those behind it."""
        self._waiting = {at: state for at, state in self._waiting.items() if at < epoch}

    def take(self, best: PendingState | None, last: PendingState | None) -> list[PendingState]:
        """All that is to be sent, by epoch and each epoch once; it waits no more.

        Args:
            best: the best state, unless the server has it.
            last: the last one, if it is to be sent.
        """
        states, self._waiting = self._waiting, {}
        for state in (best, last):
            if state is not None:
                known = states.get(state.epoch, state)
                states[state.epoch] = replace(
                    state,
                    best=known.best or state.best,
                    last=known.last or state.last,
                    reasons=known.reasons,
                )
        return [states[epoch] for epoch in sorted(states)]

    @cached_property
    def _snapshots(self) -> frozenset[int]:
        return snapshot_epochs(self.plan, self.updates_per_epoch)
