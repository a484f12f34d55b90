"""A trial as samplers and advice see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpsearch.spec.language.distributions import Value
from hpsearch.spec.language.states import TrialState, is_final


@dataclass(frozen=True)
class Observation:
    """A trial so far."""

    number: int
    params: Mapping[str, Value]
    stage: int
    state: TrialState
    losses: tuple[float, ...] | None = None
    """The objectives, lower is better; none while there are none."""
    epochs: int = 0
    """How many it has trained."""

    @property
    def loss(self) -> float | None:
        """The first objective."""
        return self.losses[0] if self.losses else None

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return is_final(self.state)
