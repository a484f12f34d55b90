from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.errors import InvalidInput
from hpsearch.store.pages import decode_cursor, encode_cursor

PLACES = st.lists(
    st.none()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False),
    min_size=1,
    max_size=3,
)  # fmt: skip


@given(PLACES)
def test_a_cursor_comes_back_exactly(position: list[float | None]) -> None:
    token = encode_cursor(position)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert decode_cursor(token, len(position)) == position


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


JUNK = [
    "", "!", "é", "a", "=" * 9, _cursor("{}"), _cursor("[]"), _cursor("[1]"), _cursor("[1,2,3]"),
    _cursor("[true, 1]"), _cursor("[NaN, 1]"), _cursor("[1e999, 1]"), _cursor('["a", 1]'),
    _cursor(f"[{10**30}, 1]"), _cursor("[[1], 1]"), _cursor("[" * 360), _cursor("null"),
    _cursor(json.dumps(["'; drop table studies --", 1])),
]  # fmt: skip


@pytest.mark.parametrize("token", JUNK)
def test_another_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="must be the next_page_token of an earlier answer"):
        decode_cursor(token, 2)


@given(st.text(max_size=50))
def test_no_token_makes_it_fail_otherwise(token: str) -> None:
    try:
        decode_cursor(token, 2)
    except InvalidInput:
        return
