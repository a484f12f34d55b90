"""The examples in docstrings of samplers and pruners give what they say."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "hpsearch.search.optuna.coarse_to_fine_sampler",
        "hpsearch.search.pruners",
        "hpsearch.search.pruners.base",
        "hpsearch.search.samplers.base",
        "hpsearch.search.simulator",
    ],
)
def test_an_example_gives_what_it_says(module: str) -> None:
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
