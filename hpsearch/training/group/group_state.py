"""How trials come into a group, fresh or from a checkpoint, and how a checkpoint is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from hpsearch.errors import CorruptArtifact
from hpsearch.training.checkpoints.checkpoint import Checkpoint, Parameters
from hpsearch.training.group.state import Copies, GroupState, TrialState
from hpsearch.training.group.trial_progress import TrialProgress
from hpsearch.training.numerics.alignment import stack_rows
from hpsearch.training.numerics.flatten import flatten, unflatten
from hpsearch.training.optimizers import rule_for
from hpsearch.training.tasks.base import Task
from hpsearch.training.tasks.plan import Plan


def build_state(
    plans: Sequence[Plan],
    saved: Mapping[int, Checkpoint],
    task: Task,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[list[TrialProgress], GroupState]:
    """One member and one row per plan.

    Raises:
        CorruptArtifact: when a checkpoint does not fit its plan.
    """
    members, weights, buffers = [], [], []
    for plan in plans:
        found = saved.get(plan.number)
        if found is None:
            members.append(TrialProgress(plan))
            row, statistics = task.initial_weights(plan.spec, plan.run_id.trial, plan.run_id.repeat)
        else:
            members.append(_continued(plan, found))
            row = flatten(task.layout, found.weights)
            statistics = flatten(task.buffers, found.buffers)
        weights.append(row.to(device, dtype))
        buffers.append(statistics.to(device, dtype))
    matrix, statistics = stack_rows(weights), torch.stack(buffers)
    state = GroupState(
        layout=task.layout,
        buffer_layout=task.buffers,
        weights=matrix,
        buffers=statistics,
        optimizer_state=rule_for(plans[0].spec.optimizer, task.layout).init_state(matrix),
        updates=torch.zeros(len(plans), 1, dtype=torch.long, device=device),
        copies={
            name: Copies(stack_rows(weights), statistics.clone()) for name in copy_names(plans[0])
        },
    )
    for k, plan in enumerate(plans):
        if plan.number in saved:
            _restore(state, k, saved[plan.number])
    return members, state


def copy_names(plan: Plan) -> list[str]:
    """The copies of its weights that a trial keeps."""
    training = plan.spec.training
    stopping = training.early_stopping
    asked = {
        "ema": training.ema is not None,
        "swa": training.swa is not None,
        "best": stopping is not None and stopping.restore_best,
    }
    return [name for name, is_asked in asked.items() if is_asked]


def checkpoint_of(member: TrialProgress, row: TrialState, task: Task) -> Checkpoint:
    """A member's checkpoint."""
    fitted = task.standardization
    return Checkpoint(
        number=member.plan.run_id.trial,
        epoch=member.epoch - 1,
        updates=row.updates,
        best=member.best,
        averaged=member.averaged,
        stopped=member.stopped,
        spec=member.plan.spec,
        classes=task.classes,
        weights=unflatten(task.layout, row.weights),
        buffers=unflatten(task.buffers, row.buffers),
        optimizer_state=row.optimizer_state,
        copies={
            name: Parameters(
                unflatten(task.layout, copy.weights), unflatten(task.buffers, copy.buffers)
            )
            for name, copy in row.copies.items()
        },
        standardization=fitted,
        history={name: tuple(values) for name, values in member.history.items()},
    )


def _continued(plan: Plan, saved: Checkpoint) -> TrialProgress:
    return TrialProgress(
        plan=plan,
        epoch=saved.epoch + 1,
        history={name: list(values) for name, values in saved.history.items()},
        best=saved.best,
        averaged=saved.averaged,
        stopped=saved.stopped,
    )


def _restore(state: GroupState, k: int, saved: Checkpoint) -> None:
    """Fills row k with what lies beside the weights."""
    expected = {name: tensor[k].shape for name, tensor in state.optimizer_state.items()}
    if {name: tensor.shape for name, tensor in saved.optimizer_state.items()} != expected:
        raise CorruptArtifact(
            f"a checkpoint's state must be that of the trial's optimizer, got "
            f"{', '.join(saved.optimizer_state) or 'none'} for trial {saved.number}; "
            "start the trial from the beginning"
        )
    for name, tensor in state.optimizer_state.items():
        tensor[k] = saved.optimizer_state[name].to(tensor.device, tensor.dtype)
    for name, copies in state.copies.items():
        if name not in saved.copies:
            raise CorruptArtifact(
                f"a checkpoint must hold the trial's {name} weights, and that of trial "
                f"{saved.number} has none; start the trial from the beginning"
            )
        found = saved.copies[name]
        copies.weights[k] = flatten(state.layout, found.weights).to(copies.weights)
        copies.buffers[k] = flatten(state.buffer_layout, found.buffers).to(copies.buffers)
    state.updates[k] = saved.updates
