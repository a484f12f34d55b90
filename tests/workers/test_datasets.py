from __future__ import annotations

import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from hpsearch.errors import CorruptArtifact, NotFound, StorageFull
from hpsearch.settings import Settings
from hpsearch.spec.wire.upload import DatasetFile
from hpsearch.training.data.sources import load
from workers.datasets import ABANDONED_SECONDS, Datasets

CSV = b"a,y\n1,0\n2,1\n"


class Server:
    """What a client fetches, and how often."""

    def __init__(self, content: bytes | OSError) -> None:
        self.content = content
        self.fetched = 0
        self.versions: list[int] = []

    def fetch_dataset(self, name: str, version: int, path: Path) -> str:
        self.fetched += 1
        assert name == "fetched"
        self.versions.append(version)
        if isinstance(self.content, OSError):
            raise self.content
        path.write_bytes(self.content)
        return hashlib.sha256(self.content).hexdigest()


def a_file(content: bytes = CSV) -> DatasetFile:
    return DatasetFile(
        name="fetched", sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content),
        format="csv", target_column="y",
    )  # fmt: skip


def cached(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


def test_a_data_set_is_fetched_once_and_found_by_training(tmp_path: Path) -> None:
    server = Server(CSV)
    for _ in range(2):  # a second worker finds what the first has fetched
        datasets = Datasets(server, tmp_path)  # type: ignore[arg-type]
        datasets.make_ready(a_file())
        datasets.make_ready(a_file())
    assert server.fetched == 1
    assert cached(tmp_path) == [a_file().sha256]
    assert load("fetched").x.tolist() == [[1], [2]]


def test_another_content_takes_the_name_s_place(tmp_path: Path) -> None:
    server = Server(CSV)
    datasets = Datasets(server, tmp_path)  # type: ignore[arg-type]
    datasets.make_ready(a_file())
    server.content = CSV + b"3,1\n"
    datasets.make_ready(a_file(server.content))
    assert load("fetched").x.tolist() == [[1], [2], [3]]
    assert len(cached(tmp_path)) == 2


def test_versions_of_one_name_lie_side_by_side(tmp_path: Path) -> None:
    server = Server(CSV)
    datasets = Datasets(server, tmp_path)  # type: ignore[arg-type]
    for version, content in ((1, CSV), (2, CSV + b"3,1\n"), (3, CSV)):
        server.content = content
        datasets.make_ready(a_file(content).model_copy(update={"version": version}))
    assert server.versions == [1, 2]
    assert [len(load("fetched", version).x) for version in (1, 2, 3, None)] == [2, 3, 2, 2]
    with pytest.raises(NotFound, match="no data set is called 'fetched' in version 4"):
        load("fetched", 4)


def test_content_with_another_hash_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    datasets = Datasets(Server(CSV + b"!"), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(CorruptArtifact, match=r"data set fetched must have the sha256 .* again"):
        datasets.make_ready(a_file())
    assert cached(tmp_path) == []


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    full = Server(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(StorageFull, match=r"cache .* has no room for 12 bytes .*resume the study"):
        Datasets(full, tmp_path).make_ready(a_file())  # type: ignore[arg-type]
    assert cached(tmp_path) == []


def test_the_cache_lies_in_the_data_directory_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Settings().cache_dir == tmp_path / "xdg" / "hpsearch"
    assert Settings(data_dir=tmp_path).cache_dir == tmp_path / "cache"
    monkeypatch.setenv("HPSEARCH_DATA_DIR", str(tmp_path / "mine"))
    assert Settings().cache_dir == tmp_path / "mine" / "cache"
    monkeypatch.delenv("HPSEARCH_DATA_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().cache_dir == tmp_path / ".cache" / "hpsearch"


def test_a_file_that_went_after_its_check_is_fetched_again(tmp_path: Path) -> None:
    server = Server(CSV)
    datasets = Datasets(server, tmp_path)  # type: ignore[arg-type]
    datasets.make_ready(a_file())
    for path in tmp_path.rglob(a_file().sha256):
        path.unlink()
    datasets.make_ready(a_file())
    assert server.fetched == 2
    assert cached(tmp_path) == [a_file().sha256]


def test_what_a_killed_worker_left_half_fetched_goes(tmp_path: Path) -> None:
    """What another worker just fetches stays."""
    directory = tmp_path / "datasets"
    directory.mkdir()
    for name, age in ((".part-old", ABANDONED_SECONDS + 60), (".part-new", 0)):
        (directory / name).write_bytes(b"half")
        at = time.time() - age
        os.utime(directory / name, (at, at))
    Datasets(Server(CSV), tmp_path).make_ready(a_file())  # type: ignore[arg-type]
    assert cached(tmp_path) == [".part-new", a_file().sha256]
