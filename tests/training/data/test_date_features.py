"""Parts of dates, against pandas."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.training.data.date_features import PARTS, DateFeatures, fit_dates

YEARS = {"min_value": -(10**10), "max_value": 4 * 10**10}  # 1653 to 3237


def parts(seconds: np.ndarray) -> pd.DataFrame:
    found = DateFeatures(0.0, PARTS)
    return pd.DataFrame(found(seconds), columns=list(found.names))


@given(st.lists(st.integers(**YEARS) | st.floats(**YEARS), min_size=1, max_size=50))
def test_parts_are_those_of_the_calendar(times: list[float]) -> None:
    seconds = np.array(times, dtype=np.float64)
    found = parts(seconds)
    whole = np.floor(seconds).astype(np.int64)
    dates = pd.DatetimeIndex(whole.astype("datetime64[s]"))
    np.testing.assert_array_equal(found["elapsed"], seconds / 86_400)
    np.testing.assert_array_equal(found["year"], dates.year)
    for name, place, length in (
        ("month", dates.month - 1, 12),
        ("day", dates.day - 1, 31),
        ("weekday", dates.day_of_week, 7),
        ("time", 60 * dates.hour + dates.minute, 1440),
    ):
        angle = 2 * np.pi * place.to_numpy() / length
        np.testing.assert_allclose(found[f"{name}_sin"], np.sin(angle), atol=1e-12)
        np.testing.assert_allclose(found[f"{name}_cos"], np.cos(angle), atol=1e-12)


@given(st.lists(st.integers(**YEARS), min_size=2, max_size=20), st.integers(0, 19))
def test_a_date_s_numbers_do_not_depend_on_the_others(times: list[int], index: int) -> None:
    seconds, row = np.array(times, dtype=np.float64), index % len(times)
    assert parts(seconds).iloc[row].tolist() == parts(seconds[[row]]).iloc[0].tolist()


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["2024-05-06", "2024-05-06"], ("elapsed",)),
        (["2024-05-06", "2024-05-13"], ("elapsed", "day")),
        (["2024-05-06 08:00", "2024-05-06 09:30"], ("elapsed", "time")),
        (["2020-01-01", "2021-01-01"], ("elapsed", "year", "weekday")),
        (["2024-01-31", "2024-07-31"], ("elapsed", "month")),
        ([], ("elapsed",)),
    ],
)
def test_parts_that_all_rows_share_are_left_out(
    dates: list[str], expected: tuple[str, ...]
) -> None:
    seconds = np.array(dates, dtype="datetime64[s]").astype(np.int64).astype(np.float64)
    found = fit_dates(seconds)
    assert found.parts == expected
    assert found.earliest == (seconds.min() if len(seconds) else 0)
    assert DateFeatures.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_part_that_dates_have_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no part called moon"):
        DateFeatures.from_json({"earliest": 0, "parts": ["elapsed", "moon"]})
