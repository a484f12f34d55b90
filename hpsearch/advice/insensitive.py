"""Which parameters make no difference that the trials could show.

A range is cut into up to `GROUPS` parts with equally many trials, a choice into its options; if
the trials' ranks do not differ between them by more than chance, corrected for the number of
parameters, and explain less than `SMALL` of the ranks' variance, the parameter can be fixed. Fewer
than `LEAST_TRIALS` could not show a difference, and nothing is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hpsearch.advice.rank_tests import groups_p, holm_corrected
from hpsearch.advice.ranking import comparable, score
from hpsearch.spec.language.distributions import Choice, Value
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.space.space import Parameter, SearchSpace
from hpsearch.spec.wire.advice import Finding
from hpsearch.spec.wire.observation import Observation

GROUPS = 4
LEVEL = 0.05
SMALL = 0.06
"""A medium effect, by Cohen's words."""
LEAST_TRIALS = 40
LEAST_IN_GROUP = 5


def insensitive(space: SearchSpace, tried: Sequence[Observation]) -> list[Finding]:
    """A finding for each parameter that makes no difference.

    Args:
        space: as it was submitted.
        tried: the study's trials.
    """
    compared = comparable(tried)
    tested = []
    for parameter in space.parameters:
        with_value = [trial for trial in compared if parameter.name in trial.params]
        groups = _groups(parameter, with_value)
        if len(groups) > 1:
            tested.append((parameter.name, sum(map(len, groups)), *groups_p(groups)))
    corrected = holm_corrected([p for *_, p, _ in tested])
    return [
        Finding(
            kind="insensitive",
            parameter=name,
            severity="info",
            message=f"{name} makes no difference that {pluralize(trials, 'trial')} could show "
            f"(p = {p:.2g}, {adjusted:.2g} corrected for {pluralize(len(tested), 'parameter')}; it "
            f"explains {explained:.0%} of the ranks); fix it, or search it in a wider range",
            evidence={
                "p_value": p,
                "corrected_p_value": adjusted,
                "explained": explained,
                "trials": trials,
            },
        )
        for (name, trials, p, explained), adjusted in zip(tested, corrected, strict=True)
        if adjusted > LEVEL and explained < SMALL and trials >= LEAST_TRIALS
    ]


def _groups(parameter: Parameter, trials: Sequence[Observation]) -> list[list[float]]:
    """The trials' scores in groups of equal or neighbouring values, each of enough trials."""
    by_value: defaultdict[Value, list[float]] = defaultdict(list)
    for trial in trials:
        by_value[_key(trial.params[parameter.name])].append(score(trial))
    if isinstance(parameter.distribution, Choice):
        return [group for group in by_value.values() if len(group) >= LEAST_IN_GROUP]
    groups: list[list[float]] = [[]]
    for value in sorted(by_value):
        if len(groups[-1]) >= max(LEAST_IN_GROUP, len(trials) / GROUPS):
            groups.append([])
        groups[-1] += by_value[value]
    if len(groups) > 1 and len(groups[-1]) < LEAST_IN_GROUP:
        last = groups.pop()
        groups[-1] += last
    return groups


def _key(value: Value) -> Value:
    """A value that can be a key of a dictionary."""
    return tuple(value) if isinstance(value, list) else value
