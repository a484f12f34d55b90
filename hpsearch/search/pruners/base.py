"""A pruner is a function of data: it is given all curves and says whether one of them goes on.

Verdict      what it says, and why
CurveTable   the curves of a study's trials
Pruner       decides; it holds no session and no clock
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeAlias, TypeVar

from hpsearch.spec.language.base import SpecModel

if TYPE_CHECKING:
    from hpsearch.search.pruners.curve_table import CurveTable

S = TypeVar("S", bound=SpecModel)

Rung: TypeAlias = tuple[int, int]
"""A bracket, and the epoch at which its trials are compared."""


@dataclass(frozen=True)
class Verdict:
    """Whether a trial stops."""

    stop: bool
    why: str | None = None
    """In a sentence, where it stops."""
    rungs: Mapping[Rung, float] = field(default_factory=dict)
    """The values with which it entered rungs just now."""


GO_ON = Verdict(stop=False)


class Pruner(ABC, Generic[S]):
    """Decides by its settings; `seed` is the study's."""

    reads_curves: ClassVar[bool] = False
    """Whether it compares with the curves of complete trials."""

    def __init__(self, settings: S, seed: int = 0) -> None:
        self.settings = settings
        self.seed = seed

    @property
    def reads_lengths(self) -> bool:
        """Whether it waits for a trial to be complete to see how long trials are."""
        return False

    @abstractmethod
    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Whether a trial stops at the epoch that it reported last, asked after each report."""
