"""Whether the best trials lie at the end of a range, so that better ones may lie past it.

A position is where a value lies on its range's own axis, 0 at the low end and 1 at the high. A
trial is at an end when it is within `EDGE` of it, or past it; of a discrete range when it has the
last value. An end that the field itself sets is left out, as no range can pass it.

A finding is made where the best trial is at an end; it is a warning when the best quarter lies
there more often than chance explains: in the edge itself, or in the `OUTER` part where the best
trial is in the edge.
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

Side = Literal["low", "high"]


@dataclass(frozen=True)
class _RangeEnd:
    """One end of a parameter's range."""

    parameter: Parameter
    distribution: Interval
    side: Side

    def holds(self, trial: Observation, width: float) -> bool:
        """Whether a trial lies within `width` of the end, or past it."""
        value, ends = trial.params[self.parameter.name], self.distribution
        if self.side == "low":
            return bool(value <= ends.low) or ends.to_unit(value) <= width
        return bool(value >= ends.high) or ends.to_unit(value) >= 1 - width

    def is_past(self, trial: Observation) -> bool:
        """Whether a trial lies outside of the range, on this side."""
        value = trial.params[self.parameter.name]
        ends = self.distribution
        return bool(value < ends.low if self.side == "low" else value > ends.high)

    def extended(self, beyond: Sequence[Observation]) -> Interval:
        """The range, extended past its end, and past some trials, as far as the field allows."""
        positions = [self.distribution.to_unit(t.params[self.parameter.name]) for t in beyond]
        start = min([0.0, *positions]) - FURTHER if self.side == "low" else 0.0
        end = max([1.0, *positions]) + FURTHER if self.side == "high" else 1.0
        low, high = self.parameter.bounds
        return _rounded(
            self.distribution.subrange(start, end, low, high), self.distribution, low, high
        )


def borders(space: SearchSpace, tried: Sequence[Observation]) -> list[Finding]:
    """A finding for each range at an end of which the best trials lie.

    Args:
        space: as it was submitted.
        tried: the study's trials.
    """
    range_ends = [end for parameter in space.parameters for end in _ends(parameter)]
    compared = comparable(tried)
    complete = [trial for trial in tried if score(trial) < float("inf")]
    if len(complete) < LEAST_TRIALS:
        return []
    best = min(complete, key=lambda trial: (score(trial), trial.number))
    findings = (_finding(end, best, compared, 2 * len(range_ends)) for end in range_ends)
    return [finding for finding in findings if finding is not None]


def _ends(parameter: Parameter) -> Iterator[_RangeEnd]:
    """The ends that a range could be extended past."""
    interval = parameter.distribution
    if not isinstance(interval, Interval) or interval.low == interval.high:
        return
    width = interval.high - interval.low
    if interval.spacing is not None and width / interval.spacing < LEAST_VALUES - 1:
        return
    low, high = parameter.bounds
    if low is None or low < interval.low:
        yield _RangeEnd(parameter, interval, "low")
    if high is None or high > interval.high:
        yield _RangeEnd(parameter, interval, "high")


def _finding(
    end: _RangeEnd, best: Observation, compared: Sequence[Observation], tests: int
) -> Finding | None:
    name = end.parameter.name
    with_value = [trial for trial in compared if name in trial.params]
    top = best_of(with_value)
    at_end = name in best.params and end.holds(best, EDGE)
    edge_p, inside = _edge_share(end, EDGE, with_value, top)
    outer = [score(trial) for trial in with_value if end.holds(trial, OUTER)]
    rest = [score(trial) for trial in with_value if not end.holds(trial, OUTER)]
    alone = min(edge_p, lower_p(outer, rest) if at_end else 1.0)
    p = min(1.0, tests * alone)  # Bonferroni
    if p > LEVEL and not (at_end and alone <= HINT):
        return None
    proposed = end.extended([best] if at_end else [])
    wire = proposed.model_dump(mode="json", exclude_none=True)
    limit = end.distribution.low if end.side == "low" else end.distribution.high
    lead = (
        f"the best trial has {name} {best.params[name]:.4g}, "
        f"{'past' if end.is_past(best) else 'at'} the {end.side} end ({limit:g})"
        if at_end
        else f"{inside} of the best {pluralize(len(top), 'trial')} have {name} at the {end.side} "
        f"end ({limit:g})"
    )
    chance = (
        f"good ones lie there more often than chance explains (p = {p:.2g})"
        if p <= LEVEL
        else f"with {pluralize(len(with_value), 'trial')} that may be chance"
    )
    further = "lower" if end.side == "low" else "higher"
    return Finding(
        kind="border",
        parameter=name,
        severity="warning" if p <= LEVEL else "info",
        message=f"{lead}; {chance}. Try {further} values: {_format_range(proposed)}",
        evidence={
            "end": end.side,
            "limit": limit,
            "best_trial": best.number,
            "best_value": best.params.get(name),
            "best_quarter": len(top),
            "best_quarter_at_end": inside,
            "trials": len(with_value),
            "trials_at_end": sum(end.holds(trial, EDGE) for trial in with_value),
            "p_value": p,
            "proposed": wire,
        },
    )


def _edge_share(
    end: _RangeEnd,
    width: float,
    with_value: Sequence[Observation],
    top: Sequence[Observation],
) -> tuple[float, int]:
    """The p-value of so many of the best lying near an end, and how many do."""
    inside = sum(end.holds(trial, width) for trial in top)
    part = sum(end.holds(trial, width) for trial in with_value)
    return share_p(len(with_value), part, len(top), inside), inside


def _rounded(wider: Interval, before: Interval, low: float | None, high: float | None) -> Interval:
    """Ends that moved, to two digits, within the field's bounds."""
    if wider.spacing is not None:
        return wider
    ends = []
    for new, old, bound in ((wider.low, before.low, low), (wider.high, before.high, high)):
        ends.append(old if new == old else new if new == bound else float(f"{new:.2g}"))
    return wider.model_copy(update={wider.key: tuple(ends)})


def _format_range(wider: Interval) -> str:
    return f"{wider.key}: [{wider.low:g}, {wider.high:g}]"
