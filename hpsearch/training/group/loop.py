"""The training loop: an epoch of batches and steps for all trials of a group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

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
    """For the rows of `state` as they are; made anew when rows go."""

    def __init__(self, task: Task, members: Sequence[TrialProgress], state: GroupState) -> None:
        training = members[0].plan.spec.training
        self._task, self._members, self._state = task, members, state
        self._accumulate = training.accumulate
        self._clips = training.clip is not None
        self._precision = autocast(members[0].plan.spec, state.weights.device)
        self._updates = -(-len(task.sizes) // training.accumulate)
        self._course = HyperparameterTable(members, state, self._updates)
        specs = [member.plan.spec for member in members]
        self._step = Step(specs, state, self._course.rule, self._course.scales)

    def in_force(self, k: int) -> dict[str, float]:
        """Learning rate and momentum of a trial in the epoch's last step."""
        return self._course.in_force[k]

    def penalty(self) -> Tensor:
        """The regulariser of the weights as they are, [K]."""
        found = self._step.regularization.penalty(self._state.weights)
        return self._state.weights.new_zeros(()) if found is None else found

    @torch.no_grad()
    def epoch(
        self, change: Callable[[Iterator[Batch]], Iterable[Batch]] = iter
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Trains once over all rows; metrics of training and the mean regulariser, each [K].

        Args:
            change: what becomes of the batches; rehearsals end them early.
        """
        state, task = self._state, self._task
        coefficients, decays = self._course.epoch(), self._course.ema_decays()
        tally = EpochMetrics(state.weights)
        before = state.weights
        update = 0
        for index, batch in enumerate(change(task.batches(self._trials()))):
            place = index % self._accumulate
            rows = sum(task.sizes[index - place : index - place + self._accumulate])
            if not self._course.rule.needs_closure:
                with self._precision:
                    outcome = task.learn(state.leaves, state.buffer_views, batch, rows)
                state.take(outcome.gradients, add=place > 0)
                tally.add_batch(outcome)
            if place + 1 < self._accumulate and index + 1 < len(task.sizes):
                continue
            tally.add_penalty(self._step.regularization.penalty(state.weights), rows)
            if update == self._updates - 1:
                before = state.weights.clone()
            decay = None if decays is None else decays[update]
            if self._course.rule.needs_closure:
                closure = _Closure(self, batch)
                clipped = self._step(coefficients[update], decay, closure)
                clipped = ClipResult(closure.norm, clipped.clipped)
                tally.add_batch(closure.outcome)
            else:
                clipped = self._step(coefficients[update], decay)
            tally.add_step(clipped)
            update += 1
        change = torch.linalg.vector_norm(state.weights - before, dim=1)
        size = torch.linalg.vector_norm(before, dim=1).clamp_(min=TINY)
        metrics = tally.metrics()
        if not self._clips:
            del metrics["clip_fraction"]
        return metrics | {"update_ratio": change / size}, tally.penalty

    def _trials(self) -> list[TrialEpoch]:
        runs = [member.plan.run_id for member in self._members]
        return [
            TrialEpoch(member.plan.spec, run.trial, member.epoch, run.repeat)
            for member, run in zip(self._members, runs, strict=True)
        ]

    def evaluate(self, batch: Batch) -> tuple[BatchResult, Tensor]:
        """Fills the gradients at the present weights; outcome and objectives [K], l1 included."""
        state, task, penalties = self._state, self._task, self._step.regularization
        with self._precision:
            outcome = task.learn(state.leaves, state.buffer_views, batch, batch.rows)
        state.take(outcome.gradients)
        objectives = outcome.losses.mean(1)
        penalty = penalties.l1_penalty(state.weights)
        penalties.add_l1_gradient(state.weights, state.grads)
        return outcome, objectives if penalty is None else objectives + penalty

    def gradient_norm(self) -> Tensor:
        """Of the gradients as they are, [K]."""
        norm: Tensor = torch.linalg.vector_norm(self._state.grads, dim=1)
        return norm


class _Closure:
    """Evaluates the full batch as often as a rule asks, and remembers the first time."""

    outcome: BatchResult
    norm: Tensor

    def __init__(self, loop: Loop, batch: Batch) -> None:
        self._loop, self._batch = loop, batch
        self._is_first = True

    def __call__(self) -> Tensor:
        outcome, objectives = self._loop.evaluate(self._batch)
        if self._is_first:
            self.outcome, self.norm = outcome, self._loop.gradient_norm()
            self._is_first = False
        return objectives
