"""Curves by formula, whose best place is known.

    q = Σ weight · (log10 x − log10 best)²       over the parameters that matter
    end = START − (START − LEAST) · exp(−0.2 q)      reached as t grows
    loss(t) = end + (START − end) · exp(−rate · t),   rate = 0.4 · (lr / best lr)^0.35, at most 1.5

so short trials like greater learning rates than long ones: the best rate after 3 epochs lies 0.6
decades above that after 30 (in the tables of real curves up to 0.35). At more than 1.5 decades
above the best rate a trial diverges. A repeat differs by a factor of about 4 % for the whole curve
and 1 % for each epoch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.cases import EPOCHS, Case
from hpsearch.search.simulator import Trace

START, LEAST = 2.3, 0.05
"""The loss before training, and the least one."""


class Formula:
    """A case's formula; called as the simulator's `Curve`."""

    def __init__(self, case: Case) -> None:
        self.best: Mapping[str, float] = case.formula["best"]
        self.weight: Mapping[str, float] = case.formula["weight"]

    def __call__(self, params: Mapping[str, Any], epochs: int, seed: tuple[int, int]) -> Trace:
        """The curve of one training run."""
        rng = np.random.default_rng([*seed, 1])
        losses = self._curve(params)[:epochs]
        noise = 0.04 * rng.standard_normal() + 0.01 * rng.standard_normal(EPOCHS)[:epochs]
        losses = losses * np.exp(noise)
        if self._decades(params, "lr") > 1.5:
            losses[int(rng.integers(1, 4)) :] = np.nan
        return Trace(losses.tolist())

    def expected(self, params: Mapping[str, Any]) -> float:
        """What a configuration is worth at full length, without noise."""
        return float(self._curve(params)[-1])

    @property
    def least(self) -> float:
        """What the best place is worth."""
        return self.expected({f"task.params.{name}": value for name, value in self.best.items()})

    def _decades(self, params: Mapping[str, Any], name: str) -> float:
        return math.log10(params[f"task.params.{name}"] / self.best[name])

    def _curve(self, params: Mapping[str, Any]) -> Any:
        q = sum(weight * self._decades(params, name) ** 2 for name, weight in self.weight.items())
        end = START - (START - LEAST) * math.exp(-0.2 * q)
        rate = min(0.4 * 10 ** (0.35 * self._decades(params, "lr")), 1.5)
        return end + (START - end) * np.exp(-rate * np.arange(1, EPOCHS + 1))
