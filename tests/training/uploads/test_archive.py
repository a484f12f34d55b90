"""Archives that could harm are refused before anything of them is unpacked."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile

import numpy as np
import pytest

from hpsearch.errors import InvalidInput
from hpsearch.training.uploads import bounds
from hpsearch.training.uploads.archive import gunzip, open_archive
from hpsearch.training.uploads.formats import format_of, read
from hpsearch.training.uploads.read_options import ReadOptions


def refusal(file, name: str = "f.zip") -> str:
    with pytest.raises(InvalidInput) as caught:
        read_all(file, name)
    return str(caught.value)


def read_all(file, name: str) -> None:
    with open_archive(file, name) as archive:
        for member in archive.members:
            archive.read(member)


def zipped(file, *names: str, content: bytes = b"x", **options):
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            for key, value in options.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return file


OUTWARD = [
    "../x",
    "a/../../x",
    "/etc/passwd",
    "C:/x",
    "..\\x",
    "a\\..\\..\\x",
    "\\\\host\\x",
    "a\nb",
]


@pytest.mark.parametrize("name", OUTWARD)
def test_no_name_leads_out(tmp_path, name):
    assert "must lie in a folder of it" in refusal(zipped(tmp_path / "f", name))
    with tarfile.open(tmp_path / "g", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert "must lie in a folder of it" in refusal(tmp_path / "g")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    file = zipped(tmp_path / "f", "x", external_attr=(kind | 0o777) << 16, create_system=3)
    assert "is a link or a device" in refusal(file)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_tar_links_and_devices_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("x")
    info.type, info.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "f", "w:gz") as archive:
        archive.addfile(info)
    assert "is a link or a device" in refusal(tmp_path / "f")


def test_an_encrypted_file_is_refused(tmp_path):
    file = zipped(tmp_path / "f", "x")
    content = bytearray(file.read_bytes())
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(mark) + place] |= 1
    file.write_bytes(content)
    assert "must not be encrypted, and 'x' is" in refusal(file)


def test_what_is_packed_too_well_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "f", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(1 << 24))
    assert "at most 200 times its packed size, and 'x.npy' says 16777216" in refusal(tmp_path / "f")
    with tarfile.open(tmp_path / "g", "w:gz") as tar:
        info = tarfile.TarInfo("x")
        info.size = 1 << 24
        tar.addfile(info, io.BytesIO(bytes(1 << 24)))
    assert "at most 200 times its packed size" in refusal(tmp_path / "g")
    with pytest.raises(InvalidInput, match="at most 200 times its packed size, and 'x' goes past"):
        gunzip(gzip.compress(bytes(1 << 24)), "x")


def test_too_many_bytes_and_too_many_files_are_refused(tmp_path, monkeypatch):
    file = zipped(tmp_path / "f", *(f"{i}" for i in range(20)), content=b"x" * 100)
    monkeypatch.setattr(bounds, "MAX_UNPACKED_BYTES", 1999)
    assert "must unpack to at most 1999 bytes" in refusal(file)
    monkeypatch.setattr(bounds, "MAX_UNPACKED_BYTES", 2000)
    monkeypatch.setattr(bounds, "MAX_MEMBERS", 19)
    assert "must hold at most 19 files" in refusal(file)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(tmp_path):
    assert "names in an archive must differ, and 'x' is" in refusal(
        zipped(tmp_path / "f", "x", "x")
    )


def test_damage_is_named(tmp_path):
    file = zipped(tmp_path / "f", "x", content=bytes(range(256)) * 10)
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[100] ^= 1
    file.write_bytes(flipped)
    assert "'x' must be whole, and it is damaged (Bad CRC-32" in refusal(file)
    with tarfile.open(tmp_path / "g", "w:gz") as archive:
        info = tarfile.TarInfo("x")
        info.size = 5000
        archive.addfile(info, io.BytesIO(np.random.default_rng(0).bytes(5000)))
    cut = (tmp_path / "g").read_bytes()[:3000]
    (tmp_path / "g").write_bytes(cut)
    assert "must be whole, and it is damaged" in refusal(tmp_path / "g")
    with pytest.raises(InvalidInput, match="'x' must be whole, and it is damaged"):
        gunzip(gzip.compress(bytes(100))[:-9], "x")


def test_any_junk_is_refused_in_a_sentence(tmp_path):
    rng = np.random.default_rng(0)
    starts = [
        b"PK\x03\x04",
        b"PAR1",
        b"\x1f\x8b\x08",
        b"\0\0\x08\x03",
        b"\x93NUMPY",
        b"\x89PNG",
        b"a,y\n",
    ]
    for start in starts:
        for name in ("f.csv", "f.zip", "f.bin", "f.npz", "f.parquet"):
            file = tmp_path / name
            file.write_bytes(start + rng.bytes(3000))
            with pytest.raises(InvalidInput):
                read(file, ReadOptions(format_of(file, name, None), "y"))
            for asked in ("csv", "parquet", "npz", "idx", "cifar10", "cifar100", "image_folder"):
                with pytest.raises(InvalidInput):
                    read(file, ReadOptions(format_of(file, name, asked), "y"))
