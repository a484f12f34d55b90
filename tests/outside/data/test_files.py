"""Files that other programs wrote, read back as those programs read them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pytest
import sklearn.datasets

from hpsearch.training.uploads.csv_source import open_csv
from hpsearch.training.uploads.formats import describe_file, format_of, read
from hpsearch.training.uploads.read_options import ReadOptions

PUBLISHED = Path(sklearn.datasets.__file__).parent / "data"
"""Files as their publishers left them: the first record counts rows and columns, then names
classes."""


@pytest.mark.parametrize(
    ("file", "load", "target"),
    [
        ("iris.csv", sklearn.datasets.load_iris, "virginica"),
        ("wine_data.csv", sklearn.datasets.load_wine, "class_2"),
        ("breast_cancer.csv", sklearn.datasets.load_breast_cancer, "benign"),
    ],
)
def test_published_tables_hold_what_their_own_reader_finds(tmp_path, file, load, target):
    """Their header has fewer names than columns; what is missing is added, as people do."""
    first, _, rest = (PUBLISHED / file).read_text().partition("\n")
    expected = load()
    fields = rest.partition("\n")[0].count(",")
    header = [*(f"measure {index}" for index in range(fields)), target]
    path = tmp_path / file
    path.write_text(f"# {first}\n{','.join(header)}\n{rest}")
    table = read(path, ReadOptions(format_of(path, file, None), target))
    np.testing.assert_array_equal(table.x, expected.data)
    np.testing.assert_array_equal(table.y, expected.target)
    assert table.class_type == "integer"


def by_pandas(frame: pd.DataFrame, separator: str) -> bytes:
    return frame.to_csv(index=False, sep=separator, na_rep="NULL").encode()


def by_pandas_with_index(frame: pd.DataFrame, separator: str) -> bytes:
    return frame.to_csv(sep=separator, lineterminator="\r\n").encode("utf-16")


def by_polars(frame: pd.DataFrame, separator: str) -> bytes:
    columns = {name: frame[name].to_list() for name in frame}
    return pl.DataFrame(columns, nan_to_null=True).write_csv(
        separator=separator, include_bom=True, quote_style="non_numeric"
    ).encode("utf-8")  # fmt: skip


def by_arrow(frame: pd.DataFrame, separator: str) -> bytes:
    out = io.BytesIO()
    options = pyarrow.csv.WriteOptions(delimiter=separator)
    pyarrow.csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), out, options)
    return out.getvalue()


WRITERS: list[Callable[[pd.DataFrame, str], bytes]] = [
    by_pandas, by_pandas_with_index, by_polars, by_arrow,
]  # fmt: skip


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("write", WRITERS)
def test_every_writer_s_table_is_read_the_same(tmp_path, write, separator):
    rng = np.random.default_rng(5)
    rows = 200
    frame = pd.DataFrame(
        {
            "price, net": np.where(rng.random(rows) < 0.1, np.nan, rng.standard_normal(rows)),
            'size "inches"': rng.integers(0, 40, rows) / 8,
            "colour": rng.choice(["red", "dark; blue", 'so-called "green"', "a, b", "p|q"], rows),
            "label": rng.choice(["yes, surely", "no"], rows),
        }
    )
    path = tmp_path / "f.csv"
    path.write_bytes(write(frame, separator))
    table = read(path, ReadOptions("csv", "label"))
    assert [column.name for column in table.columns] == list(frame)[:-1]
    np.testing.assert_array_equal(table.x[:, :2], frame.iloc[:, :2])
    assert (np.array(table.columns[2].categories)[table.x[:, 2].astype(int)] == frame.colour).all()
    assert (np.array(table.classes)[table.y] == frame.label).all()
    if write is by_pandas_with_index:
        (index,) = table.side_columns
        assert index.name == "Unnamed: 0"
        assert index.values.tolist() == list(range(rows))


def test_a_matrix_that_numpy_saved_as_text_has_a_header_behind_a_comment_mark(tmp_path):
    x = np.random.default_rng(1).standard_normal((60, 3))
    path = tmp_path / "f.csv"
    np.savetxt(path, x, delimiter=",", header="a,b,y")
    source = open_csv(path)
    assert source.names == ("# a", "b", "y")
    table = read(path, ReadOptions("csv", "y"))
    np.testing.assert_array_equal(table.x, x[:, :2])
    np.testing.assert_array_equal(table.y, x[:, 2])


def test_a_file_without_a_header_is_read_with_a_warning(tmp_path):
    x = np.random.default_rng(1).standard_normal((60, 3))
    path = tmp_path / "f.csv"
    np.savetxt(path, x, delimiter=";")
    names = path.read_text().partition("\n")[0].split(";")
    found = describe_file(path, ReadOptions("csv", names[2]), "mine")
    assert found.rows == 59
    assert any("add a header if that is a row of data" in note for note in found.warnings)
