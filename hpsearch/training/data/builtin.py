"""The built-in data sets: one function each.

x is float64 [N, *features]; y is int64 [N] for classes, float64 [N] for numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hpsearch.training.uploads.table import Table


def _digits() -> Table:
    from sklearn.datasets import load_digits

    data = load_digits()
    names = tuple(str(name) for name in data.target_names)
    return Table(data.images[:, None], data.target.astype(np.int64), names)


def _breast_cancer() -> Table:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return Table(data.data, data.target.astype(np.int64), tuple(map(str, data.target_names)))


def _wine() -> Table:
    from sklearn.datasets import load_wine

    data = load_wine()
    return Table(data.data, data.target.astype(np.int64), tuple(map(str, data.target_names)))


def _iris() -> Table:
    from sklearn.datasets import load_iris

    data = load_iris()
    return Table(data.data, data.target.astype(np.int64), tuple(map(str, data.target_names)))


def _diabetes() -> Table:
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    return Table(data.data, data.target.astype(np.float64))


def _spiral() -> Table:
    """Three arms of 100 points: radius 0…1, each arm turning by 4 radians, with noise of 0.2."""
    rng = np.random.default_rng(0)
    radius = np.linspace(0, 1, 100)
    arms = []
    for arm in range(3):
        angle = np.linspace(4 * arm, 4 * arm + 4, 100) + 0.2 * rng.standard_normal(100)
        arms.append(np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1))
    return Table(np.concatenate(arms), np.repeat(np.arange(3), 100), ("0", "1", "2"))


READERS: Mapping[str, Callable[[], Table]] = {
    "digits": _digits,
    "breast_cancer": _breast_cancer,
    "wine": _wine,
    "iris": _iris,
    "diabetes": _diabetes,
    "spiral": _spiral,
}
"""By name; `quadratic`, which has no rows, has none."""


@dataclass(frozen=True)
class BuiltIn:
    """A built-in data set that has rows."""

    name: str

    def table(self) -> Table:
        """Its rows; the last four sets that were read stay in memory."""
        return _read(self.name)


@lru_cache(maxsize=4)
def _read(name: str) -> Table:
    return READERS[name]()
