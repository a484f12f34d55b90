"""Answers about studies that the server keeps until their study changes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from hpsearch.spec.wire.advice import Diagnosis, Importances
from hpsearch.spec.wire.points import TrialPoint
from hpsearch.store.lru import LruCache


@dataclass(frozen=True)
class StudyCaches:
    """Each holds its latest entries, under a key that changes when their study does."""

    points: LruCache[Hashable, list[TrialPoint]] = field(default_factory=lambda: LruCache(4))
    """The largest: a page's figures, drawn one after the other, need only one."""
    figures: LruCache[Hashable, bytes] = field(default_factory=lambda: LruCache(200))
    """Plotly JSON."""
    diagnoses: LruCache[Hashable, Diagnosis] = field(default_factory=lambda: LruCache(100))
    importances: LruCache[Hashable, Importances] = field(default_factory=lambda: LruCache(100))
