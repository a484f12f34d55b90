"""`study.plot`: what its methods take, and what they ask of the server."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from hpsearch.client.plots import StudyPlots
from hpsearch.plots import FIGURES


class Requests:
    """A transport that notes what it is asked for, and answers with an empty figure."""

    def __init__(self) -> None:
        self.requested: tuple[str, dict[str, Any]] = ("", {})

    def get(self, path: str, answer: Any, **query: Any) -> Any:
        self.requested = (path.rpartition("/")[2], query)
        return answer({"data": [], "layout": {}})


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
def plots(requests: Requests) -> StudyPlots:
    return StudyPlots(requests, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "args", "choices", "query"),
    [
        ("curves", ["val_loss"], {"top": 3, "log": "xy"},
         {"metric": "val_loss", "top": 3, "log": "xy"}),
        ("curves", [], {"log": True}, {"log": "xy"}),
        ("scatter", ["a", "b"], {}, {"x": "a", "y": "b"}),
        ("history", [], {"log": True}, {"log": "y"}),
        ("history", [], {"log": False}, {"log": ""}),
        ("trial", [3, "loss"], {}, {"trial": 3, "panel": "loss"}),
        ("trial", [], {"number": 3}, {"trial": 3}),
        ("importances", ["fanova", "seconds"], {}, {"evaluator": "fanova", "target": "seconds"}),
        ("stages", ["a"], {}, {"x": "a"}),
        ("front", [], {}, {}),
    ],
)  # fmt: skip
def test_arguments_are_the_fields_of_the_query(
    plots: StudyPlots,
    requests: Requests,
    name: str,
    args: list[Any],
    choices: dict[str, Any],
    query: dict[str, Any],
) -> None:
    getattr(plots, name)(*args, **choices)
    assert requests.requested == (name, query)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_method_that_says_what_it_takes(plots: StudyPlots, name: str) -> None:
    method = getattr(plots, name)
    assert name in dir(plots)
    assert f".{name}(" in repr(plots)
    fields = FIGURES[name].query.model_fields
    assert set(inspect.signature(method).parameters) == set(fields)
    for field in fields.values():
        assert field.description
        assert field.description in method.__doc__


def test_a_wrong_name_is_answered_with_the_right_ones(plots: StudyPlots) -> None:
    with pytest.raises(AttributeError, match=r"must be one of curves, .*; got 'curve'"):
        _ = plots.curve
    with pytest.raises(TypeError, match=r"study\.plot\.scatter\(x=None, y=None\).*'z'"):
        plots.scatter(z="value")
    assert not hasattr(plots, "__deepcopy__")
