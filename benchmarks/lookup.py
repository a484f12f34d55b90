"""A table of real curves as a function of any configuration, for the simulator.

In the unit cube of the table's own ranges, within the rows of the same choices:

    fit(x, t) = local linear fit of log loss at epoch t on the K nearest rows, weighted by
                (1 − (d/d_K+1)³)³, clipped to lie between the least and greatest of them
    loss(x, t, seed) = exp(fit(x, t) + r(t))

r is the whole residual curve, row minus fit from the others, of one of the K rows, drawn by the
seed and the configuration; the sum is clipped to lie between the K rows too. So the landscape is
smooth, a repeat differs as a repeat of training does (and a little more, by what the fit misses),
and a curve's wiggles are real. Where that row diverged, the trial does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import DATA, EPOCHS, Case, widened
from hpsearch.search.simulator import Trace
from hpsearch.spec.language.distributions import Choice
from hpsearch.spec.space.space import SearchSpace, search_space
from hpsearch.spec.study import parse_study

NEAREST = 16
FLOOR = 1e-3
"""Added to losses before the logarithm: half a row of a validation split, about."""

UNTRAINED = 1.5
"""Losses are cut at so many times the median of first epochs: all worse are equally bad."""


@dataclass(frozen=True)
class Rows:
    """Rows of a table with equal choices: points [N, D], log losses [N, E], where diverged [N]."""

    points: NDArray[np.float64]
    logs: NDArray[np.float64]
    diverged: NDArray[np.int64]
    """The epoch at which it did; E for never."""

    @cached_property
    def residuals(self) -> NDArray[np.float64]:
        """Each row minus the fit from the others, [N, E]."""
        return np.array(
            [self.logs[i] - self.fit(self.points[i], without=i)[0] for i in range(len(self.logs))]
        )

    def fit(
        self, point: NDArray[np.float64], without: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The fitted log losses [E] at a point, and the rows that they rest on."""
        squares = ((self.points - point) ** 2).sum(1)
        if without is not None:
            squares[without] = np.inf
        near = np.argpartition(squares, NEAREST)[: NEAREST + 1]
        near = near[np.argsort(squares[near], kind="stable")]
        distances = np.sqrt(squares[near])
        near, reach = near[:-1], max(distances[-1], 1e-9)
        weights = np.sqrt((1 - np.minimum(distances[:-1] / reach, 1) ** 3) ** 3 + 1e-6)
        design = np.column_stack([np.ones(NEAREST), (self.points[near] - point) / reach])
        ridge = np.diag([0.0, *([0.1] * (design.shape[1] - 1))])
        weighted = design * weights[:, None]
        values = self.logs[near]
        solved = np.linalg.solve(
            weighted.T @ weighted + ridge**2, weighted.T @ (values * weights[:, None])
        )
        return np.clip(solved[0], values.min(0), values.max(0)), near


class Lookup:
    """A case's table; called as the simulator's `Curve`."""

    def __init__(self, case: Case) -> None:
        assert case.table is not None
        with np.load(DATA / f"{case.table}.npz") as table:
            units, losses = table["units"].astype(float), table["losses"].astype(float)
        cap = UNTRAINED * np.nanmedian(losses[:, 0])
        self.space: SearchSpace = search_space(parse_study(widened(case)))
        self.ranges = {p.name: p.distribution for p in self.space.parameters}
        self.groups: dict[tuple[Any, ...], Rows] = {}
        keys = [self._key_of_row(row) for row in units]
        for key in dict.fromkeys(keys):
            rows = [i for i, other in enumerate(keys) if other == key]
            present = [d for d in range(units.shape[1]) if self._is_axis(d, units[rows[0]])]
            curves = losses[rows]
            diverged = np.where(np.isnan(curves).any(1), np.isnan(curves).argmax(1), EPOCHS)
            logs = np.log(np.where(np.isnan(curves), cap, np.minimum(curves, cap)) + FLOOR)
            self.groups[key] = Rows(units[rows][:, present], logs, diverged)

    def __call__(self, params: Mapping[str, Any], epochs: int, seed: tuple[int, int]) -> Trace:
        """The curve of one training run."""
        rows, point = self._at(params)
        log, near = rows.fit(point)
        digest = int(np.abs(point * 2**20).sum())
        row = near[np.random.default_rng([*seed, digest]).integers(len(near))]
        values = rows.logs[near]
        logs = np.clip(log + rows.residuals[row], values.min(0), values.max(0))
        losses = np.maximum(np.exp(logs) - FLOOR, 0.0)
        losses[rows.diverged[row] :] = np.nan
        return Trace(losses[:epochs].tolist())

    def expected(self, params: Mapping[str, Any]) -> float:
        """The least loss of the fitted curve at full length: what a configuration is worth."""
        rows, point = self._at(params)
        return float(np.exp(rows.fit(point)[0]).min() - FLOOR)

    @cached_property
    def least(self) -> float:
        """The least expected loss at any row of the table."""
        return min(
            float(np.exp(rows.fit(point)[0]).min() - FLOOR)
            for rows in self.groups.values()
            for point in rows.points
        )

    def _at(self, params: Mapping[str, Any]) -> tuple[Rows, NDArray[np.float64]]:
        key = tuple(
            p.distribution.to_unit(params[p.name]) if p.name in params else None
            for p in self.space.parameters
            if isinstance(p.distribution, Choice)
        )
        point = np.array(
            [
                p.distribution.to_unit(params[p.name])
                for p in self.space.parameters
                if p.name in params and not isinstance(p.distribution, Choice)
            ]
        )
        return self.groups[tuple(None if v is None else round(v, 4) for v in key)], point

    def _is_axis(self, column: int, row: NDArray[np.float64]) -> bool:
        is_choice = isinstance(self.space.parameters[column].distribution, Choice)
        return not is_choice and not np.isnan(row[column])

    def _key_of_row(self, row: NDArray[np.float64]) -> tuple[Any, ...]:
        return tuple(
            None if np.isnan(unit) else round(float(unit), 4)
            for p, unit in zip(self.space.parameters, row, strict=True)
            if isinstance(p.distribution, Choice)
        )
