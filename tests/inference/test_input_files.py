"""Rows to predict, read from files as an upload would read them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.errors import InvalidInput
from hpsearch.inference.input_files import read_rows


def written(directory: Path, name: str, content: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


NAMES = ("size", "colour")
NAMED: list[tuple[str, list[dict[str, Any]]]] = [
    ("size,colour\n1.5,red\n2,blue\n", [{"size": "1.5", "colour": "red"},
                                        {"size": "2", "colour": "blue"}]),
    ("size;colour\n1.5;red, dark\n", [{"size": "1.5", "colour": "red, dark"}]),
    ("size\tcolour\r\n1.5\t red\r\n", [{"size": "1.5", "colour": " red"}]),
    ("\ufeffsize,colour\n1,\n", [{"size": "1", "colour": ""}]),
    ("code,n\n007,NA\n1_0,?\n", [{"code": "007", "n": "NA"}, {"code": "1_0", "n": "?"}]),
    ("size,colour\n1,\n\n3,red\n", [{"size": "1", "colour": ""}, {"size": "3", "colour": "red"}]),
    ('size,"a, b"\n1,"x\ny"\n', [{"size": "1", "a, b": "x\ny"}]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rows"), NAMED)
def test_fields_of_a_table_stay_as_they_are(
    tmp_path: Path, text: str, rows: list[dict[str, Any]]
) -> None:
    assert read_rows(written(tmp_path, "rows.csv", text), NAMES).to_pylist() == rows


PLAIN: list[tuple[str, list[list[Any]]]] = [
    ("1,2\n3,4\n", [[1.0, 2.0], [3.0, 4.0]]),
    ("a,b\n3,4\n", [[3.0, 4.0]]),
    (",b\n3,4\n", [[3.0, 4.0]]),
    ("1;2.5\n", [[1.0, 2.5]]),
    ("a,b\n3,\n", [[3.0, None]]),
    ("1,x\n", [[1.0, "x"]]),
    ("1,1_0\n", [[1.0, "1_0"]]),
]


@pytest.mark.parametrize(("text", "rows"), PLAIN)
def test_numbers_may_have_names_above_them(
    tmp_path: Path, text: str, rows: list[list[Any]]
) -> None:
    assert read_rows(written(tmp_path, "rows.CSV", text)) == rows


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_numbers_come_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]
) -> None:
    directory = tmp_path_factory.mktemp("rows", numbered=True)
    text = "\n".join(",".join(map(repr, row)) for row in rows)
    assert read_rows(written(directory, "rows.csv", text)) == rows
    assert read_rows(written(directory, "rows.json", json.dumps(rows))) == rows
    np.save(directory / "rows.npy", np.array(rows))
    assert read_rows(directory / "rows.npy").tolist() == rows


WRONG: list[tuple[str, str | bytes, str]] = [
    ("rows.txt", "1", r"must end in \.csv, \.json, \.parquet, \.npy, \.npz, got rows\.txt"),
    ("rows.csv", "", "must have a header in its first row"),
    ("rows.csv", "size,colour\n", "must have rows under its header"),
    ("rows.csv", b"a,b\n\xff,\xff\n", "must be UTF-8 text"),
    ("rows.csv", "a,b\n1,2\n1,2,3\n", "must have 2 fields, and row 3 has 3"),
    ("rows.csv", "a,b,a\n1,2,3\n", "two columns are called 'a'"),
    ("rows.parquet", b"", "must be readable as parquet"),
    ("rows.parquet", b"PAR1 and no more PAR1", "must be readable as parquet"),
    ("rows.json", "{", "must be readable as json"),
    ("rows.json", '{"a": 1}', "it holds no list of rows"),
    ("rows.json", "[" * 100_000, "must be readable as json"),
    ("rows.npy", b"", "must be readable as npy"),
    ("rows.npy", b"no array", "must be readable as npy"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), WRONG)
def test_a_file_that_is_none_is_said_so(
    tmp_path: Path, name: str, content: str | bytes, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        read_rows(written(tmp_path, name, content), NAMES)


def test_arrays_without_rows_and_missing_files_are_said_so(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.float64(3))
    np.savez(tmp_path / "several.npz", x=np.zeros(3))
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "folder.csv").mkdir()
    for name, sentence in {
        "one.npy": "it holds no rows",
        "several.npy": "must be readable as npy",
        "objects.npy": "allow_pickle=False",
        "nowhere.csv": "No such file or directory",
        "folder.csv": "Is a directory",
    }.items():
        with pytest.raises(InvalidInput, match=sentence):
            read_rows(tmp_path / name)


def with_header(directory: Path, header: str, version: bytes = b"\x01\x00") -> Path:
    """A file of NumPy with three numbers under this header."""
    size = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    content = b"\x93NUMPY" + version + size + header.encode() + bytes(24)
    return written(directory, "rows.npy", content)


HEADERS: list[tuple[str, str]] = [
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12, 13)}", "must be readable as npy"),
    (
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 13)}",
        "its header says 104,000,000,000,000 bytes, and 24 follow",
    ),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (4,)}", "says 32 bytes, and 24 follow"),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3)}", "must be readable as npy"),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", "allow_pickle=False"),
    ("{'descr': '<f8', 'fortran_order': False, 'shape': ()}", "it holds no rows"),
    ("{'descr': '<f8', 'fortran_order': False}", "must be readable as npy"),
    ("{[]: 1}", "its header cannot be read"),
    ("{'''", "must be readable as npy"),
    ("(" * 5000, "must be readable as npy"),
    ("import os", "must be readable as npy"),
]


@pytest.mark.parametrize(("header", "sentence"), HEADERS)
def test_a_header_that_promises_what_is_not_there_is_refused(
    tmp_path: Path, header: str, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        read_rows(with_header(tmp_path, header))


@settings(max_examples=200)
@given(
    st.binary(max_size=80), st.sampled_from([b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"])
)
def test_no_header_ends_in_another_error(
    tmp_path_factory: pytest.TempPathFactory, header: bytes, version: bytes
) -> None:
    directory = tmp_path_factory.mktemp("rows", numbered=True)
    with pytest.raises(InvalidInput, match="must be readable as npy"):
        read_rows(with_header(directory, header.decode("latin1"), version))


def test_the_formats_of_numpy_are_read(tmp_path: Path) -> None:
    for version in ((1, 0), (2, 0)):
        for rows in (np.arange(6.0).reshape(3, 2), np.asfortranarray(np.ones((2, 3), np.int8))):
            with (tmp_path / "rows.npy").open("wb") as file:
                np.lib.format.write_array(file, rows, version)
            np.testing.assert_array_equal(read_rows(tmp_path / "rows.npy"), rows)
    np.save(tmp_path / "rows.npy", np.empty((0, 13)))
    assert read_rows(tmp_path / "rows.npy").shape == (0, 13)


def test_parquet_is_read_by_names_or_by_places(tmp_path: Path) -> None:
    table = pa.table({"size": [1.5, None], "town": ["Bern", None]})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet", NAMES).to_pylist() == [
        {"size": 1.5, "town": "Bern"}, {"size": None, "town": None},
    ]  # fmt: skip
    pq.write_table(pa.table({"b": [1, 2], "a": [0.5, 4.0]}), tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet") == [[1, 0.5], [2, 4.0]]
    pq.write_table(pa.table([[1], [2]], ["a", "a"]), tmp_path / "rows.parquet")
    with pytest.raises(InvalidInput, match="two columns are called 'a'"):
        read_rows(tmp_path / "rows.parquet", NAMES)


def test_rows_of_a_table_that_came_as_an_array_may_have_names_or_none(tmp_path: Path) -> None:
    names = ("x0", "x1")
    nameless = written(tmp_path, "nameless.csv", "2,2\n,4\n")
    assert read_rows(nameless, names) == [[2.0, 2.0], [None, 4.0]]
    named = written(tmp_path, "named.csv", "x1,x0\n2,2\n,4\n")
    assert read_rows(named, names).column_names == ["x1", "x0"]
    pq.write_table(pa.table([[1], [2]], ["a", "a"]), tmp_path / "rows.parquet")
    assert read_rows(tmp_path / "rows.parquet", names) == [[1, 2]]


def test_of_an_archive_of_arrays_x_is_read(tmp_path: Path) -> None:
    x = np.arange(6.0).reshape(3, 2)
    np.savez_compressed(tmp_path / "rows.npz", y=[1], x=x)
    np.testing.assert_array_equal(read_rows(tmp_path / "rows.npz"), x)
    np.savez(tmp_path / "rows.npz", z=x)
    with pytest.raises(InvalidInput, match="it has no array called x, but z"):
        read_rows(tmp_path / "rows.npz")
    content = tmp_path / "rows.npz"
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000,)}"
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("x.npy", with_header(tmp_path, header).read_bytes())
    with pytest.raises(InvalidInput, match="says 32,000,000,000 bytes, and 24 follow"):
        read_rows(content)
    written(tmp_path, "rows.npz", b"PK no archive")
    with pytest.raises(InvalidInput, match="must be readable as npz"):
        read_rows(content)
