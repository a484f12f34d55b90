"""How trials come into a group and out of it: fresh or from a checkpoint, and back into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from hpsearch.errors import CorruptArtifact
from hpsearch.training.checkpoint import Checkpoint
from hpsearch.training.optimizers import rule_for
from hpsearch.training.plan import Plan
from hpsearch.training.rows import flat, named
from hpsearch.training.schedules import reads_history
from hpsearch.training.state import Row, State
from hpsearch.training.tasks.base import Task


@dataclass
class Member:
    """A trial in its group, and how far it has come."""

    plan: Plan
    epoch: int = 0
    """The next one to train, 0-based."""
    history: dict[str, list[float]] = field(default_factory=dict)
    """The metrics that its schedules follow, one value per finished epoch."""
    diverged: bool = False

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return self.diverged or self.epoch >= self.plan.epochs

    def watched(self, metric: str | None) -> Sequence[float]:
        """A metric's values so far; none for a schedule that follows time alone."""
        return self.history.get(metric, ()) if metric is not None else ()

    def note(self, metrics: Mapping[str, float]) -> None:
        """Counts an epoch as finished and keeps what schedules follow."""
        spec = self.plan.spec
        for schedule in (spec.schedule, spec.optimizer.momentum_schedule):
            metric = None if schedule is None else reads_history(schedule)
            if metric is not None and len(self.watched(metric)) == self.epoch:
                self.history.setdefault(metric, []).append(metrics[metric])
        self.epoch += 1


def join(
    plans: Sequence[Plan],
    saved: Mapping[int, Checkpoint],
    task: Task,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[list[Member], State]:
    """One member and one row per plan.

    Raises:
        CorruptArtifact: when a checkpoint does not fit its plan.
    """
    members, weights, buffers = [], [], []
    for plan in plans:
        found = saved.get(plan.number)
        if found is None:
            members.append(Member(plan))
            row, statistics = task.initial(plan.spec, plan.number)
        else:
            history = {name: list(values) for name, values in found.history.items()}
            members.append(Member(plan, found.epoch + 1, history))
            row = flat(task.layout, found.weights)
            statistics = flat(task.buffers, found.buffers)
        weights.append(row.to(device, dtype))
        buffers.append(statistics.to(device, dtype))
    matrix = torch.stack(weights)
    state = State(
        layout=task.layout,
        buffer_layout=task.buffers,
        weights=matrix,
        buffers=torch.stack(buffers),
        slots=rule_for(plans[0].spec.optimizer, task.layout).slots(matrix),
        updates=torch.zeros(len(plans), 1, dtype=torch.long, device=device),
    )
    for k, plan in enumerate(plans):
        if plan.number in saved:
            _restore(state, k, saved[plan.number])
    return members, state


def leave(member: Member, row: Row, task: Task) -> Checkpoint:
    """A member's checkpoint."""
    fitted = task.standardization
    return Checkpoint(
        number=member.plan.number,
        epoch=member.epoch - 1,
        updates=row.updates,
        spec=member.plan.spec,
        classes=task.classes,
        weights=named(task.layout, row.weights),
        buffers=named(task.buffers, row.buffers),
        slots=row.slots,
        standardization=None
        if fitted is None
        else (torch.from_numpy(fitted.shift), torch.from_numpy(fitted.scale)),
        history={name: tuple(values) for name, values in member.history.items()},
    )


def _restore(state: State, k: int, saved: Checkpoint) -> None:
    expected = {name: slot[k].shape for name, slot in state.slots.items()}
    if {name: slot.shape for name, slot in saved.slots.items()} != expected:
        raise CorruptArtifact(
            f"a checkpoint's state must be that of the trial's optimizer, got "
            f"{', '.join(saved.slots) or 'none'} for trial {saved.number}; "
            "start the trial from the beginning"
        )
    for name, slot in state.slots.items():
        slot[k] = saved.slots[name].to(slot.device, slot.dtype)
    state.updates[k] = saved.updates
