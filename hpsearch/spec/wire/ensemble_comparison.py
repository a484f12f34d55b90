"""Whether an ensemble is better than the best single trial, by the study's objective.

Test rows decide, as they have chosen nothing. Where a study has none there is only what the
validation rows say, which chose the members: an ensemble may be worse by them, never better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hpsearch.spec.metrics import direction_of
from hpsearch.spec.wire.ensemble_scores import Range
from hpsearch.spec.wire.ensembles import Ensemble, EnsembleResult

Verdict: TypeAlias = Literal["worse", "better", "no better", "not known"]
Part: TypeAlias = Literal["test", "validation"]


@dataclass(frozen=True)
class SingleComparison:
    """An ensemble's score beside that of the best single trial, on the same rows."""

    metric: str
    part: Part
    own: float
    single: float
    trial: int
    """The best single trial's number."""
    interval: Range | None
    """Of the gain, 95 %; none where there are no test rows, or too few."""

    @property
    def gain(self) -> float:
        """By how much the ensemble is better; negative where it is worse."""
        more = self.own - self.single
        return more if direction_of(self.metric) == "maximize" else -more

    @property
    def verdict(self) -> Verdict:
        """`worse` wherever the score is; `better` only where chance does not explain it."""
        if self.gain < 0:
            return "worse"
        if self.part == "validation" or self.interval is None:
            return "not known"
        return "better" if self.interval.low > 0 else "no better"

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the interval of the gain leaves out 0."""
        return self.interval is not None and not self.interval.low <= 0 <= self.interval.high

    @property
    def label(self) -> str:
        """The verdict in a few words, for a table."""
        if self.verdict == "worse" and self.interval is not None and not self.is_beyond_chance:
            return "worse, within chance"
        return f"{self.verdict} beyond chance" if self.verdict == "no better" else self.verdict

    @property
    def summary(self) -> str:
        """The verdict as the beginning of a sentence."""
        return _SUMMARIES[self.verdict]

    @property
    def chance(self) -> str:
        """Whether chance explains the gain, in two words; empty where there is no interval."""
        if self.interval is None:
            return ""
        return "beyond chance" if self.is_beyond_chance else "within chance"

    @property
    def sentence(self) -> str:
        """The verdict with its numbers.

        Such as `worse than the best single trial: test auc 0.5, trial 3 alone 0.75; gain -0.25,
        95 % interval -0.5 to -0.125, beyond chance`.
        """
        text = (
            f"{self.summary}: {self.part} {self.metric} {self.own:.4g}, trial {self.trial} alone "
            f"{self.single:.4g}; gain {self.gain:+.3g}"
        )
        if self.interval is None:
            return f"{text}, without an interval"
        return (
            f"{text}, 95 % interval {self.interval.low:+.3g} to {self.interval.high:+.3g}, "
            f"{self.chance}"
        )


_SUMMARIES: Mapping[Verdict, str] = {
    "worse": "worse than the best single trial",
    "better": "better than the best single trial",
    "no better": "no better than the best single trial beyond chance",
    "not known": "not known to be better than the best single trial",
}


def compare(
    ensemble: Ensemble | EnsembleResult, metric: str | None = None
) -> SingleComparison | None:
    """The comparison with the best single trial; none where a score is missing.

    Args:
        ensemble: complete or not.
        metric: by its bare name; none for the headline.
    """
    name, single = metric or ensemble.headline, ensemble.best_single
    if name is None or single is None:
        return None
    part: Part = "test" if ensemble.test else "validation"
    scores = (
        (ensemble.test, single.test) if ensemble.test else (ensemble.validation, single.validation)
    )
    own, alone = (one.get(name, math.nan) for one in scores)
    if math.isnan(own) or math.isnan(alone):
        return None
    interval = ensemble.intervals.get(f"{name}_gain") if part == "test" else None
    return SingleComparison(name, part, own, alone, single.trial, interval)
