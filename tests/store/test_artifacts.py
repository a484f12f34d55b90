from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from hpsearch.errors import CorruptArtifact
from hpsearch.store.artifacts import ArtifactStore


def _files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_what_was_put_is_there_whole(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    stored = store.put("a/b/c", b"content")
    assert store.path("a/b/c").read_bytes() == b"content"
    assert (stored.key, stored.size_bytes) == ("a/b/c", 7)
    assert stored.sha256 == hashlib.sha256(b"content").hexdigest()
    assert _files(tmp_path) == ["a/b/c"]


def test_content_with_another_hash_leaves_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with pytest.raises(CorruptArtifact, match="send it again"):
        store.put("a", b"content", hashlib.sha256(b"other").hexdigest())
    assert _files(tmp_path) == []


def test_a_failed_write_leaves_the_old_content_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(tmp_path)
    store.put("a", b"old")

    def broken(_: int) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="input/output"):
        store.put("a", b"new")
    assert _files(tmp_path) == ["a"]
    assert store.path("a").read_bytes() == b"old"


FULL = """
import resource, signal, sys
from pathlib import Path
from typing import Any
from hpsearch.errors import StorageFull
from hpsearch.store.artifacts import ArtifactStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    ArtifactStore(Path(sys.argv[1])).put("a", b"x" * 5000)
except StorageFull as error:
    print(error)
"""


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    assert resource.RLIMIT_FSIZE
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "has no room for 5000 bytes" in done.stdout
    assert "free space and resume the study" in done.stdout
    assert _files(tmp_path) == []


def test_deleting_clears_empty_folders_and_may_be_repeated(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.put("a/b/c", b"1")
    store.put("a/d", b"2")
    store.delete("a/b/c")
    store.delete("a/b/c")
    assert not (tmp_path / "a" / "b").exists()
    store.delete("a/d")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd"])
def test_no_key_leads_out(tmp_path: Path, key: str) -> None:
    store = ArtifactStore(tmp_path / "store")
    for use in (store.delete, lambda key: store.put(key, b"x")):
        with pytest.raises(ValueError, match="must stay inside the store"):
            use(key)


def test_putting_and_deleting_side_by_side_never_fails(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    failures: list[BaseException] = []

    def churn(name: str) -> None:
        try:
            for _ in range(100):
                store.put(f"shared/folder/{name}", b"x")
                store.delete(f"shared/folder/{name}")
        except BaseException as error:  # noqa: BLE001 (told to the test)
            failures.append(error)

    threads = [threading.Thread(target=churn, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert _files(tmp_path) == []


def test_a_folder_cleared_away_under_a_put_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(tmp_path)
    mkdir, lost = Path.mkdir, [FileExistsError(17, "File exists"), FileNotFoundError(2, "gone")]

    def race(path: Path, *args: Any, **options: Any) -> None:
        if lost:
            raise lost.pop()
        mkdir(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", race)
    store.put("shared/folder/a", b"x")
    assert store.path("shared/folder/a").read_bytes() == b"x"


def test_a_file_in_a_folders_place_is_named(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.put("shared", b"x")
    with pytest.raises(OSError, match="shared"):
        store.put("shared/a", b"x")
