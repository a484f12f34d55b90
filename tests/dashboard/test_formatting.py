"""Numbers as the pages write them."""

from __future__ import annotations

import math

import pytest

from api.dashboard import formatting


@pytest.mark.parametrize(
    ("value", "text", "difference"),
    [
        (0.9805, "0.9805", "+0.9805"),
        (0.972, "0.9720", "+0.9720"),
        (-0.0139, "−0.0139", "−0.0139"),
        (-7.82e-08, "0.0000", "0.0000"),
        (7.82e-08, "0.0000", "0.0000"),
        (0.0, "0.0000", "0.0000"),
        (0.00005001, "0.0001", "+0.0001"),
        (math.inf, "∞", "+∞"),
        (math.nan, "NaN", "NaN"),
    ],
)
def test_scores_have_the_same_decimals(value: float, text: str, difference: str) -> None:
    assert (formatting.fixed(value), formatting.signed_fixed(value)) == (text, difference)


def test_what_is_missing_is_a_dash() -> None:
    assert formatting.fixed(None) == "–"
