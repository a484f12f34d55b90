"""Every kind of event says what it means and what it carries, and carries nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpsearch.spec.language.states import EventKind

ROOT = Path(__file__).parents[3]


def written() -> Iterator[tuple[list[EventKind], set[str]]]:
    """The kinds and the data keys of every call that writes an event."""
    for room in ("hpsearch/service", "hpsearch/store"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "events.add":
                    names = [node.attr for node in ast.walk(call.args[2])
                             if isinstance(node, ast.Attribute)]  # fmt: skip
                    keys = {keyword.arg for keyword in call.keywords if keyword.arg}
                    yield [EventKind[name] for name in names], keys


@pytest.mark.parametrize("kind", EventKind)
def test_a_kind_is_its_name_and_says_what_it_means(kind):
    assert EventKind(str(kind)) is kind
    assert kind == kind.name.lower()
    assert kind.description.endswith(".")


def test_every_key_that_is_written_is_described():
    calls = list(written())
    assert {kind for kinds, _ in calls for kind in kinds} == set(EventKind)
    for kinds, keys in calls:
        for kind in kinds:
            assert keys <= set(kind.data), kind
