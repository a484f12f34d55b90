"""What was chosen for an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.spec.wire.ensembles import Candidate, Copy


@dataclass(frozen=True)
class Ingredient:
    """A checkpoint that enters an ensemble."""

    candidate: Candidate
    weight: float
    copy: Copy = "raw"


@dataclass(frozen=True)
class Chosen:
    """The members, the weightiest first where they differ; their weights add up to 1."""

    ingredients: Sequence[Ingredient]
    averaged: bytes | None = None
    """The one checkpoint that was made of them, where their weights were averaged."""
    notes: Sequence[str] = ()
    """What the person who asked may not expect."""


def equally(candidates: Sequence[Candidate], *notes: str) -> Chosen:
    """All with the same weight."""
    return Chosen([Ingredient(one, 1 / len(candidates)) for one in candidates], notes=notes)


def written_epochs(candidates: Sequence[Candidate]) -> str:
    """`epochs 2 and 9 of trial 1`, counted from 0 as everywhere."""
    *others, last = (str(one.epoch) for one in candidates)
    epochs = f"epochs {', '.join(others)} and {last}" if others else f"epoch {last}"
    return f"{epochs} of trial {candidates[0].trial}"
