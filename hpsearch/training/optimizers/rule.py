"""How an optimizer updates a group of trials.

weights       [K, P]: one trial per row, changed in place
grads         [K, P]: gradients at the weights, left as they are
slots         a rule's state by name: matrices [K, P], numbers [K, 1], histories [K, H, P]
numbers       the optimizer's fields by name, one per trial, [K, 1] in float64
count         [K, 1]: 1-based update number; trials of a group may differ
coefficients  what numbers and count come to: all that an update needs beside weights and grads

Coefficients are computed in float64 (1 − 0.999 loses four digits in float32) and do not depend on
weights, so a whole epoch's are made at once from tables [S, K, 1] (`schedule`), and the hot path
(`update`) is left with a handful of operations on matrices. Every operation works on rows: no
trial's numbers depend on another's, or on how many there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from hpsearch.spec.optimizer import OptimizerBase
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.optimizers.scales import Scales

Slots: TypeAlias = dict[str, Tensor]
Numbers: TypeAlias = Mapping[str, Tensor]
Closure: TypeAlias = Callable[[], Tensor]
"""Evaluates all trials at the present weights: fills grads, returns each trial's loss, [K]."""


class Rule(ABC):
    """An update rule, built from the spec of any trial of its group."""

    needs_closure: ClassVar[bool] = False
    """True: `update` calls the closure, several times, for losses and gradients of one batch."""

    flags: ClassVar[tuple[str, ...]] = ("decoupled",)
    """Fields that change the course of the computation: equal in all trials of a group."""

    def __init__(self, optimizer: OptimizerBase, layout: Layout) -> None:
        self.decoupled = optimizer.decoupled
        self.layout = layout

    def slots(self, weights: Tensor) -> Slots:  # noqa: ARG002 (a rule without state)
        """The state before the first update; a trial's state is row k of each."""
        return {}

    def coefficients(
        self, numbers: Numbers, count: Tensor, dtype: torch.dtype
    ) -> dict[str, Tensor]:
        """What an update needs: [K, 1] each, or [S, K, 1] where numbers and count are tables."""
        made = self.amounts(numbers, count.to(torch.float64))
        if "weight_decay" in numbers:
            decay = numbers["weight_decay"]
            made["decay"] = -numbers["lr"] * decay if self.decoupled else decay
        return {
            name: value if value.dtype == torch.bool else value.to(dtype)
            for name, value in made.items()
        }

    def schedule(
        self, numbers: Numbers, count: Tensor, dtype: torch.dtype
    ) -> list[dict[str, Tensor]]:
        """The coefficients of S updates; count [S, K, 1], numbers [S, K, 1] or [K, 1]."""
        tables = self.coefficients(numbers, count, dtype)
        steps = [table.expand(count.shape).unbind(0) for table in tables.values()]
        return [dict(zip(tables, step, strict=True)) for step in zip(*steps, strict=True)]

    def update(
        self,
        weights: Tensor,
        grads: Tensor,
        slots: Slots,
        coefficients: Numbers,
        scales: Scales | None = None,
        closure: Closure | None = None,  # noqa: ARG002 (for rules that need one)
    ) -> None:
        """One update of weights and slots, in place.

        Args:
            weights: [K, P].
            grads: [K, P]; ignored by rules that need a closure, which fills them.
            slots: as `slots` made them.
            coefficients: as `coefficients` or `schedule` made them.
            scales: factors per column, where trials have them.
            closure: needed when `needs_closure` says so.
        """
        rate, decay = coefficients["rate"], coefficients.get("decay")
        if scales is not None:
            rate = rate if scales.rate is None else rate * scales.rate
            decay = decay if scales.decay is None or decay is None else decay * scales.decay
        if decay is not None and not self.decoupled:
            grads = torch.addcmul(grads, weights, decay)
        direction = self.direction(grads, slots, coefficients)
        if decay is not None and self.decoupled:
            weights.addcmul_(weights, decay)
        weights.addcmul_(direction, rate)

    def step(
        self,
        weights: Tensor,
        grads: Tensor,
        slots: Slots,
        numbers: Numbers,
        count: Tensor,
        scales: Scales | None = None,
        closure: Closure | None = None,
    ) -> None:
        """One update straight from numbers and count, where no table was made."""
        coefficients = self.coefficients(numbers, count, weights.dtype)
        self.update(weights, grads, slots, coefficients, scales, closure)

    @abstractmethod
    def amounts(self, numbers: Numbers, count: Tensor) -> dict[str, Tensor]:
        """The coefficients but for weight decay, in float64; `rate` is the direction's factor."""

    @abstractmethod
    def direction(self, grads: Tensor, slots: Slots, coefficients: Numbers) -> Tensor:
        """What is added to the weights, times `rate`, [K, P]; slots are moved on."""
