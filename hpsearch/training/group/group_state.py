"""How trials come into a group, fresh or from a checkpoint, and how a checkpoint is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from hpsearch.errors import CorruptArtifact
from hpsearch.training.checkpoints.checkpoint import Checkpoint, Parameters
from hpsearch.training.group.state import Copies, Row, State
from hpsearch.training.group.trial_progress import Member
from hpsearch.training.numerics.alignment import stacked
from hpsearch.training.numerics.flatten import flat, named
from hpsearch.training.optimizers import rule_for
from hpsearch.training.tasks.base import Task
from hpsearch.training.tasks.plan import Plan


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
            row, statistics = task.initial(plan.spec, plan.run.trial, plan.run.repeat)
        else:
            members.append(_continued(plan, found))
            row = flat(task.layout, found.weights)
            statistics = flat(task.buffers, found.buffers)
        weights.append(row.to(device, dtype))
        buffers.append(statistics.to(device, dtype))
    matrix, statistics = stacked(weights), torch.stack(buffers)
    state = State(
        layout=task.layout,
        buffer_layout=task.buffers,
        weights=matrix,
        buffers=statistics,
        slots=rule_for(plans[0].spec.optimizer, task.layout).slots(matrix),
        updates=torch.zeros(len(plans), 1, dtype=torch.long, device=device),
        copies={name: Copies(stacked(weights), statistics.clone()) for name in copied(plans[0])},
    )
    for k, plan in enumerate(plans):
        if plan.number in saved:
            _restore(state, k, saved[plan.number])
    return members, state


def copied(plan: Plan) -> list[str]:
    """The copies of its weights that a trial keeps."""
    training = plan.spec.training
    stopping = training.early_stopping
    asked = {
        "ema": training.ema is not None,
        "swa": training.swa is not None,
        "best": stopping is not None and stopping.restore_best,
    }
    return [name for name, is_asked in asked.items() if is_asked]


def taken(member: Member, row: Row, task: Task) -> Checkpoint:
    """A member's checkpoint."""
    fitted = task.standardization
    return Checkpoint(
        number=member.plan.run.trial,
        epoch=member.epoch - 1,
        updates=row.updates,
        best=member.best,
        averaged=member.averaged,
        stopped=member.stopped,
        spec=member.plan.spec,
        classes=task.classes,
        weights=named(task.layout, row.weights),
        buffers=named(task.buffers, row.buffers),
        slots=row.slots,
        copies={
            name: Parameters(named(task.layout, copy.weights), named(task.buffers, copy.buffers))
            for name, copy in row.copies.items()
        },
        standardization=fitted,
        history={name: tuple(values) for name, values in member.history.items()},
    )


def _continued(plan: Plan, saved: Checkpoint) -> Member:
    return Member(
        plan=plan,
        epoch=saved.epoch + 1,
        history={name: list(values) for name, values in saved.history.items()},
        best=saved.best,
        averaged=saved.averaged,
        stopped=saved.stopped,
    )


def _restore(state: State, k: int, saved: Checkpoint) -> None:
    """Fills row k with what lies beside the weights."""
    expected = {name: slot[k].shape for name, slot in state.slots.items()}
    if {name: slot.shape for name, slot in saved.slots.items()} != expected:
        raise CorruptArtifact(
            f"a checkpoint's state must be that of the trial's optimizer, got "
            f"{', '.join(saved.slots) or 'none'} for trial {saved.number}; "
            "start the trial from the beginning"
        )
    for name, slot in state.slots.items():
        slot[k] = saved.slots[name].to(slot.device, slot.dtype)
    for name, copies in state.copies.items():
        if name not in saved.copies:
            raise CorruptArtifact(
                f"a checkpoint must hold the trial's {name} weights, and that of trial "
                f"{saved.number} has none; start the trial from the beginning"
            )
        found = saved.copies[name]
        copies.weights[k] = flat(state.layout, found.weights).to(copies.weights)
        copies.buffers[k] = flat(state.buffer_layout, found.buffers).to(copies.buffers)
    state.updates[k] = saved.updates
