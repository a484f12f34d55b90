"""From a stage's trials to the box that the next one searches.

Each parameter is looked at on its own, by the N trials that have it (inside a branch: those of
the branch), in units of its present range on its own axis, [0, 1]:

    kept    the best m = ⌈keep · N⌉ of them, at least LEAST_KEPT; complete trials come before those
            that diverged, failed or were pruned, whatever these had reached
    chance  of the kept lying so close together if the parameter did not matter, `chance_of_span`;
            above MOST_CHANCE the range stays as it is
    box     middle ± (1 + margin) · half, where the kept reach from middle − half to middle + half
            and half is at least LEAST_WIDTH / 2; cut at the range's ends

An end is a border where the best trial lies within AT_BORDER of it, the kept lie towards it
(`chance_of_ranks` at most BORDER_CHANCE) and at most MOST_BEYOND of the trials lie between them and
the end. There the box reaches past the end: by REACH_DECADES past the range as it was submitted
where its axis is logarithmic, else by REACH of the present range; never past `hard_bounds` or what
the field itself allows.

An option of a choice goes when none of the kept has it and chance would do that rarely
(`chance_of_none` times the number of options at most MOST_CHANCE).

So a parameter that does not matter is narrowed in at most MOST_CHANCE of all stages, and extended
in at most BORDER_CHANCE. What this was
compared with: docs/search.md.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from hpsearch.search.null_distributions import chance_of_none, chance_of_ranks, chance_of_span
from hpsearch.spec.language.distributions import Choice, Distribution, Interval, Value
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.search import CoarseToFineSearch
from hpsearch.spec.space.space import Parameter, SearchSpace
from hpsearch.spec.wire.observation import Observation

LEAST_KEPT = 3
"""Fewer trials say too little of where a parameter is good."""

MOST_CHANCE = 0.2
"""What chance does more often than this is no reason to change a range."""

LEAST_WIDTH = 0.2
"""A box keeps at least this share of the range's width, before its margin."""

BORDER_CHANCE = 0.1
"""And no reason to reach past an end: that costs more than to leave a range as it is."""

AT_BORDER = 0.25
"""The best trial lies at a border when it is within this share of the range from its end."""

MOST_BEYOND = 0.05
"""And when at most this share of the trials lies between the kept and the end."""

REACH = 0.5
"""How far a box reaches past a border, as a share of the range's width."""

REACH_DECADES = 2.0
"""How far it does past a submitted end of a logarithmic range: two steps find a learning rate that
is four decades off.
"""

Kind = Literal["narrowed", "extended"]


@dataclass(frozen=True)
class Change:
    """What became of a parameter's range, and why."""

    parameter: str
    kind: Kind
    before: Mapping[str, Any]
    """The distribution as it was, on the wire."""
    after: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class Narrowed:
    """The next stage's space, and how it came about."""

    space: SearchSpace
    changes: tuple[Change, ...]
    note: str | None = None
    """Why nothing could be said, where that is so."""


@dataclass(frozen=True)
class _Seen:
    """The trials that have a parameter, by its values."""

    tried: Sequence[Value]
    kept: Sequence[Value]
    """From the best on."""

    @property
    def told(self) -> str:
        return f"the best {len(self.kept)} of {len(self.tried)} trials"


def ranked(tried: Sequence[Observation]) -> list[Observation]:
    """Trials that ended with a value, from the best on; complete ones before all others, the
    earlier first among equals.
    """  # noqa: D205
    valued = [
        trial
        for trial in tried
        if trial.ended and trial.loss is not None and math.isfinite(trial.loss)
    ]
    return sorted(valued, key=lambda t: (t.state != TrialState.COMPLETE, t.loss, t.number))


def narrowed(
    space: SearchSpace,
    tried: Sequence[Observation],
    search: CoarseToFineSearch,
    keep: float,
    *,
    whole: SearchSpace,
) -> Narrowed:
    """The box around the best of a stage's trials.

    Args:
        space: where they were drawn.
        tried: the trials; those still running tell nothing, those without a value are bad.
        search: margin, expansion and hard bounds.
        keep: the share of them that spans the box.
        whole: the study's own space, which knows each field's bounds.
    """
    submitted = {parameter.name: parameter for parameter in whole.parameters}
    parameters, changes = [], []
    for parameter in space.parameters:
        having = [trial for trial in tried if trial.ended and _tells(trial, parameter)]
        kept = ranked(having)[: max(LEAST_KEPT, math.ceil(keep * len(having)))]
        values = [[trial.params[parameter.name] for trial in trials] for trials in (having, kept)]
        found = _change(parameter, _Seen(*values), search, submitted.get(parameter.name, parameter))
        if found is None:
            parameters.append(parameter)
            continue
        distribution, kind, reason = found
        parameters.append(replace(parameter, distribution=distribution))
        wires = _wire(parameter.distribution), _wire(distribution)
        changes.append(Change(parameter.name, kind, *wires, reason))
    note = None if ranked(tried) else "no trial came to a value, so all ranges stay as they are"
    return Narrowed(SearchSpace(_reachable(parameters)), tuple(changes), note)


def _tells(trial: Observation, parameter: Parameter) -> bool:
    """Whether it has the parameter; a trial trained again may have an option that has gone."""
    if parameter.name not in trial.params:
        return False
    distribution = parameter.distribution
    return not isinstance(distribution, Choice) or distribution.contains(
        trial.params[parameter.name]
    )


def _change(
    parameter: Parameter, seen: _Seen, search: CoarseToFineSearch, submitted: Parameter
) -> tuple[Distribution, Kind, str] | None:
    old = parameter.distribution
    if not LEAST_KEPT <= len(seen.kept) < len(seen.tried):
        return None
    if isinstance(old, Choice):
        return _fewer_options(old, seen)
    if not isinstance(old, Interval) or old.low == old.high:
        return None
    first, last, narrowing = _box(old, seen, search.margin)
    below = above = None
    if search.expand:
        below, above = _border(old, seen, upper=False), _border(old, seen, upper=True)
    whole = submitted.distribution if isinstance(submitted.distribution, Interval) else old
    if below is not None:
        first = min(first, -_reach(old, past=old.low <= whole.low))
    if above is not None:
        last = max(last, 1 + _reach(old, past=old.high >= whole.high))
    if (first, last) == (0.0, 1.0):
        return None
    bounds = search.hard_bounds.get(parameter.name, submitted.bounds)
    new = old.cut(first, last, *bounds)
    if new == old:
        return None
    reached = (below if new.low < old.low else None) or (above if new.high > old.high else None)
    if reached is None:
        return new, "narrowed", narrowing
    return new, "extended", f"{reached}; {narrowing}" if narrowing else reached


def _box(old: Interval, seen: _Seen, margin: float) -> tuple[float, float, str]:
    """First and last place of the box, within [0, 1], and the reason for it."""
    places = sorted(map(old.to_unit, seen.kept))
    low, high = places[0], places[-1]
    span = sum(low <= old.to_unit(value) <= high for value in seen.tried)
    chance = chance_of_span(len(seen.tried), len(places), span)
    if chance > MOST_CHANCE:
        return 0.0, 1.0, ""
    middle, half = (low + high) / 2, max(high - low, LEAST_WIDTH) / 2
    reason = (
        f"{seen.told} lie in {min(seen.kept):g} to {max(seen.kept):g}, "
        f"where chance alone would put them {_times(chance)}"
    )
    reach = half * (1 + margin)
    return max(middle - reach, 0.0), min(middle + reach, 1.0), reason


def _border(old: Interval, seen: _Seen, *, upper: bool) -> str | None:
    """Why the box is to reach past an end; none where it is not."""

    def place(value: Value) -> float:
        return old.to_unit(value) if upper else 1 - old.to_unit(value)

    order = sorted(map(place, seen.tried))
    beyond = len(order) - bisect_right(order, max(map(place, seen.kept)))
    if place(seen.kept[0]) < 1 - AT_BORDER or beyond > MOST_BEYOND * len(order):
        return None
    total = 0.0
    for kept in map(place, seen.kept):  # equal places share their ranks
        total += (bisect_left(order, kept) + bisect_right(order, kept) + 1) / 2
    chance = chance_of_ranks(len(seen.tried), len(seen.kept), total)
    if chance > BORDER_CHANCE:
        return None
    end = "upper" if upper else "lower"
    return (
        f"the best trial has {seen.kept[0]:g}, near the {end} end, and {seen.told} lie so far "
        f"{'up' if upper else 'down'} {_times(chance)} by chance alone"
    )


def _reach(old: Interval, *, past: bool) -> float:
    """How far past an end, in units of the range."""
    return REACH_DECADES / math.log10(old.high / old.low) if old.log and past else REACH


def _fewer_options(old: Choice[Any], seen: _Seen) -> tuple[Distribution, Kind, str] | None:
    tried, kept = ([old.index(value) for value in values] for values in (seen.tried, seen.kept))
    gone = {}
    for i in range(len(old.choice)):
        chance = chance_of_none(len(tried), len(kept), tried.count(i)) * len(old.choice)
        if i not in kept and chance <= MOST_CHANCE:
            gone[i] = chance
    if not gone:
        return None
    names = ", ".join(str(old.choice[i]) for i in gone)
    reason = (
        f"none of {seen.told} has {names}, "
        f"as chance alone would have it {_times(max(gone.values()))}"
    )
    left = tuple(option for i, option in enumerate(old.choice) if i not in gone)
    return Choice(choice=left), "narrowed", reason


def _times(chance: float) -> str:
    """A chance in words."""
    return f"{chance:.0%} of the time" if chance >= 0.005 else "less than 1% of the time"


def _reachable(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Without the branches that no choice opens any more."""
    options: dict[str, tuple[Value, ...]] = {}
    kept = []
    for parameter in parameters:
        if parameter.branch is not None:
            name, label = parameter.branch
            if label not in options.get(name, ()):
                continue
        if isinstance(parameter.distribution, Choice):
            options[parameter.name] = parameter.distribution.choice
        kept.append(parameter)
    return tuple(kept)


def _wire(distribution: Distribution) -> dict[str, Any]:
    return distribution.model_dump(mode="json", exclude_none=True)
