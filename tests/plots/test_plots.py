"""Figures: what they show is what the trials say, in numbers that JSON can carry."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.plots import PlotlyJson
from hpsearch.plots.curves_figure import curves
from hpsearch.plots.dimensions import Dimension, axes
from hpsearch.plots.front_figure import front
from hpsearch.plots.history_figure import best_so_far, history
from hpsearch.plots.scatter_figure import CELLS, scatter
from hpsearch.plots.schedule_figure import schedule
from hpsearch.plots.stages_figure import Box, boxes, stages
from hpsearch.plots.style import ACCENT, SCALE, focus, shade
from hpsearch.plots.trial_figure import panel, panels
from hpsearch.spec.language.distributions import Choice
from hpsearch.spec.language.states import TrialState
from hpsearch.spec.space.space import SearchSpace, search_space
from hpsearch.spec.study import Objective, parse_study
from hpsearch.spec.wire.points import TrialPoint
from hpsearch.spec.wire.records import Curve, Curves

UP = Objective(metric="val_accuracy", direction="maximize")
DOWN = Objective(metric="val_loss", direction="minimize")
DRAWN_AS_SVG = {"scatter", "heatmap"}
"""Neither WebGL nor parcoords, which a page without `unsafe-eval` cannot draw."""
MOST_MARKS = 2500

SPACE = search_space(
    parse_study(
        {
            "name": "space",
            "task": {
                "dataset": "digits",
                "model": {"kind": "mlp", "activation": {"choice": ["relu", "tanh"]}},
            },
            "optimizer": {
                "kind": "adam",
                "lr": {"log_uniform": [1e-5, 1.0]},
                "weight_decay": {"log_uniform": [1e-6, 1e-1]},
            },
            "training": {"batch_size": {"int_uniform": [16, 64]}},
        }
    )
)  # fmt: skip

numbers = st.none() | st.floats(allow_nan=True, allow_infinity=True)
states = st.sampled_from(list(TrialState))


def points_of(
    values: list[float | None], rng: np.random.Generator | None = None
) -> list[TrialPoint]:
    rng = rng or np.random.default_rng(0)
    return [
        TrialPoint(
            number,
            TrialState.COMPLETE,
            value,
            0,
            SPACE.draw(lambda p: p.distribution.from_unit(float(rng.random()))),
        )
        for number, value in enumerate(values)
    ]


def axis(name: str) -> Dimension:
    return next(one for one in axes(SPACE, UP) if one.name == name)


def marks(figure: PlotlyJson) -> int:
    """How many numbers a figure makes a browser draw."""
    return sum(
        sum(map(len, trace["z"])) if "z" in trace else len(trace["x"]) for trace in figure["data"]
    )


@settings(max_examples=60)
@given(
    st.lists(st.tuples(states, numbers), max_size=40),
    st.sampled_from([UP, DOWN]),
    st.booleans(),
)
def test_every_figure_of_any_trials_is_json(
    trials: list[tuple[TrialState, float | None]], objective: Objective, log: bool
) -> None:
    found = [
        point._replace(state=state)
        for point, (state, _) in zip(points_of([v for _, v in trials]), trials, strict=True)
    ]
    shown = Curves(
        metric="val_loss",
        curves=[
            Curve(trial=point.number, epochs=[0, 1], values=[point.value, 1.0])
            for point in found
            if point.value is not None
        ],
    )
    figures = [
        history(found, objective, log=log),
        curves(shown, [1, 0], log_x=log, log_y=log),
        *(
            scatter(found, objective, x, y)
            for x in axes(SPACE, objective)
            for y in axes(SPACE, objective)
        ),
        *(panel("loss", {"val_loss": curve}, log_y=log) for curve in shown.curves),
    ]
    for figure in figures:
        text = json.dumps(figure, allow_nan=False)
        assert {trace["type"] for trace in figure["data"]} <= DRAWN_AS_SVG
        assert "scattergl" not in text
        assert figure["layout"]["modebar"]["remove"] == ["sendChartToCloud"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.sampled_from([UP, DOWN]))
def test_best_so_far_is_the_running_best(values: list[float], objective: Objective) -> None:
    best = np.maximum if objective.direction == "maximize" else np.minimum
    running = best.accumulate(np.array(values))
    steps = dict(best_so_far(points_of(list(values)), objective))
    found, present = [], math.nan
    for number in range(len(values)):
        present = steps.get(number, present)
        found.append(present)
    assert found == running.tolist()


def test_only_complete_trials_move_the_best_line() -> None:
    points = points_of([0.5, 0.9, 0.7])
    points[1] = points[1]._replace(state=TrialState.PRUNED)
    assert best_so_far(points, UP) == [(0, 0.5), (2, 0.7)]


@pytest.mark.parametrize("name", ["history", "scatter"])
def test_ten_thousand_trials_are_few_marks(name: str) -> None:
    values = np.random.default_rng(1).random(10_000).tolist()
    points = points_of(values)
    figure = (
        history(points, UP)
        if name == "history"
        else scatter(points, UP, axis("optimizer.lr"), axis("optimizer.weight_decay"))
    )
    assert marks(figure) < MOST_MARKS
    assert "10,000 trials" in figure["layout"]["meta"]["note"]


def test_cells_show_the_median_of_their_trials() -> None:
    rng = np.random.default_rng(2)
    values = rng.random(5000)
    points = points_of(values.tolist(), rng)
    figure = scatter(points, UP, axis("optimizer.lr"), axis("optimizer.weight_decay"))
    cells = figure["data"][0]
    across = np.log10([p.params["optimizer.lr"] for p in points])
    up = np.log10([p.params["optimizer.weight_decay"] for p in points])
    column = np.clip(np.digitize(across, np.log10(cells["x"])) - 1, 0, CELLS - 1)
    row = np.clip(np.digitize(up, np.log10(cells["y"])) - 1, 0, CELLS - 1)
    differing = 0
    for j, line in enumerate(cells["z"]):
        for i, median in enumerate(line):
            inside = values[(column == i) & (row == j)]
            expected = float(np.median(inside)) if len(inside) else None
            differing += median != expected
    assert differing <= 4  # a trial on a border may round into either cell
    assert sum(map(sum, cells["customdata"])) == len(points)


def test_the_best_trials_are_drawn_last_and_so_on_top() -> None:
    for objective in (UP, DOWN):
        figure = scatter(points_of([0.1, 0.9, 0.5]), objective, axis("optimizer.lr"), axis("value"))
        drawn = figure["data"][-1]["marker"]["color"]
        assert drawn == sorted(drawn, reverse=objective is DOWN)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("optimizer.lr", "log"), ("training.batch_size", "linear"), ("value", "linear")],
)
def test_an_axis_is_logarithmic_where_the_parameter_is_drawn_so(name: str, kind: str) -> None:
    figure = scatter(points_of([0.1, 0.2]), UP, axis(name), axis("value"))
    assert figure["layout"]["xaxis"]["type"] == kind


def test_a_choice_is_an_axis_of_its_options() -> None:
    figure = scatter(points_of([0.1] * 20), UP, axis("task.model.activation"), axis("value"))
    assert figure["layout"]["xaxis"]["ticktext"] == ["relu", "tanh"]
    assert set(figure["data"][-1]["x"]) == {0.0, 1.0}


def test_far_outliers_are_left_out_of_the_view_and_not_of_the_data() -> None:
    values = [1.0 + i / 100 for i in range(50)] + [1e30]
    low, high = focus(values, log=False) or (0.0, math.inf)
    assert low < 1.0
    assert 1.49 < high < 2.0
    assert focus(values[:-1], log=False) is None
    figure = history(points_of(list(values)), DOWN)
    assert 1e30 in figure["data"][0]["y"]


def test_curves_start_at_one_epoch_so_that_a_log_axis_shows_them() -> None:
    shown = Curves(metric="val_loss", curves=[Curve(trial=3, epochs=[0, 1], values=[2.0, 1.0])])
    figure = curves(shown, [3], log_x=True)
    assert figure["data"][0]["x"] == [1, 2]
    assert figure["layout"]["xaxis"]["type"] == "log"


def test_the_best_curve_is_on_top_and_stands_out() -> None:
    shown = Curves(
        metric="val_loss",
        curves=[Curve(trial=n, epochs=[0, 1], values=[1.0, 1.0]) for n in range(4)],
    )
    figure = curves(shown, [2, 0, 1, 3], total=900)
    assert [trace["meta"] for trace in figure["data"]] == [3, 1, 0, 2]
    assert figure["data"][-1]["line"]["color"] == ACCENT
    assert figure["layout"]["meta"]["note"] == "the best 4 of 900 trials"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["lr", "val_accuracy", "train_loss", "val_loss", "train_objective", "seconds", "w"],
            {
                "loss": ["train_loss", "val_loss", "train_objective"],
                "accuracy": ["val_accuracy"],
                "lr": ["lr"],
                "w": ["w"],
                "seconds": ["seconds"],
            },
        ),
        (["ema_val_loss", "grad_norm"], {"loss": ["ema_val_loss"], "grad_norm": ["grad_norm"]}),
        (
            ["val_recall[not_yet]", "val_log_loss", "val_recall[yes]", "val_balanced_accuracy",
             "swa_val_balanced_accuracy", "val_f1", "val_f1_macro", "train_loss", "my_own"],
            {
                "loss": ["val_log_loss", "train_loss"],
                "recall": ["val_recall[not_yet]", "val_recall[yes]"],
                "balanced_accuracy": ["val_balanced_accuracy", "swa_val_balanced_accuracy"],
                "f1": ["val_f1", "val_f1_macro"],
                "my_own": ["my_own"],
            },
        ),
        ([], {}),
    ],
)  # fmt: skip
def test_metrics_that_measure_alike_share_a_panel(names: list[str], expected: Any) -> None:
    found = panels(names)
    assert found == expected
    assert list(found) == list(expected)


def test_text_of_people_cannot_become_markup() -> None:
    evil = "<img src=x onerror=alert(1)>"
    objective = Objective(metric=evil, direction="maximize")
    shown = Curves(metric=evil, curves=[Curve(trial=0, epochs=[0], values=[1.0])])
    for figure in (
        history(points_of([0.1]), objective),
        scatter(points_of([0.1]), objective, *[axes(SPACE, objective)[-1]] * 2),
        curves(shown, [0]),
        panel(evil, {evil: shown.curves[0]}),
    ):
        assert "<img" not in json.dumps(figure)


def test_colours_run_from_the_best_to_the_worst() -> None:
    ends = ["rgb({}, {}, {})".format(*(int(c[i : i + 2], 16) for i in (1, 3, 5))) for c in SCALE]
    assert shade(0, 5) == ends[-1]
    assert shade(4, 5) == ends[0]
    assert shade(0, 1) == ends[-1]


def test_a_curve_of_one_epoch_is_a_mark() -> None:
    one = Curve(trial=0, epochs=[0], values=[1.0])
    figure = panel("loss", {"val_loss": one})
    assert "markers" in figure["data"][0]["mode"]


def test_the_schedule_shows_what_it_is_given() -> None:
    figure = schedule([0.0, 0.5, 1.0], [0.1, 0.2, 0.0])
    assert figure["data"][0]["y"] == [0.1, 0.2, 0.0]


def test_each_stage_has_its_box_and_its_trials_inside_and_the_submitted_range_is_marked() -> None:
    found = [
        TrialPoint(n, TrialState.COMPLETE, n / 10, stage, {"optimizer.lr": lr})
        for n, (stage, lr) in enumerate([(0, 1e-4), (0, 0.9), (1, 0.5), (1, 30.0)])
    ]
    lr = axis("optimizer.lr")
    drawn_in = [Box(0, 1e-5, 1.0, "stage 0"), Box(1, 0.1, 100.0, "stage 1")]
    figure = stages(found, UP, lr, drawn_in)
    (marks,) = figure["data"]
    seen = {
        p[0]: (x, y) for p, x, y in zip(marks["customdata"], marks["x"], marks["y"], strict=True)
    }
    boxes = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "rect"]
    for point in found:
        x, y = seen[point.number]
        box = boxes[point.stage]
        assert (box["x0"] <= x <= box["x1"], box["y0"] <= y <= box["y1"]) == (True, True)
    lines = [shape["x0"] for shape in figure["layout"]["shapes"] if shape["type"] == "line"]
    assert lines == [1e-5, 1.0]
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < -5
    assert high > 2


def test_a_choice_is_boxed_option_by_option() -> None:
    activation = axis("task.model.activation")
    (whole,) = (p for p in SPACE.parameters if p.name == activation.name)
    assert [b.low for b in boxes(SPACE, activation, 0, "")] == [0, 1]
    narrow = SearchSpace((replace(whole, distribution=Choice(choice=("tanh",))),))
    assert [b.low for b in boxes(narrow, activation, 1, "")] == [1]
    assert boxes(SearchSpace(()), activation, 2, "") == []


def test_a_front_joins_its_trials_and_shows_the_others_behind() -> None:
    values = {0: [0.9, 3.0], 1: [0.8, 1.0], 2: [0.7, 2.0]}
    cost = Objective(metric="seconds", direction="minimize")
    figure = front(values, [0, 1], [UP, cost])
    behind, joined = figure["data"]
    assert behind["customdata"] == [[2]]
    assert (joined["x"], joined["y"]) == ([0.8, 0.9], [1.0, 3.0])
    many = {n: [n / 5000, 1.0] for n in range(5000)}
    figure = front(many, [4999], [UP, cost])
    assert len(figure["data"][0]["x"]) <= 1000
    assert "every 5th of 4,999 trials" in figure["layout"]["meta"]["note"]


def test_a_scatter_reaches_to_trials_outside_of_the_submitted_range() -> None:
    found = [TrialPoint(0, TrialState.COMPLETE, 0.1, 1, {"optimizer.lr": 50.0})]
    figure = scatter(found, UP, axis("optimizer.lr"), axis("value"))
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < -5
    assert high > math.log10(50)


def test_the_best_value_is_in_sight_however_far_it_lies_from_the_rest() -> None:
    found = points_of([2.3 + n / 1000 for n in range(30)] + [0.2, 50.0])
    low, high = history(found, DOWN)["layout"]["yaxis"]["range"]
    assert low < 0.2
    assert high < 3
