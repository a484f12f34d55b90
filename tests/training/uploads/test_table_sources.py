"""Files of tables, read in batches and by what was decided of their columns."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpsearch.errors import InvalidInput
from hpsearch.spec.wire.upload import ColumnInfo, ColumnReading
from hpsearch.training.uploads import npy_member, row_buffer
from hpsearch.training.uploads.archive import open_archive
from hpsearch.training.uploads.csv_source import open_csv
from hpsearch.training.uploads.formats import describe_file, format_of, read
from hpsearch.training.uploads.npz_arrays import npz_arrays
from hpsearch.training.uploads.npz_source import NpzSource
from hpsearch.training.uploads.parquet_source import ParquetSource
from hpsearch.training.uploads.read_options import ReadOptions

RNG = np.random.default_rng(3)
MEGABYTE = 1 << 20


def frame(rows: int) -> pd.DataFrame:
    """Columns of every kind."""
    return pd.DataFrame(
        {
            "n": RNG.standard_normal(rows),
            "group": RNG.choice(["red", "green", "blue"], rows),
            "flag": RNG.random(rows) < 0.5,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 900, rows), "D"),
            "remark": [
                f"row {i} of many words, all of them different {i * i}" for i in range(rows)
            ],
            "y": RNG.choice(["u", "v"], rows),
        }
    )


def test_no_batch_of_a_large_file_is_large(tmp_path):
    table = frame(150_000)
    table.to_csv(tmp_path / "f.csv", index=False)
    table.to_parquet(tmp_path / "f.parquet", index=False)
    for source in (open_csv(tmp_path / "f.csv"), ParquetSource(tmp_path / "f.parquet")):
        rows, largest = 0, 0
        for batch in source.batches():
            rows += len(batch["n"])
            largest = max(largest, sum(cells.nbytes for cells in batch.values()))
        assert rows == 150_000
        assert largest < 10 * MEGABYTE
        (batch,) = {tuple(batch) for batch in source.batches({"n", "y"})}
        assert batch == ("n", "y")


def test_csv_and_parquet_of_a_table_are_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(row_buffer, "SEGMENT_BYTES", 1000)
    table = frame(700)
    table.to_csv(tmp_path / "f.csv", index=False)
    table.to_parquet(tmp_path / "f.parquet", index=False)
    read_tables = []
    for form in ("csv", "parquet"):
        path, options = tmp_path / f"f.{form}", ReadOptions(form, "y")
        info = describe_file(path, options, "mine")
        assert [(c.name, c.kind, c.role) for c in info.columns] == [
            ("n", "number", "feature"), ("group", "category", "feature"),
            ("flag", "boolean", "feature"), ("day", "date", "feature"),
            ("remark", "text", "ignored"), ("y", "category", "target"),
        ]  # fmt: skip
        found = read(path, ReadOptions(form, "y", {}, info.columns, info.class_type))
        assert found.column("remark").categories == ()  # its groups alone are known
        assert len(set(found.column("remark").values)) == 700
        read_tables.append(found)
    first, second = read_tables
    assert first.columns == second.columns
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.y, second.y)
    np.testing.assert_array_equal(first.x[:, 0], table["n"])
    names = np.array(first.columns[1].categories)
    assert (names[first.x[:, 1].astype(int)] == table["group"]).all()
    assert (first.x[:, 2] == table["flag"]).all()
    np.testing.assert_array_equal(pd.to_datetime(first.x[:, 3], unit="s"), table["day"])


def info(name: str, role: str, kind: str, **reading) -> ColumnInfo:
    return ColumnInfo(
        name=name, kind="number", role=role, reading=ColumnReading(kind=kind, **reading)
    )


def test_a_file_is_read_as_was_decided_and_not_as_it_looks(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text("a,b,c,y\n1,07,u,3\n2,7,v,1\n1.0,7,u,2\n")
    columns = (
        info("a", "feature", "category", by_value=True),
        info("b", "feature", "category"),
        ColumnInfo(name="c", kind="constant", role="ignored"),
        info("y", "target", "number"),
    )
    table = read(file, ReadOptions("csv", "y", {}, columns))
    assert [column.categories for column in table.columns] == [("1", "2"), ("07", "7")]
    np.testing.assert_array_equal(table.x, [[0, 0], [1, 1], [0, 1]])
    assert (table.y.tolist(), table.classes, table.side_columns) == ([3, 1, 2], (), ())
    numbers = (info("b", "feature", "number"), info("c", "feature", "number"), columns[-1])
    with pytest.raises(InvalidInput, match=r"columns\.c: must hold numbers alone, and row 2 has"):
        read(file, ReadOptions("csv", "y", {}, numbers))


def test_classes_that_are_numbers_are_in_the_order_of_numbers(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text("a,y\n0.5,10\n1.5,9\n0.5,-1\n0.5,10.0\n")
    columns = (info("a", "feature", "number"), info("y", "target", "category", by_value=True))
    table = read(file, ReadOptions("csv", "y", {}, columns, "integer"))
    assert (table.classes, table.y.tolist()) == (("-1", "9", "10"), [2, 1, 0, 2])
    assert table.class_type == "integer"


# npz


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("block_bytes", [64, 1000, 1 << 22])
def test_a_matrix_is_the_same_however_it_lies_and_is_cut(tmp_path, monkeypatch, order, block_bytes):
    monkeypatch.setattr(npy_member, "BLOCK_BYTES", block_bytes)
    x = np.asarray(RNG.standard_normal((50, 7)), order=order)
    x[3, 2] = np.nan
    np.savez_compressed(tmp_path / "f.npz", x=x, y=np.arange(50) % 3)
    path, options = tmp_path / "f.npz", ReadOptions("npz")
    np.testing.assert_array_equal(read(path, options).x, x)
    found = describe_file(path, options, "mine")
    assert [(c.missing, c.distinct, c.role) for c in found.columns] == [
        (int(j == 2), 50 - (j == 2), "feature") for j in range(7)
    ] + [(0, 3, "target")]
    with open_archive(path, "f") as archive:
        cells: dict[str, list] = {}
        for batch in NpzSource(npz_arrays(archive, options)).batches():
            for name, part in batch.items():
                cells.setdefault(name, []).extend(part.to_pylist())
    expected = np.where(np.isnan(x), None, x)
    assert [cells[f"x{j}"] for j in range(7)] == [list(expected[:, j]) for j in range(7)]


def test_arrays_that_are_not_read_are_never_unpacked(tmp_path):
    file = tmp_path / "f.npz"
    np.savez_compressed(
        file, x=RNG.random((6, 2)), y=np.arange(6) % 2, who=np.array(list("aabbcc")),
        other=RNG.random((1000, 50)), one=np.array(3), note=np.array([{}], dtype=object),
    )  # fmt: skip
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo("other.npy")
        middle = entry.header_offset + entry.compress_size // 2
    content[middle : middle + 4] = b"\0\0\0\0"
    file.write_bytes(content)
    with zipfile.ZipFile(file) as archive, pytest.raises(zipfile.BadZipFile):
        archive.read("other.npy")
    table = read(file, ReadOptions("npz"))
    assert table.column("who").texts() == list("aabbcc")
    (note,) = describe_file(file, ReadOptions("npz"), "mine").warnings[:1]
    assert "of the file's arrays note, one, other are left out" in note


def test_a_huge_array_that_is_not_read_is_refused_by_what_it_says(tmp_path):
    file = tmp_path / "f.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in (("x", RNG.random((4, 2))), ("y", np.arange(4) % 2)):
            out = io.BytesIO()
            np.save(out, array)
            archive.writestr(f"{name}.npy", out.getvalue())
        archive.writestr("zeros.npy", bytes(64 * MEGABYTE))
    with pytest.raises(InvalidInput, match=r"'zeros.npy' says 67108864 bytes"):
        read(file, ReadOptions("npz"))


def test_truth_values_of_an_npz_are_booleans(tmp_path):
    y = RNG.random(40) < 0.5
    np.savez(tmp_path / "f.npz", x=np.stack([y, ~y], axis=1), y=y)
    table = read(tmp_path / "f.npz", ReadOptions("npz"))
    assert (table.classes, table.class_type) == (("false", "true"), "boolean")
    np.testing.assert_array_equal(table.x[:, 0], y)
    np.testing.assert_array_equal(table.y, y)


def test_what_is_said_of_arrays_is_honoured_or_refused(tmp_path):
    file = tmp_path / "f.npz"
    np.savez(file, x=RNG.random((60, 2)), y=np.arange(60) % 3, code=np.arange(60) % 5)
    found = describe_file(file, ReadOptions("npz", None, {"y": "number", "code": "category"}), "m")
    kinds = {c.name: (c.role, c.reading.kind) for c in found.columns}
    assert kinds["y"] == ("target", "number")
    assert kinds["code"] == ("ignored", "category")
    assert found.target == "numbers"
    with pytest.raises(InvalidInput) as caught:
        describe_file(file, ReadOptions("npz", None, {"x0": "ignore", "z": "number"}), "m")
    assert [error.path for error in caught.value.errors] == ["columns.x0", "columns.z"]


def test_an_npz_is_looked_at_without_a_target(tmp_path):
    file = tmp_path / "f.npz"
    np.savez(file, x=RNG.random((60, 2)), label=np.arange(60) % 3)
    found = describe_file(file, ReadOptions("npz", needs_target=False), "m")
    assert (found.target, found.rows, found.features) == ("none", 60, (2,))
    images = tmp_path / "g.npz"
    np.savez(images, x=RNG.integers(0, 9, (60, 4, 5, 3)), y=np.arange(60) % 3, who=np.arange(60))
    found = describe_file(images, ReadOptions("npz"), "m")
    assert (found.target, found.features, found.class_rows) == ("classes", (3, 4, 5), (20, 20, 20))
    assert [(c.name, c.role) for c in found.columns] == [("y", "target"), ("who", "ignored")]


# Parquet


def test_columns_of_wide_types_and_awkward_names_come_back(tmp_path):
    file = tmp_path / "f.parquet"
    columns = {
        "a.b": [1.5, 2.5, 1.5], "a": ["u", "v", "u"], " c": [3, 1, 3],
        "l": pa.array(["p", "q", "p"], pa.large_string()), "y": [0.5, 1.5, 2.5],
    }  # fmt: skip
    pq.write_table(pa.table(columns), file)
    table = read(file, ReadOptions(format_of(file, file.name, None), "y"))
    assert [column.name for column in table.columns] == ["a.b", "a", " c", "l"]
    np.testing.assert_array_equal(table.x[:, 0], [1.5, 2.5, 1.5])
    pq.write_table(pa.table({"": [1.5, 2.5, 1.5], **columns}), file)
    with pytest.raises(InvalidInput, match="must have a name, and column 1 has none"):
        read(file, ReadOptions("parquet", "y"))
