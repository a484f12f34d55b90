"""What is in force when: learning rate, momentum and the rest of an optimizer's numbers.

An epoch's numbers are tables [S, K, 1] made before its first step; a step only picks its row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpsearch.training.member import Member
from hpsearch.training.optimizers import numbers_of, rule_for, scales_of
from hpsearch.training.schedules import Horizon, lr_factors, momentum_values, reads_history
from hpsearch.training.seeds import Stream, seed_of
from hpsearch.training.state import State

Coefficients = Mapping[str, Tensor]


class Course:
    """The optimizer of a group, and its trials' schedules."""

    def __init__(self, members: Sequence[Member], state: State, steps: int) -> None:
        """For the rows of `state` as they are; made anew when rows go."""
        optimizers = [member.plan.spec.optimizer for member in members]
        device = state.weights.device
        self._members, self._state, self._steps = members, state, steps
        self.rule = rule_for(optimizers[0], state.layout)
        self._numbers = numbers_of(optimizers, device=device)
        self._momentum = type(optimizers[0]).momentum_field
        self._scales = scales_of(optimizers, state.layout, state.weights.dtype, device)
        self._l2 = self._penalty_factors()
        self.in_force: list[dict[str, float]] = []
        """Learning rate and momentum of the epoch's last step, per trial."""

    def epoch(self) -> list[dict[str, Tensor]]:
        """The coefficients of each of the coming epoch's S steps."""
        rates = np.stack([self._rates(member) for member in self._members], axis=1)
        numbers = self._numbers | {"lr": self._table(rates)}
        self.in_force = [{"lr": float(lr)} for lr in rates[-1]]
        if self._momentum is not None:
            momenta = np.stack([self._momenta(member) for member in self._members], axis=1)
            numbers[self._momentum] = self._table(momenta)
            for found, momentum in zip(self.in_force, momenta[-1], strict=True):
                found["momentum"] = float(momentum)
        ahead = torch.arange(1, self._steps + 1, device=self._state.updates.device)
        count = self._state.updates + ahead.view(-1, 1, 1)
        return self.rule.schedule(numbers, count, self._state.weights.dtype)

    def step(self, coefficients: Coefficients) -> None:
        """One update of the weights with the gradients that `state` holds."""
        state = self._state
        self.rule.update(state.weights, state.grads, state.slots, coefficients, self._scales)
        state.updates += 1

    def penalty(self) -> Tensor | None:
        """½·weight_decay·Σw² of each trial [K] where it is coupled; none where no trial has any."""
        if self._l2 is None:
            return None
        weights = self._state.weights
        return (weights * weights * self._l2).sum(1)

    def _penalty_factors(self) -> Tensor | None:
        decay = self._numbers.get("weight_decay")
        if decay is None or self.rule.decoupled:
            return None
        factors = (decay / 2).to(self._state.weights.dtype)
        scale = None if self._scales is None else self._scales.decay
        return factors if scale is None else factors * scale

    def _table(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values).unsqueeze(-1).to(self._state.weights.device)

    def _when(self, member: Member) -> tuple[NDArray[np.int64], Horizon]:
        """The coming steps' indices [S], and what they lie in."""
        plan = member.plan
        seed = seed_of(Stream.SCHEDULE, plan.spec.seed, plan.number)
        first = member.epoch * self._steps
        return np.arange(first, first + self._steps), Horizon(self._steps, plan.epochs, seed)

    def _rates(self, member: Member) -> NDArray[np.float64]:
        """Learning rates [S]."""
        spec = member.plan.spec
        steps, horizon = self._when(member)
        history = member.watched(reads_history(spec.schedule))
        return spec.optimizer.lr * lr_factors(spec.schedule, steps, horizon, history)

    def _momenta(self, member: Member) -> NDArray[np.float64]:
        """Momentum [S]: the optimizer's, cycled by the rate's schedule, times its own schedule."""
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
