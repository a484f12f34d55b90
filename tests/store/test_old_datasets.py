"""Records of servers before 0.2 gain the target's column, by which its classes stay what they were.

The documents are what such a server stored; names of classes are as it wrote them.
"""

from __future__ import annotations

from typing import Any

import pytest

from hpsearch.spec.wire.datasets import Dataset
from hpsearch.store.old_datasets import with_target_column


def old_record(**changes: Any) -> Dataset:
    """A record with one column, as it was stored: no target, `feature` in place of a role."""
    column = {"name": "a", "kind": "number", "feature": True, "missing": 0, "distinct": 3}
    document = {
        "name": "mine", "rows": 6, "features": [1], "target": "classes", "sha256": "0" * 64,
        "size_bytes": 9, "format": "csv", "target_column": "y", "columns": [column],
    }  # fmt: skip
    document |= {"classes": len(changes.get("class_names", ())), **changes}
    return Dataset.model_validate(document)


CASES: list[tuple[dict[str, Any], tuple[str, bool], tuple[str, ...], str]] = [
    ({"class_names": ["no", "yes"]}, ("category", False), ("no", "yes"), "text"),
    ({"class_names": ["0", "1"]}, ("category", True), ("0", "1"), "integer"),
    ({"class_names": ["9", "10"]}, ("category", True), ("9", "10"), "integer"),
    ({"class_names": ["10", "9"]}, ("category", False), ("10", "9"), "text"),
    (
        {"class_names": ["0.10000000000000001", "2.5"]},
        ("category", True), ("0.1", "2.5"), "number",
    ),
    (
        {"class_names": ["1", "2"], "uses": {"y": "category"}},
        ("category", False), ("1", "2"), "text",
    ),
    (
        {"class_names": ["1", "2"], "uses": {"y": "category"}, "format": "npz"},
        ("category", True), ("1", "2"), "integer",
    ),
    ({"target": "numbers"}, ("number", False), (), "text"),
    ({"target": "numbers", "format": "npz", "target_column": None, "columns": []},
     ("number", False), (), "text"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reading", "names", "class_type"), CASES)
def test_an_old_record_gains_its_target(changes, reading, names, class_type):
    old = old_record(**changes)
    new = with_target_column(old)
    (target,) = [column for column in new.columns if column.role == "target"]
    assert target.name == "y"
    assert (target.reading.kind, target.reading.by_value) == reading
    assert (new.class_names, new.class_type) == (names, class_type)
    assert new.columns[:-1] == old.columns
    assert with_target_column(new) == new


def test_images_have_no_target_column():
    old = old_record(format="idx", class_names=["0", "1"], columns=[])
    assert with_target_column(old) == old
