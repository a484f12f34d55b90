"""The training loop: an epoch of batches and steps for all trials of a group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from hpsearch.training.group.epoch_metrics import EpochMetrics
from hpsearch.training.group.hyperparameter_table import HyperparameterTable
from hpsearch.training.group.state import GroupState
from hpsearch.training.group.step import Step
from hpsearch.training.group.trial_progress import TrialProgress
from hpsearch.training.numerics.precision import autocast
from hpsearch.training.tasks.base import Batch, BatchResult, Task, TrialEpoch
from hpsearch.training.update.clipping import ClipResult

TINY = 1e-30
"""Least norm of weights that a step's size is compared with."""


class Loop:
    """Trains the trials whose rows `state` holds; a group makes a new one when rows leave.

    Args:
        task: what is trained on.
        trials: one for each row of `state`.
        state: changed in place.
    """

    def __init__(self, task: Task, trials: Sequence[TrialProgress], state: GroupState) -> None:
        training = trials[0].plan.spec.training
        self._task, self._trials, self._state = task, trials, state
        self._accumulate = training.accumulate
        self._clips = training.clip is not None
        self._autocast = autocast(trials[0].plan.spec, state.weights.device)
        self._updates = -(-len(task.sizes) // training.accumulate)
        self._table = HyperparameterTable(trials, state, self._updates)
        specs = [trial.plan.spec for trial in trials]
        self._step = Step(specs, state, self._table.rule, self._table.scales)

    def last_rates(self, k: int) -> dict[str, float]:
        """Learning rate and momentum of trial k in the last step of the epoch trained last."""
        return self._table.last_rates[k]

    def penalty(self) -> Tensor:
        """The regulariser at the present weights, [K]."""
        penalty = self._step.regularization.penalty(self._state.weights)
        return self._state.weights.new_zeros(()) if penalty is None else penalty

    def batches(self) -> Iterator[Batch]:
        """The batches of the coming epoch."""
        run_ids = [trial.plan.run_id for trial in self._trials]
        return self._task.batches(
            [
                TrialEpoch(trial.plan.spec, run_id.trial, trial.epoch, run_id.repeat)
                for trial, run_id in zip(self._trials, run_ids, strict=True)
            ]
        )

    @torch.no_grad()
    def epoch(self, batches: Iterable[Batch]) -> tuple[dict[str, Tensor], Tensor]:
        """Trains on the batches of an epoch.

        Args:
            batches: those of `batches`; fewer leave the state amid an epoch, of use for timing
                alone.

        Returns:
            Metrics of training, each [K], and the regulariser's mean, [K].
        """
        state, task = self._state, self._task
        coefficients, decays = self._table.epoch(), self._table.ema_decays()
        sums = EpochMetrics(state.weights)
        before = state.weights
        update = 0
        for index, batch in enumerate(batches):
            position = index % self._accumulate
            first = index - position
            rows = sum(task.sizes[first : first + self._accumulate])
            if not self._table.rule.needs_closure:
                with self._autocast:
                    result = task.loss_and_gradients(state.leaves, state.buffer_views, batch, rows)
                state.set_gradients(result.gradients, add=position > 0)
                sums.add_batch(result)
            if position + 1 < self._accumulate and index + 1 < len(task.sizes):
                continue
            sums.add_penalty(self._step.regularization.penalty(state.weights), rows)
            if update == self._updates - 1:
                before = state.weights.clone()
            decay = None if decays is None else decays[update]
            if self._table.rule.needs_closure:
                closure = _Closure(self, batch)
                clipped = self._step(coefficients[update], decay, closure)
                clipped = ClipResult(closure.norm, clipped.clipped)
                sums.add_batch(closure.result)
            else:
                clipped = self._step(coefficients[update], decay)
            sums.add_step(clipped)
            update += 1
        step_norm = torch.linalg.vector_norm(state.weights - before, dim=1)
        weight_norm = torch.linalg.vector_norm(before, dim=1).clamp_(min=TINY)
        metrics = sums.metrics()
        if not self._clips:
            del metrics["clip_fraction"]
        return metrics | {"update_ratio": step_norm / weight_norm}, sums.penalty

    def evaluate(self, batch: Batch) -> tuple[BatchResult, Tensor]:
        """Fills the gradients at the present weights; result and objectives [K], l1 included."""
        state, task, regularization = self._state, self._task, self._step.regularization
        with self._autocast:
            result = task.loss_and_gradients(state.leaves, state.buffer_views, batch, batch.rows)
        state.set_gradients(result.gradients)
        objectives = result.losses.mean(1)
        penalty = regularization.l1_penalty(state.weights)
        regularization.add_l1_gradient(state.weights, state.grads)
        return result, objectives if penalty is None else objectives + penalty

    def gradient_norm(self) -> Tensor:
        """Of the gradients as they are, [K]."""
        norm: Tensor = torch.linalg.vector_norm(self._state.grads, dim=1)
        return norm


class _Closure:
    """Evaluates the full batch as often as a rule asks, and remembers the first evaluation."""

    result: BatchResult
    norm: Tensor
    """Of the gradients, [K]."""

    def __init__(self, loop: Loop, batch: Batch) -> None:
        self._loop, self._batch = loop, batch
        self._is_first = True

    def __call__(self) -> Tensor:
        result, objectives = self._loop.evaluate(self._batch)
        if self._is_first:
            self.result, self.norm = result, self._loop.gradient_norm()
            self._is_first = False
        return objectives
