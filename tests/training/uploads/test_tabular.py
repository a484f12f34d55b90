from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.errors import InvalidInput
from hpsearch.training.uploads.formats import describe_file, format_of, read
from hpsearch.training.uploads.read_options import ReadOptions


def load(path: Path, content: bytes | str, target: str | None = "y", name="f.csv", **columns):
    file = path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(file, ReadOptions(format_of(file, name, None), target, columns))


def description(path: Path, target: str | None = "y", name="f.csv", **columns):
    file = path / name
    return describe_file(file, ReadOptions(format_of(file, name, None), target, columns), "mine")


def refusal(path: Path, content: bytes | str, target: str | None = "y", **columns) -> str:
    with pytest.raises(InvalidInput) as caught:
        load(path, content, target, **columns)
    return str(caught.value)


REFUSED = {
    "empty": (b"", "file: the file must not be empty"),
    "blank": (b"\n\n", "file: the file must have a header in its first row"),
    "header alone": ("a,y\n", "file: the file must have rows under its header, and it has none"),
    "a field too few": ("a,b,y\n1,2,0\n3,1\n", "row 3 has 2: '3,1'; correct it"),
    "a field too many": ("a,y\n1,0\n2,1\n3,1,1\n", "must have 2 fields, and row 4 has 3"),
    "two of a name": ("a,a,y\n1,2,0\n", "column names must differ, and 'a' is there twice"),
    "value behind the last column": ("a,y,\n0,1,\n1,0,5\n", "column 3 has none and the value '5'"),
    "latin-1": ("a,y\n1,0\nü,1\n".encode("latin-1"), "UTF-8 text, and line 3 is not"),
    "latin-1 header": ("ü,y\n1,0\n".encode("latin-1"), "UTF-8 text, and line 1 is not"),
    "utf-16 cut off": ("a,y\n1,0\n".encode("utf-16")[:-1], "must be the text that its first bytes"),
    "quote not closed": ('a,y\n1,0\n2,"1\n3,1\n', "that of the last field of row 3 is not"),
    "no such target": ("a,b\n1,0\n", "target: must name a column of the file, got 'y'; there"),
    "text among numbers": ("a,y\n1,0\n2,1\nx7,1\n", "column a, row 4 has 'x7'; correct it, leave"),
    "infinite": ("a,y\n1,0\n2,1\n-inf,1\n", "nothing else, and column a, row 4"),
    "overflow": ("a,y\n1e999,0\n1,1\n2,1\n", "nothing else, and column a, row 2"),
    "target missing": ("a,y\n1,0\n2,\n", "target: every row must have a target, and column y, row"),
    "target NaN": ("a,y\n1,0.5\n2,NaN\n", "column y, row 3 has none; fill it in or take the row"),
    "one class": ("a,y\n1,u\n2,u\n", "at least two classes, and every row of y is 'u'"),
    "one number": ("a,y\n1,0.5\n2,0.5\n", "a target must vary, and every row of y has 0.5"),
    "nothing to learn from": ("y\n1\n2\n", "beside the target, and it has none"),
    "constants alone": ("d,e,y\nu,,1\nu,,2\n", "left out: d (constant: every row is u); e (empty"),
    "target of times": ("a,y\n1,2026-01-01\n2,2026-01-02\n", "numbers, and y holds dates"),
    "binary": (b"\x80\x04\x95\x00pickle", "f.csv is none of them"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_a_faulty_csv_is_refused_with_its_column_and_row(tmp_path, fault):
    content, sentence = REFUSED[fault]
    assert sentence in refusal(tmp_path, content)


def test_no_target_and_unknown_columns_are_refused(tmp_path):
    assert "got none; there are a, y" in refusal(tmp_path, "a,y\n1,0\n2,1\n", None)
    assert refusal(tmp_path, "a,y\n1,0\n2,1\n", b="ignore").startswith("columns.b: no column")


def test_what_is_left_out_is_listed_and_a_split_may_name_it(tmp_path):
    text = "id,a,y\n" + "".join(f"p{i},{i % 7},{i % 2}\n" for i in range(300))
    table = load(tmp_path, text)
    assert [column.name for column in table.columns] == ["a"]
    assert len(set(table.column("id").values)) == 300
    info = description(tmp_path)
    assert [(c.name, c.role, c.distinct) for c in info.columns] == [
        ("id", "ignored", 300), ("a", "feature", 7), ("y", "target", 2),
    ]  # fmt: skip
    assert info.columns[0].why


def test_many_categories_of_which_many_come_again_are_a_feature(tmp_path):
    text = "shop,a,y\n" + "".join(f"s{i % 300},{i % 7},{i % 2}\n" for i in range(1500))
    table = load(tmp_path, text)
    assert [len(column.categories) for column in table.columns] == [300, 0]


def test_numbers_categories_and_times_are_told_apart(tmp_path):
    table = load(
        tmp_path,
        "n,c,d,t,y\n 1 ,b,2026-01-01,2026-01-01T10:00:00Z,u\n"
        "+2.5e0,,2026-01-02,2026-01-01T12:00:00+01:00,v\n?,a,2026-01-03,,u\n",
    )
    assert [(c.name, c.kind, c.categories) for c in table.columns] == [
        ("n", "number", ()),
        ("c", "category", ("a", "b")),
        ("d", "date", ()),
        ("t", "date", ()),
    ]
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()
    np.testing.assert_array_equal(
        table.x,
        [
            [1, 1, day, day + 36000],
            [2.5, np.nan, day + 86400, day + 39600],
            [np.nan, 0, day + 2 * 86400, np.nan],
        ],
    )
    assert (table.y.tolist(), table.classes) == ([0, 1, 0], ("u", "v"))
    info = description(tmp_path)
    assert [(c.name, c.kind, c.role, c.missing, c.distinct) for c in info.columns] == [
        ("n", "number", "feature", 1, 2), ("c", "category", "feature", 1, 2),
        ("d", "date", "feature", 0, 3), ("t", "date", "feature", 1, 2),
        ("y", "category", "target", 0, 2),
    ]  # fmt: skip
    assert info.class_rows == (2, 1)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_separators_line_ends_marks_and_quotes(tmp_path, separator, ending):
    rows = [["a", '"b ""x"""', "y"], ["3", f'"u{separator}{ending}v"', "0"], ["1", "w", "1"]]
    rows += [["3", "w", "1"]]
    text = "\ufeff" + ending.join(separator.join(row) for row in rows)
    table = load(tmp_path, text)
    assert [column.name for column in table.columns] == ["a", 'b "x"']
    assert table.x[:, 0].tolist() == [3, 1, 3]
    assert table.columns[1].categories[1] == "w"


TARGETS = [
    (["0", "1", "2"] * 3, ("0", "1", "2")),
    (["0", "1", "2", "1"], ()),
    (["1", "2", "2", "1"], ("1", "2")),
    (["-1", "1", "1", "-1"], ("-1", "1")),
    (["true", "false", "true", "true"], ("false", "true")),
    (["3", "5", "9", "5"], ()),
    (["0.5", "1", "2", "1"], ()),
    (["3", "5", "9"] * 20, ("3", "5", "9")),
    (["10", "9"] * 3, ("9", "10")),
]


@pytest.mark.parametrize(("values", "classes"), TARGETS)
def test_a_target_is_classes_or_numbers(tmp_path, values, classes):
    text = "a,y\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values))
    table = load(tmp_path, text)
    assert table.classes == classes
    if classes:
        assert [table.classes[code] for code in table.y] == values
    else:
        assert table.y.tolist() == [float(value) for value in values]


def test_what_is_said_of_a_column_goes_before(tmp_path):
    text = "zip,y\n" + "".join(f"{i % 3},{i % 4}\n" for i in range(12))
    table = load(tmp_path, text, zip="category", y="number")
    assert table.columns[0].categories == ("0", "1", "2")
    assert table.classes == ()
    assert "column zip, row 2 has 'u'" in refusal(tmp_path, "zip,y\nu,1\nv,2\n", zip="number")


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=40)
@given(st.lists(st.tuples(finite, st.none() | finite, st.sampled_from("uv")), min_size=2))
def test_numbers_come_back_bit_for_bit(tmp_path_factory, rows):
    rows = [(0.5, 0.5, "u"), (1.5, 1.5, "v"), *rows]
    lines = [f"{a!r},{'' if b is None else repr(b)},{y}\n" for a, b, y in rows]
    table = load(tmp_path_factory.mktemp("csv"), "a,b,y\n" + "".join(lines), a="number")
    expected = [[a, np.nan if b is None else b] for a, b, _ in rows]
    np.testing.assert_array_equal(table.x, expected)


def test_parquet_knows_its_types(tmp_path):
    day = datetime.datetime(2026, 1, 1)
    columns = {
        "i": pa.array([1, None, 3], pa.int16()),
        "f": pa.array([0.5, float("nan"), 2.0], pa.float32()),
        "b": pa.array([True, None, False]),
        "s": pa.array(["7", "x", None]),
        "d": pa.array(["p", "q", "p"]).dictionary_encode(),
        "t": pa.array([day, day + datetime.timedelta(1), None], pa.timestamp("ms")),
        "y": pa.array([1.5, 2.5, 3.5]),
    }
    file = tmp_path / "f.parquet"
    pq.write_table(pa.table(columns), file)
    table = read(file, ReadOptions(format_of(file, "f.parquet", None), "y"))
    assert [(c.name, c.kind, c.categories) for c in table.columns] == [
        ("i", "number", ()), ("f", "number", ()), ("b", "category", ("false", "true")),
        ("s", "category", ("7", "x")), ("d", "category", ("p", "q")), ("t", "date", ()),
    ]  # fmt: skip
    nan, start = np.nan, day.replace(tzinfo=datetime.UTC).timestamp()
    np.testing.assert_array_equal(
        table.x,
        [[1, 0.5, 1, 0, 0, start], [nan, nan, nan, 1, 1, start + 86400], [3, 2, 0, nan, 0, nan]],
    )
    assert table.y.tolist() == [1.5, 2.5, 3.5]


def test_faulty_parquet_is_refused(tmp_path):
    file = tmp_path / "f.parquet"
    pq.write_table(pa.table({"a": [[1], [2]], "b": [b"x", b"z"], "y": [1, 2]}), file)
    with pytest.raises(InvalidInput) as caught:
        read(file, ReadOptions("parquet", "y"))
    assert [error.path for error in caught.value.errors] == ["columns.a", "columns.b"]
    assert "and a holds list<" in str(caught.value)
    numbers = [1.0, float("inf"), 2.0, 2.0, 3.0]
    pq.write_table(pa.table({"a": numbers, "y": [1, 2, 1, 2, 1]}), file)
    with pytest.raises(InvalidInput, match="column a, row 2 has"):
        read(file, ReadOptions("parquet", "y"))
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InvalidInput, match="must be whole Parquet, and it is not"):
        read(file, ReadOptions("parquet", "y"))
    pq.write_table(pa.table({"a": pa.array([], pa.float64()), "y": pa.array([], pa.int8())}), file)
    with pytest.raises(InvalidInput, match="must have rows"):
        read(file, ReadOptions("parquet", "y"))


def test_lists_are_left_out_when_that_is_asked(tmp_path):
    file = tmp_path / "f.parquet"
    pq.write_table(pa.table({"l": [[1], [2], [3]], "a": [1.5, 2, 1.5], "y": list("uvu")}), file)
    table = read(file, ReadOptions("parquet", "y", {"l": "ignore"}))
    assert [column.name for column in table.columns] == ["a"]
    assert table.side_columns == ()


def test_a_parquet_bomb_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "f.parquet"
    pq.write_table(pa.table({"a": np.zeros(100_000), "y": np.arange(100_000)}), file)
    monkeypatch.setattr("hpsearch.training.uploads.bounds.MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(InvalidInput, match="must unpack to at most 1000000 bytes, and this one"):
        read(file, ReadOptions("parquet", "y"))


def test_a_text_that_is_stored_once_and_repeated_a_million_times_is_refused(tmp_path, monkeypatch):
    file, rows = tmp_path / "f.parquet", 100_000
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 10_000])
    pq.write_table(pa.table({"a": texts, "y": np.arange(rows) % 2}), file)
    assert file.stat().st_size < 1_000_000
    monkeypatch.setattr("hpsearch.training.uploads.bounds.MAX_UNPACKED_BYTES", 500_000_000)
    with pytest.raises(InvalidInput, match="must unpack to at most 500000000 bytes, and this one"):
        read(file, ReadOptions("parquet", "y"))


def test_names_of_parts_split_and_are_no_feature(tmp_path):
    table = load(tmp_path, "a,part,y\n1,train,0\n5,test,1\n1,train,1\n")
    assert [column.name for column in table.columns] == ["a"]
    assert table.column("part").texts() == ["train", "test", "train"]
    (column,) = [c for c in description(tmp_path).columns if c.role == "split"]
    assert column.parts == {"test": 1, "train": 2}
    assert json.loads(description(tmp_path).model_dump_json())["features"] == [1]
