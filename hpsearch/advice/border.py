"""Whether the best trials lie at the end of a range, so that better ones may lie past it.

A place is where a value lies on its range's own axis, 0 at the low end and 1 at the high. A trial
is at an end when it is within `EDGE` of it, or past it; of a discrete range when it has the last
value. A range that ends where its field does is not at fault.

The best trial at an end is told; it is a warning when the best quarter lies there more often than
chance explains: in the edge itself, or in the `OUTER` part where the best trial is in the edge.
All tests of a study together are wrong in at most `LEVEL` of studies where nothing matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hpsearch.advice.rank_tests import lower_p, share_p
from hpsearch.advice.ranking import best_of, comparable, score
from hpsearch.spec.language.distributions import Interval
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.space.space import Parameter, SearchSpace
from hpsearch.spec.wire.advice import Finding
from hpsearch.spec.wire.observation import Observation

EDGE = 0.1
OUTER = 0.25
LEVEL = 0.05
HINT = 0.05
FURTHER = 0.5
"""A range is proposed that reaches past its end by this share of its own width."""

LEAST_VALUES = 3
"""Of fewer values, one at an end says nothing."""

LEAST_TRIALS = 4
"""Of fewer trials, the best says nothing."""

End = Literal["low", "high"]


@dataclass(frozen=True)
class _Range:
    """One end of a parameter's range."""

    parameter: Parameter
    distribution: Interval
    end: End

    def holds(self, trial: Observation, width: float) -> bool:
        """Whether a trial lies within `width` of the end, or past it."""
        value, ends = trial.params[self.parameter.name], self.distribution
        if self.end == "low":
            return bool(value <= ends.low) or ends.to_unit(value) <= width
        return bool(value >= ends.high) or ends.to_unit(value) >= 1 - width

    def is_past(self, trial: Observation) -> bool:
        """Whether a trial lies outside of the range, on this side."""
        value = trial.params[self.parameter.name]
        ends = self.distribution
        return bool(value < ends.low if self.end == "low" else value > ends.high)

    def proposed(self, beyond: Sequence[Observation]) -> Interval:
        """The range, further past its end (and past some trials) as far as the field allows."""
        places = [self.distribution.to_unit(t.params[self.parameter.name]) for t in beyond]
        start = min([0.0, *places]) - FURTHER if self.end == "low" else 0.0
        end = max([1.0, *places]) + FURTHER if self.end == "high" else 1.0
        low, high = self.parameter.bounds
        return _rounded(self.distribution.cut(start, end, low, high), self.distribution, low, high)


def borders(space: SearchSpace, tried: Sequence[Observation]) -> list[Finding]:
    """A finding for each range at an end of which the best trials lie.

    Args:
        space: as it was submitted.
        tried: the study's trials.
    """
    ranges = [found for parameter in space.parameters for found in _ends(parameter)]
    compared = comparable(tried)
    complete = [trial for trial in tried if score(trial) < float("inf")]
    if len(complete) < LEAST_TRIALS:
        return []
    best = min(complete, key=lambda trial: (score(trial), trial.number))
    findings = (_finding(one, best, compared, 2 * len(ranges)) for one in ranges)
    return [finding for finding in findings if finding is not None]


def _ends(parameter: Parameter) -> Iterator[_Range]:
    found = parameter.distribution
    if not isinstance(found, Interval) or found.low == found.high:
        return
    if found.spacing is not None and (found.high - found.low) / found.spacing < LEAST_VALUES - 1:
        return
    low, high = parameter.bounds
    if low is None or low < found.low:
        yield _Range(parameter, found, "low")
    if high is None or high > found.high:
        yield _Range(parameter, found, "high")


def _finding(
    one: _Range, best: Observation, compared: Sequence[Observation], tests: int
) -> Finding | None:
    name = one.parameter.name
    there = [trial for trial in compared if name in trial.params]
    top = best_of(there)
    at_end = name in best.params and one.holds(best, EDGE)
    edge_p, inside = _share(one, EDGE, there, top)
    outer = [score(trial) for trial in there if one.holds(trial, OUTER)]
    rest = [score(trial) for trial in there if not one.holds(trial, OUTER)]
    alone = min(edge_p, lower_p(outer, rest) if at_end else 1.0)
    p = min(1.0, tests * alone)
    if p > LEVEL and not (at_end and alone <= HINT):
        return None
    proposed = one.proposed([best] if at_end else [])
    wire = proposed.model_dump(mode="json", exclude_none=True)
    limit = one.distribution.low if one.end == "low" else one.distribution.high
    lead = (
        f"the best trial has {name} {best.params[name]:.4g}, "
        f"{'past' if one.is_past(best) else 'at'} the {one.end} end ({limit:g})"
        if at_end
        else f"{inside} of the best {pluralize(len(top), 'trial')} have {name} at the {one.end} "
        f"end ({limit:g})"
    )
    chance = (
        f"good ones lie there more often than chance explains (p = {p:.2g})"
        if p <= LEVEL
        else f"with {pluralize(len(there), 'trial')} that may be chance"
    )
    further = "lower" if one.end == "low" else "higher"
    return Finding(
        kind="border",
        parameter=name,
        severity="warning" if p <= LEVEL else "info",
        message=f"{lead}; {chance}. Try {further} values: {_shown(proposed)}",
        evidence={
            "end": one.end,
            "limit": limit,
            "best_trial": best.number,
            "best_value": best.params.get(name),
            "best_quarter": len(top),
            "best_quarter_at_end": inside,
            "trials": len(there),
            "trials_at_end": sum(one.holds(trial, EDGE) for trial in there),
            "p_value": p,
            "proposed": wire,
        },
    )


def _share(
    one: _Range, width: float, there: Sequence[Observation], top: Sequence[Observation]
) -> tuple[float, int]:
    """How likely chance puts so many of the best near an end, and how many they are."""
    inside = sum(one.holds(trial, width) for trial in top)
    part = sum(one.holds(trial, width) for trial in there)
    return share_p(len(there), part, len(top), inside), inside


def _rounded(wider: Interval, before: Interval, low: float | None, high: float | None) -> Interval:
    """Ends that moved, to two digits, within the field's bounds."""
    if wider.spacing is not None:
        return wider
    ends = []
    for new, old, bound in ((wider.low, before.low, low), (wider.high, before.high, high)):
        ends.append(old if new == old else new if new == bound else float(f"{new:.2g}"))
    return wider.model_copy(update={wider.key: tuple(ends)})


def _shown(wider: Interval) -> str:
    return f"{wider.key}: [{wider.low:g}, {wider.high:g}]"
