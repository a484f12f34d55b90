"""What is in force when: learning rate, momentum and the rest of an optimizer's numbers.

U   optimizer steps of an epoch        K   trials
An epoch's numbers are tables [U, K, 1] made before its first step; a step only picks its row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpsearch.training.group.state import GroupState
from hpsearch.training.group.trial_progress import TrialProgress
from hpsearch.training.optimizers import hyperparameters_of, rule_for, scales_of
from hpsearch.training.schedules import Horizon, lr_factors, momentum_values, reads_history
from hpsearch.training.update.ema_swa import ema_decay


class HyperparameterTable:
    """A group's optimizer and its trials' schedules, for the rows of `state` as they are."""

    def __init__(self, members: Sequence[TrialProgress], state: GroupState, steps: int) -> None:
        optimizers = [member.plan.spec.optimizer for member in members]
        device = state.weights.device
        self._members, self._state, self._steps = members, state, steps
        self._numbers = hyperparameters_of(optimizers, device=device)
        self._momentum = type(optimizers[0]).momentum_field
        self.rule = rule_for(optimizers[0], state.layout)
        self.scales = scales_of(optimizers, state.layout, state.weights.dtype, device)
        self.in_force: list[dict[str, float]] = []
        """Learning rate and momentum of the epoch's last step, per trial."""

    def epoch(self) -> list[dict[str, Tensor]]:
        """The coefficients of each of the coming epoch's U steps."""
        rates = np.stack([self._rates(member) for member in self._members], axis=1)
        numbers = self._numbers | {"lr": self._table(rates)}
        self.in_force = [{"lr": float(lr)} for lr in rates[-1]]
        if self._momentum is not None:
            momenta = np.stack([self._momenta(member) for member in self._members], axis=1)
            numbers[self._momentum] = self._table(momenta)
            for found, momentum in zip(self.in_force, momenta[-1], strict=True):
                found["momentum"] = float(momentum)
        count = self._table(self._counts().astype(np.float64))
        return self.rule.coefficients_by_step(numbers, count, self._state.weights.dtype)

    def ema_decays(self) -> Tensor | None:
        """The decay d after each of the coming steps, [U, K, 1]; none without EMA."""
        emas = [member.plan.spec.training.ema for member in self._members]
        if emas[0] is None:
            return None
        counts = self._counts()
        columns = [ema_decay(ema.decay, counts[:, k]) for k, ema in enumerate(emas) if ema]
        return self._table(np.stack(columns, axis=1)).to(self._state.weights.dtype)

    def _counts(self) -> NDArray[np.int64]:
        """1-based numbers of the coming updates, [U, K]."""
        done: NDArray[np.int64] = self._state.updates.cpu().numpy()
        return np.add(np.arange(1, self._steps + 1)[:, None], done.T)

    def _table(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values).unsqueeze(-1).to(self._state.weights.device)

    def _when(self, member: TrialProgress) -> tuple[NDArray[np.int64], Horizon]:
        """The coming steps' indices [U], and what they lie in."""
        first = member.epoch * self._steps
        horizon = Horizon(self._steps, member.plan.epochs, member.schedule_seed)
        return np.arange(first, first + self._steps), horizon

    def _rates(self, member: TrialProgress) -> NDArray[np.float64]:
        """Learning rates [U]."""
        spec = member.plan.spec
        steps, horizon = self._when(member)
        history = member.watched(reads_history(spec.schedule))
        return spec.optimizer.lr * lr_factors(spec.schedule, steps, horizon, history)

    def _momenta(self, member: TrialProgress) -> NDArray[np.float64]:
        """Momentum [U]: the optimizer's, cycled by the rate's schedule, times its own schedule."""
        spec = member.plan.spec
        steps, horizon = self._when(member)
        own = float(getattr(spec.optimizer, str(self._momentum)))
        cycled = momentum_values(spec.schedule, steps, horizon, own)
        values = np.full(len(steps), own) if cycled is None else cycled
        schedule = spec.optimizer.momentum_schedule
        if schedule is None:
            return values
        history = member.watched(reads_history(schedule))
        return np.clip(values * lr_factors(schedule, steps, horizon, history), 0.0, 1.0)
