from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from finished_study import finished
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from zip_files import files_of, zipped

from hpsearch.ensemble_builder import build, manifest
from hpsearch.ensemble_builder.archive import EnsembleArchive
from hpsearch.ensemble_builder.manifest import PartEntry
from hpsearch.errors import CorruptArtifact, NotFound
from hpsearch.spec.ensemble import EnsembleSpec

Document = dict[str, Any]


def made(size: int) -> bytes:
    study = finished()
    document = {"kind": "top_k", "size": size}
    request: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(document)
    return build(request, study.spec, study.candidates, study).content


@pytest.fixture(scope="module")
def content() -> bytes:
    return made(3)


def test_a_file_says_what_it_holds(content: bytes) -> None:
    files = files_of(content)
    assert list(files) == sorted(files)
    document = json.loads(files["manifest.json"])
    assert (document["format"], document["version"]) == ("hpsearch-ensemble", 1)
    assert document["classes"] == ["class_0", "class_1", "class_2"]
    assert document["features"] == [13]
    assert {part["file"] for part in document["parts"]} == set(files) - {"manifest.json"}
    assert sum(part["weight"] for part in document["parts"]) == pytest.approx(1)


def test_a_directory_reads_as_the_zip_does(content: bytes, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path / "there")
    (tmp_path / "it.zip").write_bytes(content)
    again = zipped(files_of(content), zipfile.ZIP_DEFLATED)
    for place in (tmp_path / "there", str(tmp_path / "it.zip"), content, again):
        with EnsembleArchive(place) as archive, EnsembleArchive(content) as first:
            assert archive.manifest == first.manifest
            for part in archive.manifest.parts:
                assert archive.read_part(part) == first.read_part(part)


def changed(content: bytes, change: Callable[[Document], Any]) -> bytes:
    files = files_of(content)
    document = json.loads(files["manifest.json"])
    change(document)
    return zipped({**files, "manifest.json": json.dumps(document).encode()})


HOSTILE: Mapping[str, tuple[Callable[[Document], Any], str]] = {
    "another format": (lambda d: d.update(format="zip"), "format is hpsearch-ensemble"),
    "a later version": (lambda d: d.update(version=3), "format version 1 or 2, got 3"),
    "no parts": (lambda d: d.update(parts=[]), "parts: must have at least 1 entry"),
    "a way out": (
        lambda d: d["parts"][0].update(file="parts/../../secret.safetensors"),
        r"parts\.0\.file: must match",
    ),
    "an absolute path": (
        lambda d: d["parts"][0].update(file="/etc/passwd"), r"parts\.0\.file: must match",
    ),
    "one file twice": (
        lambda d: d["parts"].append(d["parts"][0]), "must name each file of parts once",
    ),
    "a part of nobody": (
        lambda d: d["members"][0].update(part="parts/other.safetensors"),
        "must list parts/other.safetensors among its parts",
    ),
    "text for a weight": (
        lambda d: d["parts"][0].update(weight="much"), r"parts\.0\.weight: ",
    ),
    "a negative weight": (lambda d: d["parts"][0].update(weight=-1), "must be >= 0"),
    "an infinite weight": (
        lambda d: d["parts"][0].update(weight=float("inf")), r"parts\.0\.weight: ",
    ),
    "a cold temperature": (lambda d: d.update(temperature=0), "temperature: must be > 0"),
    "a list for a name": (lambda d: d.update(study=["a"]), "study: must be text"),
    "an unknown way to combine": (lambda d: d.update(combine="sum"), "combine: must be one of"),
    "a huge row": (lambda d: d.update(features=[2**40]), r"features\.0: must be <= "),
    "no row at all": (lambda d: d.pop("features"), "features: is required"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_manifest_that_breaks_a_rule_is_refused_in_a_sentence(content: bytes, what: str) -> None:
    change, sentence = HOSTILE[what]
    with pytest.raises(CorruptArtifact, match=sentence):
        EnsembleArchive(changed(content, change))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_manifest_that_is_none_is_refused(content: bytes, text: bytes) -> None:
    with pytest.raises(CorruptArtifact, match=r"manifest\.json"):
        EnsembleArchive(zipped({**files_of(content), "manifest.json": text}))
    with pytest.raises(CorruptArtifact, match=r"hold a whole manifest\.json .* got none"):
        EnsembleArchive(zipped({"parts/a.safetensors": b""}))


def test_what_would_unpack_to_much_more_than_it_is_is_refused() -> None:
    bomb = zipped({"manifest.json": b" " * 10_000_000}, zipfile.ZIP_DEFLATED)
    with pytest.raises(CorruptArtifact, match="at most 20 times its size, got 10,000,000 bytes"):
        EnsembleArchive(bomb)


def test_what_is_not_there_or_no_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing is at"):
        EnsembleArchive(tmp_path / "missing.zip")
    with pytest.raises(CorruptArtifact, match="must be a whole zip file"):
        EnsembleArchive(b"PK")
    with pytest.raises(CorruptArtifact, match=r"got none; download"):
        EnsembleArchive(tmp_path)


@settings(max_examples=100)
@given(st.data())
def test_no_flipped_byte_of_weights_passes_unseen(data: st.DataObject) -> None:
    whole, first = known()
    place = data.draw(st.integers(0, len(whole) - 1))
    harmed = bytearray(whole)
    harmed[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        with EnsembleArchive(bytes(harmed)) as archive:
            for part in archive.manifest.parts:
                assert archive.read_part(part) == first[part]
    except CorruptArtifact:
        pass


@cache
def known() -> tuple[bytes, dict[PartEntry, bytes]]:
    """A file, and its parts."""
    whole = made(2)
    with EnsembleArchive(whole) as archive:
        return whole, {part: archive.read_part(part) for part in archive.manifest.parts}


def test_a_manifest_is_written_as_it_is_read(content: bytes) -> None:
    with EnsembleArchive(content) as archive:
        assert manifest.read(manifest.write(archive.manifest)) == archive.manifest
