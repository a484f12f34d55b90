"""States of a trial that its worker sends beside its best and last one, held until then."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from hpsearch.spec.checkpoints import Reason
from hpsearch.training.evaluation.snapshots import snapshot_epochs
from hpsearch.training.tasks.plan import Plan


@dataclass(frozen=True)
class PendingState:
    """A trial after an epoch."""

    epoch: int
    content: bytes
    best: bool = False
    last: bool = False
    reasons: tuple[Reason, ...] = ()


@dataclass
class PendingStates:
    """States that the study's policy keeps and the server does not have yet."""

    plan: Plan
    updates_per_epoch: int
    _waiting: dict[int, PendingState] = field(default_factory=dict)

    def reasons(self, epoch: int) -> tuple[Reason, ...]:
        """Why the state after an epoch is kept beside the best and the last one."""
        policy = self.plan.spec.checkpoints
        found: list[Reason] = []
        if policy.every is not None and (epoch + 1) % policy.every == 0:
            found.append("every")
        if policy.recent is not None:
            found.append("recent")
        if policy.snapshots and epoch in self._snapshots:
            found.append("snapshot")
        return tuple(found)

    @property
    def size_bytes(self) -> int:
        """What the states held take."""
        return sum(len(state.content) for state in self._waiting.values())

    def add(self, epoch: int, content: bytes, reasons: tuple[Reason, ...]) -> None:
        """Holds a state; lets go of one that is recent no more."""
        self._waiting[epoch] = PendingState(epoch, content, reasons=reasons)
        recent = self.plan.spec.checkpoints.recent or 0
        for state in list(self._waiting.values()):
            if state.reasons == ("recent",) and state.epoch <= epoch - recent:
                del self._waiting[state.epoch]

    def take(self, best: PendingState | None, last: PendingState | None) -> list[PendingState]:
        """All that is to be sent, by epoch and each epoch once; it is held no more.

        Args:
            best: the best state, unless the server has it.
            last: the last one, if it is to be sent.
        """
        found, self._waiting = self._waiting, {}
        for state in (best, last):
            if state is not None:
                held = found.get(state.epoch, state)
                found[state.epoch] = PendingState(
                    state.epoch,
                    state.content,
                    best=held.best or state.best,
                    last=held.last or state.last,
                    reasons=held.reasons,
                )
        return [found[epoch] for epoch in sorted(found)]

    @cached_property
    def _snapshots(self) -> frozenset[int]:
        return snapshot_epochs(self.plan, self.updates_per_epoch)
