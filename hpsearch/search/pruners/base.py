"""A pruner is a function of data: it is given all curves and says whether one of them goes on.

Verdict      what it says, and why
CurveTable   the curves of a study's trials
Pruner       decides on one report; it holds no session and no clock

`hpsearch.search.pruners.judge` adds a trial's reports to the table and asks after each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from hpsearch.search.pruners.curve_table import CurveTable
from hpsearch.search.pruners.verdict import Verdict
from hpsearch.spec.pruners.base import PrunerBase

S = TypeVar("S", bound=PrunerBase)


class Pruner(ABC, Generic[S]):
    """Decides by its settings.

    Args:
        settings: the spec's `pruner`.
        seed: the study's.
    """

    reads_curves: ClassVar[bool] = False
    """Whether it compares with the curves of other trials."""

    def __init__(self, settings: S, seed: int = 0) -> None:
        self.settings = settings
        self.seed = seed

    @property
    def reads_max_epochs(self) -> bool:
        """Whether it waits for a trial to be complete to see how long trials are."""
        return False

    def why_idle(self, epochs: int, trials: int) -> str | None:  # noqa: ARG002
        """Why it can stop no trial, and what would help; none where it may stop one.

        Args:
            epochs: how long trials are.
            trials: how many are compared: those of a stage.
        """
        return None

    @abstractmethod
    def decide(self, table: CurveTable, number: int) -> Verdict:
        """Whether a trial stops at the epoch that it reported last.

        >>> from hpsearch.search.pruners.threshold import Threshold
        >>> from hpsearch.spec.pruners.own_curve import ThresholdPruner
        >>> from hpsearch.spec.study import Objective
        >>> table = CurveTable(Objective(metric="val_loss", direction="minimize"))
        >>> curve = table.add(number=0)
        >>> table.report(0, [2.5])
        >>> Threshold(ThresholdPruner(kind="threshold", upper=1.0)).decide(table, 0).why
        'epoch 0: val_loss 2.5 is above 1'

        Args:
            table: the curves of all trials, as reported; `table.is_better` says which of two
                values is the better one. The trial has reported at least one value and has not
                been stopped. It is asked about once for each value, in the order of its epochs;
                an epoch without the objective is not asked about, so epochs may have gaps. Trials
                of other numbers report in between, in any order. A value may be infinite. A NaN
                ends the trial before a pruner is asked, but earlier values of a trial that
                continues another one may be NaN, and so may values of other trials.
            number: the trial's.

        Returns:
            The verdict. It changes nothing in the table: the caller records it there.
        """

    def decide_together(self, table: CurveTable, numbers: Sequence[int]) -> list[Verdict]:
        """Whether each of some trials stops that reported in one batch, at the same epoch or not.

        None of the verdicts is in the table before all are made, and a pruner that compares trials
        takes each as present for the others: so their order does not matter.

        Args:
            table: as for `decide`.
            numbers: the trials', each once.

        Returns:
            The verdicts in the order of the numbers.
        """
        return [self.decide(table, number) for number in numbers]
