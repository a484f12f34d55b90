"""The members that were selected for an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.spec.wire.ensembles import Candidate, Copy


@dataclass(frozen=True)
class WeightedCheckpoint:
    """A checkpoint that enters an ensemble."""

    candidate: Candidate
    weight: float
    copy: Copy = "raw"
    """Which of its weights."""


@dataclass(frozen=True)
class Selection:
    """The members of an ensemble, the heaviest first where they differ; weights add up to 1."""

    checkpoints: Sequence[WeightedCheckpoint]
    averaged: bytes | None = None
    """The checkpoint that their weights were averaged into; none where models stay apart."""
    notes: Sequence[str] = ()
    """Sentences on what the person who asked may not expect."""
    metric: str | None = None
    """The metric on validation rows that chose them; none where only the trials' values did."""


def equal_weights(candidates: Sequence[Candidate]) -> list[WeightedCheckpoint]:
    """All candidates with the same weight."""
    return [WeightedCheckpoint(candidate, 1 / len(candidates)) for candidate in candidates]


def epochs_text(candidates: Sequence[Candidate]) -> str:
    """`epochs 2 and 9 of trial 1`, counted from 0 as everywhere."""
    *others, last = (str(candidate.epoch) for candidate in candidates)
    epochs = f"epochs {', '.join(others)} and {last}" if others else f"epoch {last}"
    return f"{epochs} of trial {candidates[0].trial}"
