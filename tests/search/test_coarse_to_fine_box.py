"""From a stage's trials to the next box."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.search.coarse_to_fine_box import (
    MAX_BORDER_P_VALUE,
    MAX_P_VALUE,
    MIN_BEST,
    next_box,
)
from hpsearch.search.ranking import rank_trials
from hpsearch.search.samplers.staged import NextSpace
from hpsearch.spec.language.distributions import (
    Choice,
    Distribution,
    IntLogUniform,
    IntUniform,
    LogUniform,
    Uniform,
)
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.searches.coarse_to_fine import CoarseToFineSearch
from hpsearch.spec.space.space import Parameter, SearchSpace
from hpsearch.spec.wire.observation import Observation

RATE = LogUniform(log_uniform=(1e-5, 1.0))
Params = Mapping[str, Any]


def space(**distributions: Distribution) -> SearchSpace:
    return SearchSpace(tuple(Parameter(name, d) for name, d in distributions.items()))


def stage(
    where: SearchSpace, loss: Callable[[Params], float], trials: int = 24, seed: int = 0
) -> list[Observation]:
    """Random trials and what they came to; a loss that is not finite means divergence."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(trials):
        params = where.draw(lambda p: p.distribution.from_unit(rng.random()))
        value = loss(params)
        state = TrialState.COMPLETE if math.isfinite(value) else TrialState.PRUNED
        losses = (value,) if math.isfinite(value) else None
        found.append(Observation(number, params, 0, state, losses, 3))
    return found


def after(
    where: SearchSpace, tried: list[Observation], *, whole: SearchSpace | None = None, **more: Any
) -> NextSpace:
    search = CoarseToFineSearch(kind="coarse_to_fine", **more)
    return next_box(where, tried, search, 0.25, whole=whole or where)


def ends(found: NextSpace, name: str = "x") -> tuple[float, float]:
    (parameter,) = [p for p in found.space.parameters if p.name == name]
    return parameter.distribution.ends


def decades_from(best: float) -> Callable[[Params], float]:
    return lambda params: abs(math.log10(params["x"] / best))


def test_the_box_is_the_kept_trials_extent_and_half_of_it_again() -> None:
    where = space(x=Uniform(uniform=(0.0, 100.0)))
    tried = [
        Observation(n, {"x": 2.5 + 5.0 * n}, 0, TrialState.COMPLETE, (abs(n - 10.0),), 3)
        for n in range(20)
    ]
    found = after(where, tried)
    # Kept: the best 5, at 42.5 to 62.5; half the width is 10, the margin 5 more on either side.
    assert ends(found) == pytest.approx((37.5, 67.5))
    (change,) = found.changes
    assert (change.parameter, change.kind) == ("x", "narrowed")
    # 16 of the C(20, 5) = 15504 choices are neighbours.
    assert "the best 5 of 20 trials lie in 42.5 to 62.5" in change.reason
    assert "less than 1% of the time" in change.reason


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
def test_the_margin_counts_in_half_widths_on_the_logarithmic_axis(margin: float) -> None:
    where = space(x=LogUniform(log_uniform=(1e-10, 1.0)))
    tried = [
        Observation(n, {"x": 10.0 ** (-0.25 - n / 2)}, 0, TrialState.COMPLETE, (abs(n - 10.0),), 3)
        for n in range(20)
    ]
    low, high = np.log10(ends(after(where, tried, margin=margin)))
    assert (low, high) == pytest.approx((-5.25 - 1 - margin, -5.25 + 1 + margin))


@given(best=st.floats(-4.0, -1.0), seed=st.integers(0, 10_000))
@settings(max_examples=50)
def test_the_best_trials_stay_in_the_box(best: float, seed: int) -> None:
    where = space(x=RATE)
    tried = stage(where, decades_from(10**best), seed=seed)
    found = after(where, tried)
    low, high = ends(found)
    for trial in rank_trials(tried)[:MIN_BEST]:
        assert low <= trial.params["x"] <= high
    assert math.log10(high / low) < 5.0 or found.changes[0].kind == "extended"


def test_the_best_place_stays_in_the_box_but_for_unlucky_draws() -> None:
    where = space(x=RATE)
    inside = 0
    for seed in range(200):
        best = 10 ** np.random.default_rng([seed, 2]).uniform(-4.0, -1.0)
        low, high = ends(after(where, stage(where, decades_from(best), seed=seed)))
        inside += bool(low <= best <= high)
    assert inside >= 190


@pytest.mark.parametrize("trials", [12, 24, 60])
def test_a_parameter_without_effect_is_seldom_changed(trials: int) -> None:
    where = space(x=RATE, c=Choice(choice=("a", "b", "c")))
    runs, kinds = 300, []
    for seed in range(runs):
        noise = np.random.default_rng([seed, 1])
        tried = stage(where, lambda _, noise=noise: noise.random(), trials, seed)
        kinds += [(change.parameter, change.kind) for change in after(where, tried).changes]
    spread = 3 * math.sqrt(MAX_P_VALUE * (1 - MAX_P_VALUE) / runs)
    assert kinds.count(("x", "narrowed")) / runs < MAX_P_VALUE + spread
    assert kinds.count(("c", "narrowed")) / runs < MAX_P_VALUE + spread
    assert kinds.count(("x", "extended")) / runs < MAX_BORDER_P_VALUE + spread


@pytest.mark.parametrize("decades", [2, 3])
@pytest.mark.parametrize("side", [-1, 1])
def test_an_optimum_decades_outside_is_inside_two_stages_later(decades: int, side: int) -> None:
    first = where = space(x=LogUniform(log_uniform=(1e-5, 1e-3)))
    best = 10.0 ** (-4 + side * (1 + decades))
    inside = 0
    for seed in range(20):
        where = first
        for index, trials in enumerate((24, 12)):
            tried = stage(where, decades_from(best), trials, seed=100 * index + seed)
            where = after(where, tried, whole=first).space
        low, high = where.parameters[0].distribution.ends  # type: ignore[attr-defined]
        inside += low <= best <= high
    assert inside >= 19


def test_an_extension_stops_at_hard_bounds() -> None:
    where = space(x=RATE)
    tried = stage(where, lambda p: -p["x"])
    found = after(where, tried, hard_bounds={"x": (1e-6, 3.0)})
    assert ends(found)[1] == 3.0
    assert found.changes[0].kind == "extended"
    assert "near the upper end" in found.changes[0].reason


def test_an_extension_stops_at_what_the_field_allows() -> None:
    where = SearchSpace((Parameter("x", Uniform(uniform=(0.1, 0.8)), bounds=(0.0, 0.9)),))
    assert ends(after(where, stage(where, lambda p: -p["x"])))[1] == 0.9
    assert ends(after(where, stage(where, lambda p: p["x"])))[0] == 0.0


def test_without_expand_no_range_grows() -> None:
    where = space(x=RATE)
    found = after(where, stage(where, lambda p: -p["x"]), expand=False)
    assert ends(found)[1] == 1.0
    assert [change.kind for change in found.changes] == ["narrowed"]


def test_a_diverged_corner_does_not_attract_the_box() -> None:
    where = space(x=RATE)

    def trial(number: int, x: float) -> Observation:
        if x > 1e-2:  # great while it lasted
            return Observation(number, {"x": x}, 0, TrialState.PRUNED, (1e-3,), 1)
        return Observation(number, {"x": x}, 0, TrialState.COMPLETE, (-math.log10(x),), 3)

    drawn = stage(where, lambda _: 0.0, 40)
    found = after(where, [trial(t.number, t.params["x"]) for t in drawn])
    low, high = ends(found)
    assert low > 1e-5
    assert high < 1.0
    assert rank_trials([trial(0, 0.5), trial(1, 1e-3)])[0].number == 1


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.PRUNED])
def test_a_stage_in_which_all_failed_leaves_the_box_and_says_so(state: TrialState) -> None:
    where = space(x=RATE, c=Choice(choice=("a", "b")))
    drawn = stage(where, lambda _: math.nan)
    found = after(where, [Observation(t.number, t.params, 0, state) for t in drawn])
    assert found.space == where
    assert found.changes == ()
    assert found.note == "no trial came to a value, so all ranges stay as they are"


def test_whole_numbers_narrow_to_whole_numbers() -> None:
    where = space(x=IntUniform(int_uniform=(1, 40)), y=IntLogUniform(int_log_uniform=(4, 4096)))
    near = lambda p: abs(p["x"] - 20) / 40 + abs(math.log2(p["y"] / 64)) / 10  # noqa: E731
    found = after(where, stage(where, near, 60))
    for name, best in (("x", 20), ("y", 64)):
        low, high = ends(found, name)
        assert isinstance(low, int)
        assert isinstance(high, int)
        assert low <= best <= high
    assert ends(found, "x") != (1, 40)


def test_steps_stay_in_place() -> None:
    where = space(x=IntUniform(int_uniform=(16, 256), step=16))
    low, high = ends(after(where, stage(where, lambda p: abs(p["x"] - 128), 60)))
    assert 16 < low <= 128 <= high < 256
    assert low % 16 == high % 16 == 0


def test_an_option_that_none_of_the_best_has_goes() -> None:
    where = space(x=Choice(choice=("good", "bad", 1, True)))
    tried = stage(where, lambda p: float(p["x"] in ("bad", 1) and p["x"] is not True), 80)
    found = after(where, tried)
    assert found.space.parameters[0].distribution == Choice(choice=("good", True))
    assert "none of the best 20 of 80 trials has bad, 1" in found.changes[0].reason


def test_an_option_stays_that_was_hardly_tried() -> None:
    where = space(x=Choice(choice=("a", "rare")))
    tried = [
        Observation(n, {"x": "rare" if n == 9 else "a"}, 0, TrialState.COMPLETE, (n,), 3)
        for n in range(10)
    ]
    assert after(where, tried).changes == ()


def conditional() -> SearchSpace:
    return SearchSpace(
        (
            Parameter("kind", Choice(choice=("a", "b"))),
            Parameter("kind[a].x", RATE, ("kind", "a")),
            Parameter("kind[b].x", RATE, ("kind", "b")),
        )
    )


def test_each_branch_is_judged_among_its_own_trials() -> None:
    where = conditional()

    def loss(params: Params) -> float:
        if params["kind"] == "a":
            return abs(math.log10(params["kind[a].x"] / 1e-3))
        return 0.3 + abs(math.log10(params["kind[b].x"] / 1e-2))

    found = after(where, stage(where, loss, 60))
    for name, best in (("kind[a].x", 1e-3), ("kind[b].x", 1e-2)):
        low, high = ends(found, name)
        assert low < best < high
        assert math.log10(high / low) < 4


def test_a_branch_goes_with_its_option() -> None:
    where = conditional()
    tried = stage(where, lambda p: float(p["kind"] == "b"), 40)
    found = after(where, tried)
    assert "kind[b].x" not in found.space.names
    assert "kind[a].x" in found.space.names


def test_a_range_of_one_point_stays() -> None:
    where = space(x=LogUniform(log_uniform=(0.1, 0.1)), y=RATE)
    found = after(where, stage(where, lambda p: abs(math.log10(p["y"]) + 2)))
    assert ends(found) == (0.1, 0.1)
    assert [change.parameter for change in found.changes] == ["y"]


def test_a_promoted_trial_with_an_option_that_has_gone_tells_nothing_of_it() -> None:
    where = space(x=Choice(choice=("a", "b")))
    tried = stage(where, lambda _: 1.0)
    tried.append(Observation(99, {"x": "gone"}, 0, TrialState.COMPLETE, (0.0,), 3))
    assert after(where, tried).space == where


@given(
    seed=st.integers(0, 10_000),
    trials=st.integers(1, 30),
    margin=st.floats(0, 3),
    bounds=st.tuples(st.floats(1e-9, 1e-5), st.floats(1.0, 1e3)),
)
@settings(max_examples=80)
def test_a_box_is_a_range_within_hard_bounds_and_always_the_same(
    seed: int, trials: int, margin: float, bounds: tuple[float, float]
) -> None:
    where = space(x=RATE, y=Uniform(uniform=(0.0, 1.0)))
    rng = np.random.default_rng(seed)
    tried = stage(where, lambda _: rng.choice([rng.random(), math.nan]), trials, seed)
    more = {"margin": margin, "hard_bounds": {"x": bounds, "y": (0.0, 1.0)}}
    found = after(where, tried, **more)
    low, high = ends(found)
    assert bounds[0] <= low <= high <= bounds[1]
    assert 0.0 <= ends(found, "y")[0] <= ends(found, "y")[1] <= 1.0
    assert after(where, tried[::-1], **more) == found
