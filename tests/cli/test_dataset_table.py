"""What a person reads in a terminal of 80 columns."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from hpsearch.cli import dataset_table, output
from hpsearch.spec.wire.datasets import DatasetInfo
from hpsearch.spec.wire.upload import ColumnInfo

WIDTH = 80


def printed(info: DatasetInfo, *, whole: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    with pytest.MonkeyPatch.context() as patch:
        for module in (dataset_table, output):
            patch.setattr(module, "out", console)
        dataset_table.print_dataset(info, whole=whole)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def info_of(*columns: ColumnInfo, **fields: Any) -> DatasetInfo:
    known = {"name": "boats", "rows": 900, "features": (len(columns),), "target": "numbers"}
    return DatasetInfo(**{**known, "columns": columns, **fields})


def test_a_row_per_column_and_below_it_what_is_said_of_it_in_options() -> None:
    lines = printed(
        info_of(
            ColumnInfo(name="hull no", kind="id", role="ignored", distinct=900, examples=("7",),
                       why='counts rows; columns={"hull no": "number"} uses it'),
            ColumnInfo(name="length", kind="number", distinct=1234, missing=5,
                       examples=("9.1", "12")),
            warnings=('length: 3 rows are above 80; columns={"length": "ignore"} leaves it out',),
        )
    )  # fmt: skip
    assert lines == [
        "boats: 900 rows of 2 columns",
        "",
        "column   read as  used  distinct  missing  examples",
        "hull no  id       no         900           7",
        "    counts rows; --column 'hull no=number' uses it",
        "length   number   yes      1,234        5  9.1, 12",
        "1 column left out; to use one: --column NAME=category",
        "",
        "target: numbers",
        "warning: length: 3 rows are above 80; --column length=ignore leaves it out",
    ]


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


@given(st.lists(st.tuples(TEXTS, st.lists(TEXTS, max_size=4)), min_size=1, max_size=6))
def test_no_name_and_no_cell_breaks_a_line(texts: list[tuple[str, list[str]]]) -> None:
    columns = [
        ColumnInfo(name=name, kind="category", examples=tuple(examples), missing=10**9)
        for name, examples in texts
    ]
    lines = printed(info_of(*columns))
    assert len(lines) == 3 + len(columns) + 2
    assert max(map(cell_len, lines)) <= WIDTH


def test_all_columns_of_a_wide_table_are_printed_when_asked_for() -> None:
    info = info_of(*(ColumnInfo(name=f"c{i}", kind="number") for i in range(99)))
    few = printed(info)
    assert few == ["boats: 900 rows of 99 columns", "+ 99 more numbers; --all shows every column",
                   "", "target: numbers"]  # fmt: skip
    assert len(printed(info, whole=True)) == 3 + 99 + 2
