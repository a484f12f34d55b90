"""Where data come from by name: one function per built-in set, and the uploads on the shelf.

x is float64 [N, *features]; y is int64 [N] for classes, float64 [N] for numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from hpsearch.errors import NotFound
from hpsearch.training.data.local_uploads import find, read_upload
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


SOURCES: Mapping[str, Callable[[], Table]] = {
    "digits": _digits,
    "breast_cancer": _breast_cancer,
    "wine": _wine,
    "iris": _iris,
    "diabetes": _diabetes,
    "spiral": _spiral,
}
"""All built-in data with rows; `quadratic` has none."""


def load(name: str) -> Table:
    """A data set's rows, read once.

    Raises:
        NotFound: when nothing has this name.
    """
    if name in SOURCES:
        return _built_in(name)
    upload = find(name)
    if upload is None:
        raise NotFound(f"no data set is called '{name}'; use one of {', '.join(SOURCES)}")
    return read_upload(upload)


def version(name: str) -> str:
    """Tells apart contents that had the same name; empty for built-in sets."""
    upload = find(name)
    return "" if upload is None else upload.content


@lru_cache(maxsize=4)
def _built_in(name: str) -> Table:
    return SOURCES[name]()
