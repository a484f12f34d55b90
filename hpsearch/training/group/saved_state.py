"""From plans and checkpoints to the state of a group, and from that to a trial's checkpoint."""

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
    """Progress and tensors of the trials, fresh or as their checkpoints have them.

    Args:
        plans: one per trial, with equal `group_key`.
        saved: checkpoints by trial number.
        task: the one that they share.
        device: where the tensors lie.
        dtype: of weights and running statistics.

    Returns:
        One progress and one row of the state per plan, in their order.

    Raises:
        CorruptArtifact: when a checkpoint does not fit its plan.
    """
    progress, weights, buffers = [], [], []
    for plan in plans:
        checkpoint = saved.get(plan.number)
        if checkpoint is None:
            progress.append(TrialProgress(plan))
            row, statistics = task.initial_weights(plan.spec, plan.run_id.trial, plan.run_id.repeat)
        else:
            progress.append(_resumed(plan, checkpoint))
            row = flatten(task.layout, checkpoint.weights)
            statistics = flatten(task.buffers, checkpoint.buffers)
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
            name: Copies(stack_rows(weights), statistics.clone()) for name in _copy_names(plans[0])
        },
    )
    for k, plan in enumerate(plans):
        if plan.number in saved:
            _restore(state, k, saved[plan.number])
    return progress, state


def _copy_names(plan: Plan) -> list[str]:
    """Which copies of its weights a trial keeps: `ema`, `swa`, `best`."""
    training = plan.spec.training
    stopping = training.early_stopping
    enabled = {
        "ema": training.ema is not None,
        "swa": training.swa is not None,
        "best": stopping is not None and stopping.restore_best,
    }
    return [name for name, is_enabled in enabled.items() if is_enabled]


def checkpoint_of(trial: TrialProgress, state: TrialState, task: Task) -> Checkpoint:
    """What a trial needs to go on, from its progress and its row of the group's state."""
    return Checkpoint(
        number=trial.plan.run_id.trial,
        epoch=trial.epoch - 1,
        updates=state.updates,
        best=trial.best,
        swa_epochs=trial.swa_epochs,
        stopped=trial.stopped,
        spec=trial.plan.spec,
        classes=task.classes,
        class_type=task.class_type,
        weights=unflatten(task.layout, state.weights),
        buffers=unflatten(task.buffers, state.buffers),
        optimizer_state=state.optimizer_state,
        copies={
            name: Parameters(
                unflatten(task.layout, copy.weights), unflatten(task.buffers, copy.buffers)
            )
            for name, copy in state.copies.items()
        },
        standardization=task.standardization,
        history={name: tuple(values) for name, values in trial.history.items()},
    )


def _resumed(plan: Plan, saved: Checkpoint) -> TrialProgress:
    return TrialProgress(
        plan=plan,
        epoch=saved.epoch + 1,
        history={name: list(values) for name, values in saved.history.items()},
        best=saved.best,
        swa_epochs=saved.swa_epochs,
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
        copy = saved.copies[name]
        copies.weights[k] = flatten(state.layout, copy.weights).to(copies.weights)
        copies.buffers[k] = flatten(state.buffer_layout, copy.buffers).to(copies.buffers)
    state.updates[k] = saved.updates
