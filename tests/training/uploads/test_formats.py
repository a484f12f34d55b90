"""The table of upload formats: one line and one module make a format."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from hpsearch.errors import InvalidInput
from hpsearch.spec.language.family import load_object
from hpsearch.spec.upload_formats import UPLOAD_FORMATS, UploadFormat, upload_format_labels
from hpsearch.training.uploads.formats import format_of, read
from hpsearch.training.uploads.read_options import ReadOptions
from hpsearch.training.uploads.table import Table
from hpsearch.training.uploads.upload_format import Format


@pytest.mark.parametrize("name", UPLOAD_FORMATS)
def test_each_line_names_a_format(name):
    assert isinstance(load_object(UPLOAD_FORMATS[name].implementation), Format)


def test_a_line_and_a_module_make_a_format(tmp_path, monkeypatch):
    def read_numbers(path, options):
        assert options.format == "numbers"
        x = np.frombuffer(path.read_bytes()[4:])
        return Table(x[:, None], x)

    module = ModuleType("numbers_format")
    module.NUMBERS = Format(read_numbers, magic=b"NUMS")
    monkeypatch.setitem(sys.modules, "numbers_format", module)
    row = UploadFormat("numbers", "plain numbers", "float64.", "numbers_format:NUMBERS")
    monkeypatch.setitem(UPLOAD_FORMATS, "numbers", row)
    file = tmp_path / "f"
    file.write_bytes(b"NUMS" + np.arange(3.0).tobytes())
    assert format_of(file, "f", None) == format_of(file, "f", "numbers") == "numbers"
    assert read(file, ReadOptions("numbers")).y.tolist() == [0, 1, 2]
    assert upload_format_labels().endswith("CIFAR binary or plain numbers")
    with pytest.raises(InvalidInput, match="cifar100, numbers; got 'xml'"):
        format_of(file, "f", "xml")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("f.csv", b"", "the file must not be empty"),
        ("f.gz", b"\x1f\x8b\x08", "f.gz must be unpacked, or be in a zip with"),
        ("f.bin", b"\0\0\x08\x03", "f.bin is one IDX file alone; send images and labels"),
        ("f.bin", b"\x93NUMPY\1\0", "CIFAR files must hold records of 3073 bytes"),
        ("f.npy", b"\x93NUMPY", "f.npy is one array alone; save x and y with np.savez"),
        ("f.xlsx", b"text", "and f.xlsx is none of them; name its `format` if it is"),
        ("f", b"\0\0", "and f is none of them; name its `format` if it is"),
        (
            "f",
            b"a\0",
            "must be CSV, Parquet, npz, packed images in folders, MNIST IDX or CIFAR binary, and f",
        ),
    ],
)
def test_what_is_of_no_format_is_told_in_the_order_of_recognising(
    tmp_path, name, content, sentence
):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=sentence.replace(".", r"\.")):
        format_of(file, name, None)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("f.bin", b"PAR1", "parquet"),
        ("f.bin", b"\7" * 3073, "cifar10"),
        ("f", b"a,y\n", "csv"),
        ("f.bin", "a,y\n1,2\n".encode("utf-16"), "csv"),
    ],
)
def test_a_lone_file_is_recognised(tmp_path, name, content, expected):
    file = tmp_path / name
    file.write_bytes(content)
    assert format_of(file, name, None) == expected
