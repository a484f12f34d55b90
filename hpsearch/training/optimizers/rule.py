"""How an optimizer updates a group of trials.

weights          [K, P]: one trial per row, changed in place
grads            [K, P]: gradients at the weights, left as they are
state            a rule's state by name: matrices [K, P], numbers [K, 1], histories [K, H, P]
hyperparameters  the optimizer's fields by name, one per trial, [K, 1] in float64
count            [K, 1]: 1-based update number; trials of a group may differ
coefficients     computed from hyperparameters and count: all that an update needs beside weights,
                 grads and state

Coefficients are computed in float64 (1 − 0.999 loses four digits in float32) and do not depend on
weights, so a whole epoch's are made at once from tables [S, K, 1] (`coefficients_by_step`), and
the hot path (`update`) is left with a handful of operations on matrices. Every operation works on
rows: no trial's numbers depend on another's, or on how many there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from hpsearch.spec.optimizers.base import OptimizerBase
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers.scales import Scales

OptimizerState: TypeAlias = dict[str, Tensor]
Hyperparameters: TypeAlias = Mapping[str, Tensor]
Coefficients: TypeAlias = dict[str, Tensor]
Closure: TypeAlias = Callable[[], Tensor]
"""Evaluates all trials at the present weights: fills grads, returns each trial's loss, [K]."""


class Rule(ABC):
    """An update rule, built from the spec of any trial of its group."""

    needs_closure: ClassVar[bool] = False
    """True: `update` calls the closure, several times, for losses and gradients of one batch."""

    flags: ClassVar[tuple[str, ...]] = ("decoupled",)
    """Fields that change what is computed, not only its numbers: equal in all trials of a group."""

    def __init__(self, optimizer: OptimizerBase, layout: Layout) -> None:
        self.decoupled = optimizer.decoupled
        self.layout = layout

    def init_state(self, weights: Tensor) -> OptimizerState:  # noqa: ARG002 (a rule without state)
        """The state before the first update, each tensor [K, ...]; trial k's is row k of each."""
        return {}

    def coefficients(
        self, hyperparameters: Hyperparameters, count: Tensor, dtype: torch.dtype
    ) -> Coefficients:
        """What an update needs, [K, 1] each, or [S, K, 1] where the arguments are tables."""
        coefficients = self.base_coefficients(hyperparameters, count.to(torch.float64))
        if "weight_decay" in hyperparameters:
            decay = hyperparameters["weight_decay"]
            coefficients["decay"] = -hyperparameters["lr"] * decay if self.decoupled else decay
        return {
            name: value if value.dtype == torch.bool else value.to(dtype)
            for name, value in coefficients.items()
        }

    def coefficients_by_step(
        self, hyperparameters: Hyperparameters, count: Tensor, dtype: torch.dtype
    ) -> list[Coefficients]:
        """The coefficients of S updates, one mapping each.

        Args:
            hyperparameters: [S, K, 1], or [K, 1] for what is the same in all of them.
            count: [S, K, 1].
            dtype: of the weights.
        """
        tables = self.coefficients(hyperparameters, count, dtype)
        steps = [table.expand(count.shape).unbind(0) for table in tables.values()]
        return [dict(zip(tables, step, strict=True)) for step in zip(*steps, strict=True)]

    def update(
        self,
        weights: Tensor,
        grads: Tensor,
        state: OptimizerState,
        coefficients: Coefficients,
        scales: Scales | None = None,
        closure: Closure | None = None,  # noqa: ARG002 (for rules that need one)
    ) -> None:
        """One update of weights and state, in place.

        Args:
            weights: [K, P].
            grads: [K, P]; ignored by rules that need a closure, which fills them.
            state: as `init_state` made it.
            coefficients: as `coefficients` or `coefficients_by_step` made them.
            scales: factors per column, where trials have them.
            closure: needed when `needs_closure` says so.
        """
        rate, decay = coefficients["rate"], coefficients.get("decay")
        if scales is not None:
            rate = rate if scales.rate is None else rate * scales.rate
            decay = decay if scales.decay is None or decay is None else decay * scales.decay
        if decay is not None and not self.decoupled:
            grads = torch.addcmul(grads, weights, decay)
        direction = self.update_direction(grads, state, coefficients)
        if decay is not None and self.decoupled:
            weights.addcmul_(weights, decay)
        weights.addcmul_(direction, rate)

    def step(
        self,
        weights: Tensor,
        grads: Tensor,
        state: OptimizerState,
        hyperparameters: Hyperparameters,
        count: Tensor,
        scales: Scales | None = None,
        closure: Closure | None = None,
    ) -> None:
        """One update straight from hyperparameters and count, where no table was made."""
        coefficients = self.coefficients(hyperparameters, count, weights.dtype)
        self.update(weights, grads, state, coefficients, scales, closure)

    @abstractmethod
    def base_coefficients(self, hyperparameters: Hyperparameters, count: Tensor) -> Coefficients:
        """The coefficients but for weight decay, in float64; `rate` is the direction's factor."""

    @abstractmethod
    def update_direction(
        self, grads: Tensor, state: OptimizerState, coefficients: Coefficients
    ) -> Tensor:
        """What is added to the weights, times `rate`, [K, P]; the state advances in place."""
