"""What every sampler keeps to, whatever it learns."""

from __future__ import annotations

import math
import random
import resource
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from searches import (
    ADAPTIVE,
    BRANCHED,
    FEW,
    HISTORY_FREE,
    MIXED,
    POINTS,
    RANGES,
    SETTINGS,
    SEVERAL_OBJECTIVES,
    TWO,
    WITH_BRANCHES,
    WITH_CHOICES,
    play,
    problem,
    ranges,
    running,
    sampler,
    space_of,
    trial,
)

from hpsearch.reference.catalogue import page
from hpsearch.search.samplers import sampler_for
from hpsearch.search.samplers.base import History, Observation, Sampler
from hpsearch.spec.language.distributions import (
    Choice,
    Distribution,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Uniform,
)
from hpsearch.spec.language.family import implementation
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.search import SEARCHES
from hpsearch.spec.space.grid import whole_grid
from hpsearch.spec.space.space import SearchSpace

_reals = st.floats(-1e6, 1e6, allow_nan=False)
_positive = st.floats(1e-9, 1e6)


def _ends(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.tuples(numbers, numbers).map(lambda ends: (min(ends), max(ends)))


_intervals: st.SearchStrategy[Distribution] = st.one_of(
    _ends(_reals).map(lambda ends: Uniform(uniform=ends)),
    st.builds(
        lambda low, cells, step, rest: Uniform(
            uniform=(low, low + step * (cells + rest)), step=step
        ),
        st.floats(-100, 100),
        st.integers(0, 50),
        st.floats(1e-3, 10),
        st.floats(0, 0.9),
    ),
    _ends(_positive).map(lambda ends: LogUniform(log_uniform=ends)),
    st.builds(
        lambda ends, step: IntUniform(int_uniform=ends, step=step),
        _ends(st.integers(-1000, 1000)),
        st.none() | st.integers(1, 50),
    ),
    st.builds(
        lambda ends, step: IntLogUniform(int_log_uniform=ends, step=step),
        _ends(st.integers(1, 2**31 - 1)),
        st.none() | st.integers(1, 50),
    ),
)
_choices: st.SearchStrategy[Distribution] = st.lists(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), min_size=1
).map(lambda options: Choice(choice=tuple(options)))


def _spaces(kind: str) -> st.SearchStrategy[SearchSpace]:
    allowed = _intervals | _choices if kind in WITH_CHOICES else _intervals
    return st.lists(allowed, min_size=1, max_size=4).map(
        lambda found: space_of(**{f"p{i}": distribution for i, distribution in enumerate(found)})
    )


@pytest.mark.parametrize("kind", [kind for kind in SEARCHES.members if kind != "gp"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.differing_executors])
@given(data=st.data())
def test_every_proposal_lies_in_the_space(kind: str, data: st.DataObject) -> None:
    space = data.draw(_spaces(kind))
    rng = random.Random(0)
    play(sampler(kind, space), 10, lambda n, params: trial(n, params, rng.random()))


@settings(max_examples=3)
@given(space=_spaces("gp"))
def test_every_proposal_of_the_gaussian_process_lies_in_the_space(space: SearchSpace) -> None:
    rng = random.Random(0)
    play(sampler("gp", space), 6, lambda n, params: trial(n, params, rng.random()))


@pytest.mark.parametrize("kind", [kind for kind in SEARCHES.members if kind != "grid"])
def test_a_range_of_two_billion_values_takes_no_memory_for_each(kind: str) -> None:
    space = space_of(
        a=IntUniform(int_uniform=(1, 2**31 - 1)),
        b=IntLogUniform(int_log_uniform=(1, 2**31 - 1)),
        c=Uniform(uniform=(0.0, 1.0), step=1e-9),
    )
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    roomy = 6 * 2**30 + pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (roomy, before[1]))
    try:
        play(sampler(kind, space), 12, lambda n, params: trial(n, params, float(n % 3)))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_table_spec_and_documentation_name_the_same_searches() -> None:
    assert set(SETTINGS) < set(SEARCHES.members) == {*HISTORY_FREE, *ADAPTIVE}
    for kind, member in SEARCHES.members.items():
        assert issubclass(implementation(member), Sampler)
        assert f"| `{kind}` |" in page()


def test_the_table_loads_no_library_of_any_sampler() -> None:
    code = "import sys, hpsearch.search; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"optuna", "torch", "scipy", "sklearn", "cmaes"}


@pytest.mark.parametrize("kind", SEARCHES.members)
def test_equal_seeds_give_equal_studies_and_others_do_not(kind: str) -> None:
    seeds = (1, 1, 2)
    played = [[t.params for t in play(sampler(kind, ranges(kind), seed=s), 6)] for s in seeds]
    assert played[0] == played[1]
    assert played[0] != played[2]


@pytest.mark.parametrize("kind", SEARCHES.members)
def test_ranges_of_one_point_give_that_point(kind: str) -> None:
    for found in play(sampler(kind, POINTS), 6):
        assert found.params == {
            "lr": 0.1, "decay": 0.0, "drop": 0.2, "depth": 3, "units": 5, "kind": "only",
        }  # fmt: skip


@pytest.mark.parametrize("kind", SEARCHES.members)
def test_a_space_without_parameters_gives_the_one_configuration(kind: str) -> None:
    assert [t.params for t in play(sampler(kind, SearchSpace(())), 6)] == [{}] * 6


@pytest.mark.parametrize("kind", WITH_BRANCHES)
def test_branches_are_entered_only_where_they_were_chosen(kind: str) -> None:
    played = play(sampler(kind, BRANCHED), 12)
    assert {found.params["optimizer"] for found in played} == {"adam", "momentum"}
    for found in played:
        chosen = found.params["optimizer"]
        assert {name.partition(".")[0] for name in found.params if "[" in name} == {
            f"optimizer[{chosen}]"
        }


def _troubled(number: int, params: Mapping[str, Any]) -> Observation:
    """Every way in which a trial may end, in turn."""
    ways: list[tuple[TrialState, tuple[float, ...]]] = [
        (TrialState.COMPLETE, (1.0 / (number + 1),)),
        (TrialState.FAILED, ()),
        (TrialState.PRUNED, (0.5,)),
        (TrialState.COMPLETE, (math.nan,)),
        (TrialState.PRUNED, ()),
        (TrialState.COMPLETE, (math.inf,)),
        (TrialState.PRUNED, (math.nan,)),
        (TrialState.COMPLETE, ()),
    ]
    state, losses = ways[number % len(ways)]
    return trial(number, params, *losses, state=state)


@pytest.mark.parametrize("kind", SEARCHES.members)
def test_trials_that_failed_or_diverged_or_were_pruned_stop_nobody(kind: str) -> None:
    assert len(play(sampler(kind, ranges(kind)), 18, _troubled)) == 18


@pytest.mark.parametrize("kind", SEARCHES.members)
def test_a_study_whose_every_trial_failed_goes_on(kind: str) -> None:
    played = play(
        sampler(kind, ranges(kind)), 12, lambda n, p: trial(n, p, state=TrialState.FAILED)
    )
    assert len({tuple(found.params.values()) for found in played}) == 12


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_trials_outside_the_space_teach_nothing(kind: str) -> None:
    strange = [trial(-1, {"other": 1}, 0.0), trial(-2, {**_params(), "lr": 7.0}, 0.0)]
    with_them = sampler(kind, RANGES).suggest([0], History(strange))
    assert with_them == sampler(kind, RANGES).suggest([0])


def _params() -> dict[str, Any]:
    return {"lr": 0.01, "decay": 0.1, "drop": 0.1, "units": 8, "depth": 3}


@pytest.mark.parametrize("kind", HISTORY_FREE)
@given(
    order=st.permutations(range(9)),
    cuts=st.sets(st.integers(1, 8)),
    space=st.sampled_from([MIXED, BRANCHED, FEW]),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.differing_executors])
def test_the_same_trials_come_whoever_asks_and_in_whatever_order(
    kind: str, order: list[int], cuts: set[int], space: SearchSpace
) -> None:
    assert not implementation(SEARCHES.members[kind]).reads_history
    expected = sampler(kind, space).suggest(range(9))
    one = sampler(kind, space)
    for number in order:
        assert one.suggest([number]) == [expected[number]]
    edges = [0, *sorted(cuts), 9]
    chunked = sampler(kind, space)
    for start, end in pairwise(edges):
        assert chunked.suggest(range(start, end)) == expected[start:end]


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_a_new_process_suggests_what_the_old_one_would_have(kind: str) -> None:
    """Trials end out of turn while others run; at each step a fresh sampler is asked as well."""
    assert implementation(SEARCHES.members[kind]).reads_history
    old = sampler(kind, ranges(kind))
    rng = random.Random(1)
    ended: list[Observation] = []
    open_: list[Observation] = []
    number, rounds = 0, 4 if kind == "gp" else 12
    for _ in range(rounds):
        history = History(ended, sorted(open_, key=lambda t: t.number))
        new = sampler(kind, ranges(kind))
        count = old.max_suggestions(history, 3)
        assert new.max_suggestions(history, 3) == count
        numbers = range(number, number + count)
        proposals = old.suggest(numbers, history)
        assert sampler(kind, ranges(kind)).suggest(numbers, history) == proposals
        open_ += running(numbers, proposals)
        number += count
        for _ in range(2):
            if open_:
                done = open_.pop(rng.randrange(len(open_)))
                ended.append(_troubled(done.number, done.params))


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_a_proposal_that_was_never_stored_leaves_no_trace(kind: str) -> None:
    ended = play(sampler("random", ranges(kind)), 6)
    one = sampler(kind, ranges(kind))
    first = one.suggest([6, 7], History(ended))
    assert one.suggest([6, 7], History(ended)) == first


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_trials_proposed_together_differ(kind: str) -> None:
    ended = play(sampler("random", ranges(kind)), 8)
    together = sampler(kind, ranges(kind)).suggest(range(8, 11), History(ended))
    assert len({tuple(proposal.params.values()) for proposal in together}) == 3


@pytest.mark.parametrize("kind", SEVERAL_OBJECTIVES)
def test_several_objectives_are_taken(kind: str) -> None:
    def end(number: int, params: Mapping[str, Any]) -> Observation:
        if number % 5 == 4:
            return trial(number, params, state=TrialState.PRUNED)
        return trial(number, params, params["lr"], -params["lr"])

    space, trials = (TWO, 6) if kind == "gp" else (MIXED, 14)
    assert len(play(sampler(kind, space, objectives=2), trials, end)) == trials


@pytest.mark.parametrize("kind", SEARCHES.members)
@pytest.mark.parametrize("count", [1, 64])
def test_at_least_one_and_at_most_as_many_as_asked_for_come_at_once(kind: str, count: int) -> None:
    one = sampler(kind, RANGES)
    for ended, busy in ((0, 0), (0, 200), (6, 0), (6, 200)):
        history = History(
            [trial(n, _params(), 1.0) for n in range(ended)],
            [trial(300 + n, _params(), state=TrialState.RUNNING) for n in range(busy)],
        )
        assert 1 <= one.max_suggestions(history, count) <= count


@pytest.mark.parametrize(
    ("kind", "ended", "busy", "allowed"),
    [
        ("random", 0, 0, 64),
        ("tpe", 0, 0, 10),
        ("tpe", 0, 7, 3),
        ("tpe", 9, 0, 1),
        ("tpe", 10, 0, 1),
        ("tpe", 24, 0, 3),
        ("tpe", 64, 5, 3),
        ("gp", 24, 1, 2),
        ("gp", 500, 1, 3),
        ("cmaes", 0, 0, 1 + 6),
        ("cmaes", 1, 2, 4),
        ("cmaes", 1 + 6 + 2, 0, 4),
        ("tpe", 1000, 0, 16),
        ("nsga2", 0, 0, 50),
        ("nsga2", 48, 1, 1),
        ("nsga2", 50, 0, 50),
    ],
)
def test_how_many_may_run_at_once_grows_with_what_is_known(
    kind: str, ended: int, busy: int, allowed: int
) -> None:
    plain: dict[str, dict[str, Any]] = {
        "tpe": {"startup_trials": 10},
        "gp": {"startup_trials": 10},
        "cmaes": {"population": 6},
        "nsga2": {"population": 50},
    }
    history = History(
        [trial(n, _params(), 1.0 + n) for n in range(ended)],
        [trial(ended + n, _params(), state=TrialState.RUNNING) for n in range(busy)],
    )
    one = sampler(kind, RANGES, settings=plain.get(kind, {}))
    assert one.max_suggestions(history, 64) == allowed


@pytest.mark.parametrize("kind", ["random", "coarse_to_fine", "tpe", "cmaes", "nsga2"])
def test_no_configuration_comes_twice_while_there_are_others(kind: str) -> None:
    grid = whole_grid(FEW)
    assert grid is not None
    assert grid.size == 12
    played = play(sampler(kind, FEW), 14)
    assert {grid.index_of(found.params) for found in played[:12]} == set(range(12))


def test_the_second_round_of_draws_holds_every_configuration_again() -> None:
    drawn = [p.params for p in sampler("random", FEW).suggest(range(36))]
    grid = whole_grid(FEW)
    assert grid is not None
    for start in (0, 12, 24):
        assert {grid.index_of(params) for params in drawn[start : start + 12]} == set(range(12))


def test_what_people_gave_is_not_drawn_again() -> None:
    grid = whole_grid(FEW)
    assert grid is not None
    given = tuple(grid.at(place) for place in (3, 8))
    found = problem("random", FEW, initial=given, first=100)
    drawn = [grid.index_of(p.params) for p in sampler_for(found).suggest(range(102, 112))]
    assert {*drawn, 3, 8} == set(range(12))


def test_a_rare_configuration_of_a_large_space_is_drawn_once() -> None:
    """Half of all draws take the branch that holds a single configuration."""
    space = SearchSpace(
        (
            *space_of(kind=Choice(choice=("one", "many"))).parameters,
            *(
                type(BRANCHED.parameters[0])(
                    f"kind[many].p{i}", IntUniform(int_uniform=(0, 10**9)), ("kind", "many")
                )
                for i in range(4)
            ),
        )
    )
    drawn = [p.params["kind"] for p in sampler("random", space).suggest(range(200))]
    assert drawn.count("one") == 1


def test_a_grid_comes_whole_and_after_what_people_gave() -> None:
    given = ({"drop": 0.0, "depth": 1},) * 3
    grid = sampler_for(problem("grid", FEW, initial=given, settings={"points": None}))
    whole = whole_grid(FEW)
    assert whole is not None
    found = [whole.index_of(p.params) for p in grid.suggest(range(3, 15))]
    assert sorted(found) == list(range(12))
    assert found != sorted(found)
