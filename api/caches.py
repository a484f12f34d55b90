"""Answers about studies that the server keeps until their study changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.lru import Latest
from hpsearch.spec.wire.advice import Diagnosis, Importances
from hpsearch.spec.wire.points import TrialPoint


@dataclass(frozen=True)
class StudyCaches:
    """Each holds its latest entries, under a key that changes when their study does."""

    points: Latest[list[TrialPoint]] = field(default_factory=lambda: Latest(4))
    """The largest: a page's figures, drawn one after the other, need only one."""
    figures: Latest[bytes] = field(default_factory=lambda: Latest(200))
    """As JSON."""
    diagnoses: Latest[Diagnosis] = field(default_factory=lambda: Latest(100))
    importances: Latest[Importances] = field(default_factory=lambda: Latest(100))
