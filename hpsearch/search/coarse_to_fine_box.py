"""From a stage's trials to the box that the next one searches.

Each parameter is looked at on its own, by the N trials that have it (inside a branch: those of
the branch), in units of its present range on its own axis, [0, 1]:

    best    the m = ⌈keep · N⌉ best of them, at least MIN_BEST; complete trials come before those
            that diverged, failed or were pruned, whatever these had reached
    test    `span_p_value`: how often the best would lie so close together if the parameter did not
            matter; above MAX_P_VALUE the range stays as it is
    box     middle ± (1 + margin) · half, where the best reach from middle − half to middle + half
            and half is at least MIN_WIDTH / 2; cut at the range's ends

An end is a border where the very best trial lies within BORDER_WIDTH of it, the best lie towards it
(`rank_sum_p_value` at most MAX_BORDER_P_VALUE) and at most MAX_BEYOND of the trials lie between
them and the end. There the box reaches past the end: by REACH_DECADES past the range as it was
submitted where its axis is logarithmic, else by REACH of the present range; never past
`hard_bounds` or what the field itself allows.

An option of a choice is dropped when none of the best has it and chance would do that rarely
(`absence_p_value` times the number of options at most MAX_P_VALUE).

So a parameter that does not matter is narrowed in at most MAX_P_VALUE of all stages, and extended
in at most MAX_BORDER_P_VALUE. What this was compared with: docs/search.md.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from hpsearch.search.null_distributions import absence_p_value, rank_sum_p_value, span_p_value
from hpsearch.search.ranking import rank_trials
from hpsearch.search.samplers.staged import NextSpace, RangeChange
from hpsearch.spec.language.distributions import Choice, Distribution, Interval, Value
from hpsearch.spec.searches.coarse_to_fine import CoarseToFineSearch
from hpsearch.spec.space.space import Parameter, SearchSpace
from hpsearch.spec.wire.observation import Observation

MIN_BEST = 3
"""Fewer trials say too little of where a parameter is good."""

MAX_P_VALUE = 0.2
"""What chance does more often than this is no reason to change a range."""

MIN_WIDTH = 0.2
"""A box has at least this share of the range's width, before its margin."""

MAX_BORDER_P_VALUE = 0.1
"""What chance does more often than this is no reason to reach past an end: a range that is too wide
costs more than one that stays as it is."""

BORDER_WIDTH = 0.25
"""The best trial lies at a border when it is within this share of the range from its end."""

MAX_BEYOND = 0.05
"""And when at most this share of the trials lies between the best ones and the end."""

REACH = 0.5
"""How far a box reaches past a border, as a share of the range's width."""

REACH_DECADES = 2.0
"""How far it does past a submitted end of a logarithmic range: two steps find a learning rate that
is four decades off.
"""

Kind = Literal["narrowed", "extended"]


@dataclass(frozen=True)
class _Values:
    """One parameter's values in the trials that have it."""

    trials: Sequence[Value]
    """Of all."""
    best: Sequence[Value]
    """Of the best of them, best first."""

    @property
    def summary(self) -> str:
        return f"the best {len(self.best)} of {len(self.trials)} trials"


def next_box(
    space: SearchSpace,
    trials: Sequence[Observation],
    search: CoarseToFineSearch,
    keep: float,
    *,
    whole: SearchSpace,
) -> NextSpace:
    """The box around the best of a stage's trials.

    Args:
        space: where they were drawn.
        trials: those of the stage; running ones are left out, those without a loss are bad ones.
        search: margin, expansion and hard bounds.
        keep: the share of them that spans the box.
        whole: the study's own space, which knows each field's bounds.
    """
    submitted = {parameter.name: parameter for parameter in whole.parameters}
    parameters, changes = [], []
    for parameter in space.parameters:
        ended = [trial for trial in trials if trial.ended and _is_informative(trial, parameter)]
        best = rank_trials(ended)[: max(MIN_BEST, math.ceil(keep * len(ended)))]
        values = _Values(*([t.params[parameter.name] for t in group] for group in (ended, best)))
        change = _change(parameter, values, search, submitted.get(parameter.name, parameter))
        if change is None:
            parameters.append(parameter)
            continue
        distribution, kind, reason = change
        parameters.append(replace(parameter, distribution=distribution))
        wires = _wire(parameter.distribution), _wire(distribution)
        changes.append(RangeChange(parameter.name, kind, *wires, reason))
    has_best = bool(rank_trials(trials))
    note = None if has_best else "no trial came to a value, so all ranges stay as they are"
    return NextSpace(SearchSpace(_reachable(parameters)), tuple(changes), note)


def _is_informative(trial: Observation, parameter: Parameter) -> bool:
    """Whether it has the parameter; a trial trained again may have an option that was dropped."""
    if parameter.name not in trial.params:
        return False
    distribution = parameter.distribution
    return not isinstance(distribution, Choice) or distribution.contains(
        trial.params[parameter.name]
    )


def _change(
    parameter: Parameter, values: _Values, search: CoarseToFineSearch, submitted: Parameter
) -> tuple[Distribution, Kind, str] | None:
    old = parameter.distribution
    if not MIN_BEST <= len(values.best) < len(values.trials):
        return None
    if isinstance(old, Choice):
        return _fewer_options(old, values)
    if not isinstance(old, Interval) or old.low == old.high:
        return None
    first, last, narrowing = _box(old, values, search.margin)
    below = above = None
    if search.expand:
        below, above = _border(old, values, upper=False), _border(old, values, upper=True)
    whole = submitted.distribution if isinstance(submitted.distribution, Interval) else old
    if below is not None:
        first = min(first, -_reach(old, past=old.low <= whole.low))
    if above is not None:
        last = max(last, 1 + _reach(old, past=old.high >= whole.high))
    if (first, last) == (0.0, 1.0):
        return None
    bounds = search.hard_bounds.get(parameter.name, submitted.bounds)
    new = old.subrange(first, last, *bounds)
    if new == old:
        return None
    reached = (below if new.low < old.low else None) or (above if new.high > old.high else None)
    if reached is None:
        return new, "narrowed", narrowing
    return new, "extended", f"{reached}; {narrowing}" if narrowing else reached


def _box(old: Interval, values: _Values, margin: float) -> tuple[float, float, str]:
    """Both ends of the box, within [0, 1], and the reason for it."""
    units = sorted(map(old.to_unit, values.best))
    low, high = units[0], units[-1]
    span = sum(low <= old.to_unit(value) <= high for value in values.trials)
    p_value = span_p_value(len(values.trials), len(units), span)
    if p_value > MAX_P_VALUE:
        return 0.0, 1.0, ""
    middle, half = (low + high) / 2, max(high - low, MIN_WIDTH) / 2
    reason = (
        f"{values.summary} lie in {min(values.best):g} to {max(values.best):g}, "
        f"where chance alone would put them {_times(p_value)}"
    )
    reach = half * (1 + margin)
    return max(middle - reach, 0.0), min(middle + reach, 1.0), reason


def _border(old: Interval, values: _Values, *, upper: bool) -> str | None:
    """Why the box is to reach past an end; none where it is not."""

    def towards_end(value: Value) -> float:
        """From 0 at the far end to 1 at this one."""
        return old.to_unit(value) if upper else 1 - old.to_unit(value)

    order = sorted(map(towards_end, values.trials))
    beyond = len(order) - bisect_right(order, max(map(towards_end, values.best)))
    if towards_end(values.best[0]) < 1 - BORDER_WIDTH or beyond > MAX_BEYOND * len(order):
        return None
    rank_sum = 0.0
    for unit in map(towards_end, values.best):  # equal values share their ranks
        rank_sum += (bisect_left(order, unit) + bisect_right(order, unit) + 1) / 2
    p_value = rank_sum_p_value(len(values.trials), len(values.best), rank_sum)
    if p_value > MAX_BORDER_P_VALUE:
        return None
    end = "upper" if upper else "lower"
    return (
        f"the best trial has {values.best[0]:g}, near the {end} end, and {values.summary} lie so "
        f"far {'up' if upper else 'down'} {_times(p_value)} by chance alone"
    )


def _reach(old: Interval, *, past: bool) -> float:
    """How far past an end, in units of the range."""
    return REACH_DECADES / math.log10(old.high / old.low) if old.log and past else REACH


def _fewer_options(old: Choice[Any], values: _Values) -> tuple[Distribution, Kind, str] | None:
    trials, best = ([old.index(value) for value in of] for of in (values.trials, values.best))
    p_values = {}  # of the options to drop, by index
    for i in range(len(old.choice)):
        p_value = absence_p_value(len(trials), len(best), trials.count(i)) * len(old.choice)
        if i not in best and p_value <= MAX_P_VALUE:
            p_values[i] = p_value
    if not p_values:
        return None
    names = ", ".join(str(old.choice[i]) for i in p_values)
    reason = (
        f"none of {values.summary} has {names}, "
        f"as chance alone would have it {_times(max(p_values.values()))}"
    )
    remaining = tuple(option for i, option in enumerate(old.choice) if i not in p_values)
    return Choice(choice=remaining), "narrowed", reason


def _times(p_value: float) -> str:
    """How often that is, in words."""
    return f"{p_value:.0%} of the time" if p_value >= 0.005 else "less than 1% of the time"


def _reachable(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Without the branches that no choice opens any more."""
    options: dict[str, tuple[Value, ...]] = {}
    reachable = []
    for parameter in parameters:
        if parameter.branch is not None:
            name, label = parameter.branch
            if label not in options.get(name, ()):
                continue
        if isinstance(parameter.distribution, Choice):
            options[parameter.name] = parameter.distribution.choice
        reachable.append(parameter)
    return tuple(reachable)


def _wire(distribution: Distribution) -> dict[str, Any]:
    return distribution.model_dump(mode="json", exclude_none=True)
