"""Rows to predict, as they are sent to a server."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
import torch

from hpsearch.client.rows import json_rows
from hpsearch.errors import InvalidInput

NAN = float("nan")
ROWS: list[tuple[Any, list[Any]]] = [
    (np.ones((2, 2), np.float32), [[1.0, 1.0], [1.0, 1.0]]),
    ([np.ones(2), np.zeros(2)], [[1.0, 1.0], [0.0, 0.0]]),
    ([[np.float32(0.5), np.int64(3)]], [[0.5, 3]]),
    (torch.ones(1, 2, requires_grad=True), [[1.0, 1.0]]),
    (((1, 2), (3, 4)), [[1, 2], [3, 4]]),
    ([{"size": 1, "colour": None}, {"size": NAN}], [{"size": 1, "colour": None}, {"size": None}]),
    (pd.DataFrame({"size": [1.5, None], "colour": ["red", None]}),
     [{"size": 1.5, "colour": "red"}, {"size": None, "colour": None}]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "sent"), ROWS)
def test_rows_may_come_in_any_form(given: Any, sent: list[Any]) -> None:
    assert json_rows(given, ("size", "colour") if isinstance(given, pd.DataFrame) else ()) == sent


class Polars:
    """A frame with the interface of polars's, which need not be installed."""

    columns = ("a", "b")

    def to_dict(self) -> dict[str, Any]:
        raise AssertionError("these are columns")

    def to_dicts(self) -> list[dict[str, float]]:
        return [{"a": 1.0, "b": 3.0}, {"a": 2.0, "b": 4.0}]

    def to_numpy(self) -> Any:
        return np.array([[1.0, 3.0], [2.0, 4.0]])


FRAMES = [
    pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}),
    pyarrow.table({"a": [1.0, 2.0], "b": [3.0, 4.0]}),
    Polars(),
]


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_of_numbers_alone_goes_without_its_names(frame: Any) -> None:
    assert json_rows(frame) == [[1.0, 3.0], [2.0, 4.0]]


@pytest.mark.parametrize("frame", FRAMES)
def test_of_a_frame_with_names_those_of_the_model_are_sent(frame: Any) -> None:
    assert json_rows(frame, ("b", "a")) == [{"b": 3.0, "a": 1.0}, {"b": 4.0, "a": 2.0}]
    assert json_rows(frame, ("b",)) == [{"b": 3.0}, {"b": 4.0}]
    with pytest.raises(InvalidInput, match="the columns a, town, and town is not among a, b; add"):
        json_rows(frame, ("a", "town"))


def test_columns_of_the_same_name_are_all_sent() -> None:
    frame = pd.DataFrame([[1.0, 2.0]], columns=["a", "a"])
    assert json_rows(frame) == [[1.0, 2.0]]
    with pytest.raises(InvalidInput, match="must name each column once, got a more often"):
        json_rows(frame, ("a",))


NULLABLE = pd.DataFrame(
    {
        "whole": pd.array([1, None], dtype="Int64"),
        "flag": pd.array([True, None], dtype="boolean"),
        "town": pd.Categorical(["Ulm", None]),
        "at": pd.to_datetime(["2024-05-06 07:08", None]),
        "price": pd.Series([Decimal("1.50"), None], dtype=object),
    }
)


@pytest.mark.parametrize("frame", [NULLABLE, pyarrow.Table.from_pandas(NULLABLE)])
def test_what_frames_call_missing_is_null_and_decimals_are_numbers(frame: Any) -> None:
    assert json_rows(frame, list(NULLABLE.columns)) == [
        {"whole": 1, "flag": True, "town": "Ulm", "at": "2024-05-06T07:08:00", "price": 1.5},
        dict.fromkeys(NULLABLE.columns),
    ]


@pytest.mark.parametrize(
    "rows", [np.array([[1, np.inf]]), [{"size": -np.inf}], [[np.float32("inf")]]]
)
def test_infinity_is_not_sent_as_if_it_were_missing(rows: Any) -> None:
    with pytest.raises(InvalidInput, match="infinity cannot be sent; leave it out if missing"):
        json_rows(rows)


@pytest.mark.parametrize("given", [3, "rows", {"size": [1]}, np.float64(2), [object()]])
def test_what_are_no_rows_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInput, match="x: must"):
        json_rows(given)
