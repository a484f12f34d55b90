"""A sampler is a function of data: it is given what was tried and returns what to try.

Proposal      a configuration for one trial
Observation   what a trial came to, the objective always minimised
Sampler       proposes; it holds no trials, no session and no clock
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from hpsearch.spec.distributions import Value
from hpsearch.spec.space import SearchSpace


@dataclass(frozen=True)
class Proposal:
    """What a trial is to run with; `stage` and `epochs` as the search plans them."""

    params: Mapping[str, Value]
    stage: int = 0
    epochs: int | None = None
    """None leaves the length to the spec."""


@dataclass(frozen=True)
class Observation:
    """A trial so far."""

    number: int
    params: Mapping[str, Value]
    stage: int
    loss: float | None
    """The objective, lower is better; none while there is none."""
    ended: bool


class Sampler(ABC):
    """Proposes configurations for a space."""

    reads_history: ClassVar[bool]
    """False promises that suggestions depend on (seed, number) alone."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space = space
        self.seed = seed

    @abstractmethod
    def suggest(
        self, numbers: Sequence[int], history: Sequence[Observation] = ()
    ) -> list[Proposal]:
        """A proposal for each trial number."""
