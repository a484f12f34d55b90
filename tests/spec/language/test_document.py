from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.document import MAX_BYTES, MAX_DEPTH, read_document

KEYS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_json_is_read_as_json(document: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        assert read_document(json.dumps(document, ensure_ascii=ascii_only)) == document


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_whatever_comes_is_an_object_or_a_sentence(text: str | bytes) -> None:
    try:
        read = read_document(text)
    except InvalidInput:
        return
    assert isinstance(read, dict)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        ("1.0e-5", 1e-5),
        ("+.5", 0.5),
        ("7", 7),
        ("-7", -7),
        (".inf", math.inf),
        ("2024-01-01", "2024-01-01"),
        ("v1.2.3", "v1.2.3"),
        ("~", None),
        ("'1e-5'", "1e-5"),
    ],
)
def test_yaml_scalars(written: str, value: Any) -> None:
    assert read_document(f"a: {written}") == {"a": value}


def test_yaml_in_flow_style_may_open_with_a_brace() -> None:
    assert read_document("{name: x, lr: {log_uniform: [1e-5, 1]}}") == {
        "name": "x",
        "lr": {"log_uniform": [1e-5, 1]},
    }


NOT_JSON = "a spec must be JSON or YAML: "


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- 1\n- 2", "a spec must be an object with fields such as `name` and `task`"),
        ("", "a spec must be an object"),
        ('{"a": 1, "a": 2}', NOT_JSON + "'a' stands twice; remove one"),
        ('{"b": {"a": 1, "a": 1}}', NOT_JSON + "'a' stands twice; remove one"),
        ("a: 1\na: 2", NOT_JSON + "'a' stands twice; remove one"),
        ("a: &x [1]\nb: *x", NOT_JSON + "anchors and aliases are not read; write the value out"),
        ("a: !!python/object:os.system x", NOT_JSON + "could not determine a constructor"),
        ("? [1]\n: 2", NOT_JSON + "while constructing a mapping"),
        ('{"a": ', NOT_JSON),
        ("a: [", NOT_JSON),
        ("a: \x00", NOT_JSON),
        (b'{"a": "\xff"}', "a spec must be UTF-8 text"),
        ('{"a": "\\ud800"}', "text must be valid Unicode, got '\\ud800'; mend it"),
        ('{"a": ["\\udfff b"]}', "text must be valid Unicode"),
        ('{"\\ud800": 1}', "text must be valid Unicode, got '\\ud800'; mend it"),
        ('{"a": 1%s}' % ("0" * 30), "a whole number must fit into 64 bits, got 1000000000"),
        ('{"a": [-9223372036854775809]}', "a whole number must fit into 64 bits"),
        ("a: 1" + "0" * 30, "a whole number must fit into 64 bits"),
        ('{"a": %s}' % ("1" * 5000), "a whole number must fit into 64 bits, got one of thousands"),
        ("[" * 100_000, "a spec must not nest this deeply; flatten it"),
        ('{"a":' * 100_000, "a spec must not nest this deeply; flatten it"),
        ("a: " + "[" * 500 + "]" * 500, "a spec must not nest this deeply; flatten it"),
        (json.dumps({"a": "x" * MAX_BYTES}), f"a spec must be at most {MAX_BYTES} bytes, got "),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_hostile_documents_get_one_sentence(text: str | bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_document(text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 200, 900, 960, 990])
def test_no_depth_gets_through(depth: int) -> None:
    for text in ('{"a":' * depth + "1" + "}" * depth, '{"a":' + "[" * depth + "]" * depth + "}"):
        with pytest.raises(InvalidInput, match="must not nest this deeply"):
            read_document(text)


def test_many_keys_take_no_longer_than_they_should() -> None:
    began = time.monotonic()
    assert len(read_document("\n".join(f"k{i}: 1" for i in range(20_000)))) == 20_000
    assert time.monotonic() - began < 10  # comparing each with each took minutes


def test_an_alias_bomb_is_not_unfolded() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    with pytest.raises(InvalidInput, match="anchors and aliases"):
        read_document("\n".join(lines))
