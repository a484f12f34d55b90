"""Fixtures of several rooms of training."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import plugin_examples
import pytest

from hpsearch.training.tasks import plugin_loading


@pytest.fixture
def installed(monkeypatch):
    """Offers the functions of `plugin_examples` as entry points, as an installed package does."""
    plugin_loading._load.cache_clear()
    monkeypatch.setitem(sys.modules, "offered", SimpleNamespace(**vars(plugin_examples)))

    def offer(**functions):
        for name, function in functions.items():
            setattr(sys.modules["offered"], name, function)
        names = [n for n, f in vars(sys.modules["offered"]).items() if callable(f)]
        points = [EntryPoint(n, f"offered:{n}", "hpsearch.tasks") for n in names]
        monkeypatch.setattr(plugin_loading, "entry_points", lambda group: points)

    offer()
    yield offer
    plugin_loading._load.cache_clear()
