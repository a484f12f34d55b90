"""CSV in every dialect that people and programs write: names and cells come back as they were."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpsearch.errors import InvalidInput
from hpsearch.training.uploads import csv_source
from hpsearch.training.uploads.csv_source import open_csv

DELIMITERS = [",", ";", "\t", "|"]
ENDS = ["\n", "\r\n", "\r"]


def table_in(path: Path, content: str | bytes, encoding: str = "utf-8") -> list[list[str]]:
    """The header and all rows of a file, as texts without spaces around them."""
    file = path / "f.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    source = open_csv(file)
    rows = [list(source.names)]
    for batch in source.batches():
        columns = [batch[name].to_pylist() for name in source.names]
        rows += [[cell.strip() for cell in row] for row in zip(*columns, strict=True)]
    return rows


names = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff"), min_size=1).filter(
        lambda name: name == name.strip() and not name.startswith(("#", "sep="))
    ),
    min_size=2, max_size=4, unique=True,
)  # fmt: skip
letters = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
cells = st.text(letters, max_size=8) | st.sampled_from(
    ["a, b", "x;y", "1,5", "2\n3", '"', 'say "so"', "a\tb", "p|q", "1.234,5"]
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    header = draw(names)
    row = st.lists(cells.map(str.strip), min_size=len(header), max_size=len(header))
    return [header, *draw(st.lists(row, min_size=1, max_size=12))]


@settings(max_examples=150)
@given(tables(), st.sampled_from(DELIMITERS), st.sampled_from(ENDS), st.booleans())
@example([["Preis, EUR", "a"], ["1,5", "2,5"]], ";", "\r\n", False)
@example([["a\nb", "c"], ["1", "2"]], ",", "\n", False)
def test_whatever_is_written_with_quotes_comes_back(
    tmp_path_factory, table, delimiter, end, has_mark
):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
    encoding = "utf-8-sig" if has_mark else "utf-8"
    assert table_in(tmp_path_factory.mktemp("f"), out.getvalue(), encoding) == table


@settings(max_examples=50)
@given(
    st.integers(2, 5), st.integers(1, 30), st.integers(0, 2**32 - 1), st.sampled_from(DELIMITERS),
    st.sampled_from(ENDS[:2]), st.sampled_from([".", ","]),
)  # fmt: skip
def test_tables_of_pandas_come_back(tmp_path_factory, columns, rows, seed, delimiter, end, decimal):
    """Unquoted where pandas does not quote; numbers have decimal commas where the field may."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {f"column {i}": rng.standard_normal(rows).round(rng.integers(1, 6)) for i in range(columns)}
    )
    frame["word"] = rng.choice(["red", "dark, blue", "semi;colon", "a|b"], rows)
    folder = tmp_path_factory.mktemp("f")
    text = frame.to_csv(index=False, sep=delimiter, lineterminator=end, decimal=decimal)
    expected = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert table_in(folder, text) == expected


SMALL = [["a", "b"], ["1", "x"], ["2", "y"]]
READ = {
    "spaces around delimiters": ("a ,  b\n1 , x\n2 ,  y\n", SMALL),
    "quotes behind spaces": ('a, "b"\n1, "x"\n2, "y, z"\n', [*SMALL[:2], ["2", "y, z"]]),
    "pipes with spaces": ("a | b\n1 | x\n2 | y\n", SMALL),
    "a separator line": ('sep=;\r\n"a";"b"\r\n1;x\r\n2;y\r\n', SMALL),
    "a separator of its own": ("sep=:\na:b\n1:x\n2:y\n", SMALL),
    "comments and blank lines": ("# made today, by hand\n\n#\n\na,b\n1,x\n\n2,y\n\n", SMALL),
    "a header that begins like a comment": ("#a,b\n1,x\n2,y\n", [["#a", "b"], *SMALL[1:]]),
    "no line end at the end": ("a,b\n1,x\n2,y", SMALL),
    "a delimiter at the end of lines": ("a;b;\n1;x;\n2;y;\n", SMALL),
    "one at the end of rows alone": ("a;b\n1;x;\n2;y;\n", SMALL),
    "empty fields at the end": ("a,b\n1,\n2,y\n", [["a", "b"], ["1", ""], ["2", "y"]]),
    "an index of pandas": (",b\n0,x\n1,y\n", [["Unnamed: 0", "b"], ["0", "x"], ["1", "y"]]),
    "one column": ("a\n1\n2\n", [["a"], ["1"], ["2"]]),
    "one column of decimal commas": ("a\n1,5\n2,5\n", [["a"], ["1,5"], ["2,5"]]),
    "commas in a header": ("a, m;b\n1,5;x\n2;y\n", [["a, m", "b"], ["1,5", "x"], SMALL[2]]),
    "words joined by pipes": ("a,b\n1,u|v\n2,w|z\n", [["a", "b"], ["1", "u|v"], ["2", "w|z"]]),
    "a quote that is text": ('a,b\n5" pipe,x\n6,y\n', [["a", "b"], ['5" pipe', "x"], ["6", "y"]]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_a_dialect_is_read(tmp_path, case):
    content, table = READ[case]
    assert table_in(tmp_path, content) == table


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_whose_first_bytes_say_its_encoding_is_read(tmp_path, encoding):
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"
    rows = "".join(f"ü{i},日本{i}\n" for i in range(5000))
    content = f"{mark}a,b\n{rows}".encode(encoding)
    found = table_in(tmp_path, content)
    assert (len(found), found[1], found[-1]) == (5001, ["ü0", "日本0"], ["ü4999", "日本4999"])


def test_a_record_that_is_longer_than_a_block_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_source, "BLOCK_BYTES", 1 << 12)
    rows = [["a", "b"], *([str(i), "x" * 50] for i in range(300))]
    rows[200][1] = "y" * 20_000
    text = "".join(",".join(row) + "\n" for row in rows)
    assert table_in(tmp_path, text) == rows


@pytest.mark.parametrize("batch_bytes", [1, 300, 1 << 23])
def test_batches_of_any_size_hold_the_same_rows(tmp_path, monkeypatch, batch_bytes):
    monkeypatch.setattr(csv_source, "BATCH_BYTES", batch_bytes)
    monkeypatch.setattr(csv_source, "BLOCK_BYTES", 1 << 10)
    rows = [["a", "b"], *([str(i), f'"q{i}\n"'] for i in range(500))]
    text = "".join(",".join(row) + "\n" for row in rows)
    found = table_in(tmp_path, text)
    assert found == [["a", "b"], *([str(i), f"q{i}"] for i in range(500))]


REFUSED = {
    "ragged": ("a,b\n1,2\n3\n", "row 3 has 1: '3'"),
    "ragged under a comment": ("# x\na,b\n1,2\n3,4,5\n", "row 4 has 3: '3,4,5'"),
    "ragged behind quotes": ('a, "b"\n1, "x"\n3\n', "row 3 has 1: '3'"),
    "a quote that nothing closes": ('a,b\n1,"2\n3,4\n', "that of the last field of row 2 is not"),
    "binary data in the middle": ("a,b\n1,2\n3,\0\n", "line 3 holds binary data"),
    "a value in a column without a name": ("a;b;\n1;x;\n2;y;z\n", "the value 'z' in row 3"),
    "blank": ("\n \n", "a header in its first row"),
    "comments alone": ("# a\n# b\n", "must have rows under its header"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_is_refused_with_its_row(tmp_path, case):
    content, sentence = REFUSED[case]
    with pytest.raises(InvalidInput) as caught:
        table_in(tmp_path, content)
    assert sentence in str(caught.value)


def test_other_encodings_are_refused_with_the_line(tmp_path):
    with pytest.raises(InvalidInput, match="UTF-8 text, and line 3 is not; save it as UTF-8"):
        table_in(tmp_path, "a,b\n1,x\n2,ü\n".encode("cp1252"))


def test_what_was_guessed_of_a_file_is_said(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text("1.5,2\n3,4\n")
    (note,) = open_csv(file).notes
    assert "holds numbers alone (1.5, 2, ...); add a header" in note
    file.write_text("a;b;\n1;2;\n")
    (note,) = open_csv(file).notes
    assert "the column without a name and without values behind it is left out" in note
    file.write_text("a;b\n1;2\n")
    assert open_csv(file).notes == ()
