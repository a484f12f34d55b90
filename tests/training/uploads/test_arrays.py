"""Formats of arrays: files written here, read back bit for bit, and their faults."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from hpsearch.errors import InvalidInput
from hpsearch.training.uploads.describe import describe
from hpsearch.training.uploads.formats import format_of, read
from hpsearch.training.uploads.idx import parse_idx
from hpsearch.training.uploads.read_options import ReadOptions

RNG = np.random.default_rng(0)


def load(file: Path, name: str | None = None, target=None, **columns):
    return read(file, ReadOptions(format_of(file, name or file.name, None), target, columns))


def refusal(file: Path, **options) -> str:
    with pytest.raises(InvalidInput) as caught:
        load(file, **options)
    return str(caught.value)


def packed(file: Path, members: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def tarred(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file


IDX_CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx(array: np.ndarray, kind: str = "u1") -> bytes:
    """As yann.lecun.com describes the format."""
    header = struct.pack(">BBBB", 0, 0, IDX_CODES[kind], array.ndim)
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(kind).tobytes()


# IDX


@settings(max_examples=60)
@given(st.data())
def test_idx_comes_back_bit_for_bit(data):
    kind = data.draw(st.sampled_from(sorted(IDX_CODES)))
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=4))
    floats = {"allow_nan": False, "allow_infinity": False} if "f" in kind else {}
    array = data.draw(arrays.arrays(np.dtype(kind), shape, elements=floats or None))
    found = parse_idx(idx(array, kind), "f")
    assert found.dtype == np.dtype(kind).newbyteorder("=")
    np.testing.assert_array_equal(found, array)


IMAGES = RNG.integers(0, 256, (60, 5, 4)).astype(np.uint8)
LABELS = np.arange(60, dtype=np.uint8) % 10
TEST_IMAGES, TEST_LABELS = IMAGES[:20] ^ 255, LABELS[:20]
MNIST = {
    "train-images-idx3-ubyte": idx(IMAGES),
    "train-labels-idx1-ubyte": idx(LABELS),
    "t10k-images-idx3-ubyte": idx(TEST_IMAGES),
    "t10k-labels-idx1-ubyte": idx(TEST_LABELS),
}


def test_a_pair_of_idx_files_is_images_and_labels(tmp_path):
    pair = {"images.idx3-ubyte": idx(IMAGES), "labels.idx1-ubyte": idx(LABELS)}
    file = packed(tmp_path / "f.zip", pair)
    table = load(file)
    assert table.x.dtype == np.uint8
    np.testing.assert_array_equal(table.x, IMAGES[:, None])
    np.testing.assert_array_equal(table.y, LABELS)
    assert table.classes == tuple("0123456789")
    assert table.side_columns == ()
    info = describe("mine", table)
    assert (info.features, info.is_image, info.classes) == ((1, 5, 4), True, 10)


@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_s_four_files_are_one_data_set_with_a_split(tmp_path, zipped):
    members = {f"MNIST/raw/{name}.gz": gzip.compress(content) for name, content in MNIST.items()}
    file = packed(tmp_path / "f.zip", members) if zipped else tarred(tmp_path / "f.tgz", members)
    table = load(file)
    np.testing.assert_array_equal(table.x[:, 0], np.concatenate([IMAGES, TEST_IMAGES]))
    np.testing.assert_array_equal(table.y, np.concatenate([LABELS, TEST_LABELS]))
    (column,) = describe("mine", table).columns
    assert (column.name, column.parts) == ("split", {"train": 60, "test": 20})


IDX_FAULTS = {
    "wrong magic": ({"images": b"\1\2\3\4" + bytes(20), "labels": idx(LABELS)},
                    "must open with 0, 0"),
    "wrong type": ({"images": b"\0\0\7\1" + bytes(20), "labels": idx(LABELS)},
                   "must open with 0, 0"),
    "cut off": ({"images": idx(IMAGES)[:-1], "labels": idx(LABELS)},
                "images must have 1200 bytes of values for [60, 5, 4], and it has 1199"),
    "cut in the header": ({"images": idx(IMAGES)[:9], "labels": idx(LABELS)},
                          "cut off in its header"),
    "too long": ({"images": idx(IMAGES) + b"x", "labels": idx(LABELS)}, "and it has 1201"),
    "huge": ({"images": struct.pack(">4B3I", 0, 0, 8, 3, *[2**31] * 3), "labels": idx(LABELS)},
             "and it has 0; send the whole file"),
    "other counts": ({"images": idx(IMAGES), "labels": idx(LABELS[:59])},
                     "images has 60 and labels 59"),
    "no labels": ({"images": idx(IMAGES)}, "must be pairs of images and labels, got 1 of images"),
    "one class": ({"images": idx(IMAGES), "labels": idx(LABELS * 0)}, "at least two classes"),
    "empty": ({"images": idx(IMAGES[:0]), "labels": idx(LABELS[:0])}, "must hold rows"),
}  # fmt: skip


@pytest.mark.parametrize("fault", IDX_FAULTS)
def test_faulty_idx_is_refused(tmp_path, fault):
    members, sentence = IDX_FAULTS[fault]
    names = {"images": "images-idx3-ubyte", "labels": "labels-idx1-ubyte"}
    file = packed(tmp_path / "f.zip", {names[name]: content for name, content in members.items()})
    said = refusal(file)
    for name, full in names.items():
        said = said.replace(full, name)
    assert sentence in said


# CIFAR


def cifar(
    count: int, label_bytes: int, most: int, seed: int
) -> tuple[bytes, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, most, (count, label_bytes)).astype(np.uint8)
    pixels = rng.integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)
    records = np.concatenate([labels, pixels.reshape(count, -1)], axis=1)
    return records.tobytes(), labels, pixels


def test_cifar_10_comes_back_bit_for_bit(tmp_path):
    batches = [cifar(12, 1, 10, seed) for seed in range(3)]
    names = ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]
    members = {f"cifar-10-batches-bin/{n}": b[0] for n, b in zip(names, batches, strict=True)}
    classes = [f"class {i}".replace(" ", "_") for i in range(10)]
    members["cifar-10-batches-bin/batches.meta.txt"] = "\n".join(classes).encode() + b"\n\n"
    for file in (packed(tmp_path / "f.zip", members), tarred(tmp_path / "f.tar.gz", members)):
        table = load(file)
        np.testing.assert_array_equal(table.x, np.concatenate([b[2] for b in batches]))
        np.testing.assert_array_equal(table.y, np.concatenate([b[1][:, 0] for b in batches]))
        assert table.classes == tuple(classes)
        assert table.column("split").texts() == ["train"] * 24 + ["test"] * 12


def test_cifar_100_has_fine_and_coarse_labels(tmp_path):
    content, labels, pixels = cifar(9, 2, 20, 1)
    file = packed(tmp_path / "f.zip", {"train.bin": content})
    for target, place, count in (("fine", 1, 100), (None, 1, 100), ("coarse", 0, 20)):
        table = load(file, target=target)
        np.testing.assert_array_equal(table.x, pixels)
        np.testing.assert_array_equal(table.y, labels[:, place])
        assert len(table.classes) == count
    assert "must be fine or coarse" in refusal(file, target="y")


def test_faulty_cifar_is_refused(tmp_path):
    content, _, _ = cifar(9, 1, 10, 1)
    wrong = bytearray(content)
    wrong[4 * 3073] = 10
    cases = {
        "records of 3073 bytes": content[:-5],
        "between 0 and 9, and row 5 has 10": bytes(wrong),
    }
    for sentence, data in cases.items():
        assert sentence in refusal(packed(tmp_path / "f.zip", {"data_batch_1.bin": data}))
        single = tmp_path / "data_batch_1.bin"
        single.write_bytes(data)
        assert sentence in refusal(single)
    pickled = packed(tmp_path / "p.zip", {"data_batch_1": pickle.dumps({"data": 1}), "a.bin": b""})
    assert "the Python version is pickled and never read" in refusal(pickled)


# npz


def saved(file: Path, **named: np.ndarray) -> Path:
    np.savez_compressed(file, **named)
    return file


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "int16"])
def test_npz_images_come_back_bit_for_bit(tmp_path, kind):
    x = RNG.integers(0, 100, (12, 3, 4, 5)).astype(kind)
    y = np.arange(12) % 3
    file = tmp_path / "f.npz"
    np.testing.assert_array_equal(load(saved(file, x=x, y=y)).x, x)
    np.testing.assert_array_equal(load(saved(file, x=x.transpose(0, 2, 3, 1), y=y)).x, x)
    np.testing.assert_array_equal(load(saved(file, x=x[:, 0], y=y)).x, x[:, :1])
    assert load(file).x.dtype == np.dtype(kind)


def test_npz_tables_marks_and_names_of_classes(tmp_path):
    x = RNG.standard_normal((6, 2))
    x[2, 1] = np.nan
    file = saved(
        tmp_path / "f.npz", x=x, label=np.array([0, 2, 0, 2, 2, 0]),
        classes=np.array(["no", "perhaps", "yes"]), who=np.array(list("aabbcc")), when=np.arange(6),
    )  # fmt: skip
    table = load(file, target="label")
    np.testing.assert_array_equal(table.x, x)
    assert table.classes == ("no", "perhaps", "yes")
    assert table.y.tolist() == [0, 2, 0, 2, 2, 0]
    assert table.column("who").texts() == list("aabbcc")
    assert table.column("when").values.tolist() == list(range(6))


def test_npz_in_parts_has_a_split(tmp_path):
    x, y = RNG.standard_normal((10, 3)), np.linspace(0, 1, 10)
    file = saved(tmp_path / "f.npz", x_train=x[:7], y_train=y[:7], x_test=x[7:], y_test=y[7:])
    table = load(file)
    np.testing.assert_array_equal(table.x, x)
    np.testing.assert_array_equal(table.y, y)
    assert table.column("split").texts() == ["train"] * 7 + ["test"] * 3


NPZ_FAULTS = {
    "objects": ({"x": np.array([[{}], [1]], dtype=object), "y": np.arange(2)},
                "are pickled and never read"),
    "no x": ({"data": np.zeros((2, 2)), "y": np.arange(2)}, "an array 'x', and there are data, y"),
    "no y": ({"x": np.zeros((2, 2))}, "an array 'y', and there are x"),
    "other lengths": ({"x": np.zeros((2, 2)), "y": np.arange(3)}, "got [2, 2] and [3]"),
    "one-hot": ({"x": np.zeros((2, 2)), "y": np.eye(2)}, "each, got [2, 2] and [2, 2]"),
    "flat": ({"x": np.zeros(2), "y": np.arange(2)}, "x must hold numbers of shape"),
    "text": ({"x": np.array([["a"], ["b"]]), "y": np.arange(2)}, "x must hold numbers of shape"),
    "complex": ({"x": np.zeros((2, 1), complex), "y": np.arange(2)}, "and it holds complex128"),
    "infinite": ({"x": np.array([[1.0], [np.inf]]), "y": np.arange(2)}, "x, row 2 has inf"),
    "NaN pixel": ({"x": np.full((2, 2, 2), np.nan), "y": np.arange(2)}, "x, row 1 has nan"),
    "NaN target": ({"x": np.zeros((2, 1)), "y": np.array([1, np.nan])}, "column y, row 2 has none"),
    "label": ({"x": np.zeros((2, 1)), "y": np.array([0, 2]), "classes": np.array(["a", "b"])},
              "a label must be between 0 and 1, and row 2 has 2"),
    "empty": ({"x": np.zeros((0, 1)), "y": np.zeros(0)}, "x must have rows"),
}  # fmt: skip


@pytest.mark.parametrize("fault", NPZ_FAULTS)
def test_faulty_npz_is_refused(tmp_path, fault):
    named, sentence = NPZ_FAULTS[fault]
    assert sentence in refusal(saved(tmp_path / "f.npz", **named))


def test_an_array_that_lies_about_its_size_is_refused(tmp_path):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 2)}
    )
    whole = io.BytesIO()
    np.save(whole, np.arange(2))
    file = packed(tmp_path / "f.npz", {"x.npy": out.getvalue(), "y.npy": whole.getvalue()})
    assert "x.npy must have 17592186044416 bytes of values" in refusal(file)


# Image folders


def image(pixels: np.ndarray, form: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


COLOUR = RNG.integers(0, 256, (6, 4, 5, 3)).astype(np.uint8)
GREY = RNG.integers(0, 256, (6, 4, 5)).astype(np.uint8)


@pytest.mark.parametrize("form", ["PNG", "BMP", "PPM", "WEBP"])
def test_an_image_folder_comes_back_bit_for_bit(tmp_path, form):
    options = {"lossless": True} if form == "WEBP" else {}
    names = [f"pets/{'cat' if i % 2 else 'dog'}/{i}.{form.lower()}" for i in range(6)]
    members = {n: image(p, form, **options) for n, p in zip(names, COLOUR, strict=True)}
    members |= {"pets/README.md": b"x", "__MACOSX/pets/cat/._1.png": b"x", "pets/.DS_Store": b""}
    table = load(packed(tmp_path / "f.zip", members))
    order = np.argsort(names)
    np.testing.assert_array_equal(table.x, COLOUR[order].transpose(0, 3, 1, 2))
    assert table.classes == ("cat", "dog")
    assert table.y.tolist() == [0, 0, 0, 1, 1, 1]


def test_grey_images_have_one_channel_until_one_is_in_colour(tmp_path):
    members = {f"{'ab'[i % 2]}/{i}.png": image(p) for i, p in enumerate(GREY)}
    order = [0, 2, 4, 1, 3, 5]
    table = load(packed(tmp_path / "f.zip", members))
    np.testing.assert_array_equal(table.x, GREY[order][:, None])
    members["b/9.png"] = image(COLOUR[0])
    table = load(packed(tmp_path / "f.zip", members))
    np.testing.assert_array_equal(table.x[:-1], np.repeat(GREY[order][:, None], 3, 1))
    np.testing.assert_array_equal(table.x[-1], COLOUR[0].transpose(2, 0, 1))


def test_folders_of_parts_are_a_split(tmp_path):
    parts = ("train", "train", "validation", "validation", "test", "test")
    members = {f"d/{parts[i]}/{'ab'[i % 2]}/{i}.png": image(p) for i, p in enumerate(GREY)}
    table = load(packed(tmp_path / "f.zip", members))
    assert table.classes == ("a", "b")
    assert sorted(table.column("split").texts()) == sorted(parts)


IMAGE_FAULTS = {
    "sizes": ({"a/1.png": image(GREY[0]), "b/2.png": image(GREY[0][:3])},
              "b/2.png is 5×3 where others are 5×4"),
    "no folder": ({"1.png": image(GREY[0])}, "must lie in a folder named after its class"),
    "one class": ({"a/1.png": image(GREY[0])}, "at least two classes"),
    "cut off": ({"a/1.png": image(COLOUR[0])[:60], "b/2.png": image(GREY[0])},
                "a/1.png must be a whole image"),
    "no image": ({"a/1.png": b"MZ", "b/2.png": image(GREY[0])}, "a/1.png must be a whole image"),
    "16 bits": ({"a/1.png": image(GREY[0].astype(np.uint16)), "b/2.png": image(GREY[0])},
                "8 bits a channel"),
}  # fmt: skip


@pytest.mark.parametrize("fault", IMAGE_FAULTS)
def test_a_faulty_image_folder_is_refused(tmp_path, fault):
    members, sentence = IMAGE_FAULTS[fault]
    assert sentence in refusal(packed(tmp_path / "f.zip", members))


def test_images_that_would_unpack_too_large_are_refused(tmp_path, monkeypatch):
    members = {f"{'ab'[i]}/{i}.png": image(np.zeros((400, 400), np.uint8)) for i in range(2)}
    monkeypatch.setattr("hpsearch.training.uploads.bounds.MAX_UNPACKED_BYTES", 500_000)
    assert "images must unpack to at most 500000 bytes" in refusal(packed(tmp_path / "f", members))
