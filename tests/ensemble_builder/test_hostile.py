"""Ensembles that somebody tampered with, or that a disk has damaged: each ends in a sentence."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from finished_study import finished
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from safetensors.torch import load, save
from torch import Tensor
from zip_files import files_of, zipped

from hpsearch.ensemble_builder import build
from hpsearch.errors import CorruptArtifact, InvalidInput
from hpsearch.inference.ensemble import TrainedEnsemble, load_ensemble
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints import multi_run

Files = dict[str, bytes]
CHECKPOINT = "hpsearch-checkpoint"


@cache
def whole(kind: str = "top_k", size: int = 3) -> bytes:
    study = finished()
    document = {"kind": kind, "size": size}
    request: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(document)
    return build(request, study.spec, study.candidates, study).content


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry


def with_entries(*entries: zipfile.ZipInfo | str) -> bytes:
    """The ensemble with more in its zip."""
    stream = io.BytesIO(whole())
    with zipfile.ZipFile(stream, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for entry in entries:
            archive.writestr(entry, b"hostile")
    return stream.getvalue()


WAYS_OUT = (
    "../evil", "parts/../../evil", "/etc/evil", "C:/evil", "C:evil", "\\evil", "..\\evil",
    "parts/..\\..\\evil", "//server/share/evil",
)  # fmt: skip


@pytest.mark.parametrize("name", WAYS_OUT)
def test_a_name_that_leads_out_is_refused_and_nothing_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    (inside / "it.zip").write_bytes(with_entries(name))
    with pytest.raises(CorruptArtifact, match=r"got .*evil' \(a way out\); download it again"):
        load_ensemble(inside / "it.zip")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["it.zip"]


def test_all_strange_entries_are_named_together() -> None:
    part = next(name for name in files_of(whole()) if name.startswith("parts/"))
    harmed = with_entries("../evil", link("parts/link.safetensors"), part, "/etc/passwd")
    with pytest.raises(CorruptArtifact) as caught:
        load_ensemble(harmed)
    for words in ("../evil", "link.safetensors' (a link)", f"{part}' (2 times)", "/etc/passwd"):
        assert words in str(caught.value)


def test_folders_and_other_plain_files_do_no_harm() -> None:
    packed = zipped({"parts/": b"", "README.txt": b"mine", **files_of(whole())})
    assert len(load_ensemble(packed)) == 3


def test_a_bomb_is_refused_by_the_name_of_its_largest_file() -> None:
    bomb = zipped(files_of(whole()) | {"parts/zeros": bytes(10**8)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(CorruptArtifact, match="most of them in 'parts/zeros'"):
        load_ensemble(bomb)


@pytest.mark.parametrize("how", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_a_member_that_does_not_unpack_is_named(how: int) -> None:
    content = bytearray(zipped(files_of(whole()), how))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = next(one for one in archive.infolist() if one.filename.startswith("parts/"))
    start = entry.header_offset + 30 + len(entry.filename)
    content[start + 4 : start + entry.compress_size] = bytes(entry.compress_size - 4)
    with pytest.warns(UserWarning, match=f"{entry.filename}: .* cannot be read"):
        assert len(load_ensemble(bytes(content))) == 2


def test_a_cut_zip_is_refused_wherever_it_is_cut() -> None:
    content = whole()
    for size in [*range(0, len(content), len(content) // 60), len(content) - 1]:
        with pytest.raises(CorruptArtifact, match="must be a whole zip file, but"):
            load_ensemble(content[:size])


def test_all_damaged_members_are_named_at_once() -> None:
    files = files_of(whole())
    names = sorted(name for name in files if name.startswith("parts/"))
    swapped = {**files, names[0]: files[names[1]], names[1]: files[names[0]]}
    with pytest.warns(UserWarning, match="must have the sha256") as caught:
        assert len(load_ensemble(zipped(swapped))) == 1
    (warning,) = caught
    assert all(f"{name}: " in str(warning.message) for name in names[:2])
    assert str(warning.message).endswith("; they are left out, and the others count more")
    del swapped[names[2]]
    with pytest.raises(CorruptArtifact) as refused:
        load_ensemble(zipped(swapped))
    assert all(f"{name}: " in str(refused.value) for name in names)
    assert f"{names[2]} is missing" in str(refused.value)


def test_a_directory_s_damage_is_named_too(tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(whole())).extractall(tmp_path)
    first, second, third = sorted((tmp_path / "parts").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=f"{first.name} is missing") as caught:
        load_ensemble(tmp_path)
    assert f"{second.name} must have the sha256" in str(caught[0].message)
    third.unlink()
    third.mkdir()
    with pytest.raises(CorruptArtifact, match=f"{third.name} is missing"):
        load_ensemble(tmp_path)


# What follows is whole by its hashes, so that a part's content itself is what is judged.


def repacked(files: Files) -> bytes:
    manifest = json.loads(files["manifest.json"])
    for part in manifest["parts"]:
        part["sha256"] = sha256(files[part["file"]]).hexdigest()
    return zipped({**files, "manifest.json": json.dumps(manifest).encode()})


def with_part(change: Callable[[bytes], bytes]) -> tuple[bytes, str]:
    """An ensemble of one part that was changed, and that part's name."""
    files = files_of(whole("ema"))
    (name,) = (name for name in files if name.startswith("parts/"))
    return repacked({**files, name: change(files[name])}), name


def metadata_of(blob: bytes) -> dict[str, str]:
    size = int.from_bytes(blob[:8], "little")
    found: dict[str, str] = json.loads(blob[8 : 8 + size])["__metadata__"]
    return found


def with_tensors(change: Callable[[dict[str, Tensor]], Any]) -> Callable[[bytes], bytes]:
    def changed(blob: bytes) -> bytes:
        tensors = load(blob)
        change(tensors)
        return save(tensors, metadata_of(blob))

    return changed


def with_state(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def changed(blob: bytes) -> bytes:
        state = json.loads(metadata_of(blob)[CHECKPOINT])
        change(state)
        return save(load(blob), {CHECKPOINT: json.dumps(state)})

    return changed


def with_huge_shape(blob: bytes) -> bytes:
    """A header that claims a tensor of 8 TB."""
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    header["weights.output.bias"]["shape"] = [10**12]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + blob[8 + size :]


def with_huge_header(blob: bytes) -> bytes:
    return struct.pack("<Q", 2**62) + blob[8:]


OUTPUT = "weights.output.bias"
BLOBS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a shape": (
        with_tensors(lambda t: t.update({OUTPUT: torch.zeros(4)})),
        r"output\.bias is \[4\], and must be \[3\]",
    ),
    "whole numbers": (
        with_tensors(lambda t: t.update({OUTPUT: torch.zeros(3, dtype=torch.int64)})),
        r"must be floating-point ones, and output\.bias holds torch\.int64",
    ),
    "complex numbers": (
        with_tensors(lambda t: t.update({OUTPUT: torch.zeros(3, dtype=torch.complex64)})),
        "",
    ),
    "a tensor less": (with_tensors(lambda t: t.pop(OUTPUT)), r"output\.bias is missing"),
    "a tensor more": (
        with_tensors(lambda t: t.update({"weights.more": torch.zeros(3)})),
        r"more is \[3\], and must be missing",
    ),
    "the name of a method": (
        with_tensors(lambda t: t.update({"weights.classes": torch.zeros(3)})),
        r"classes is \[3\], and must be missing",
    ),
    "a strange group": (
        with_tensors(lambda t: t.update({"secret.more": torch.zeros(3)})),
        r"it holds 'secret\.more', which no checkpoint has",
    ),
    "no weights": (
        with_tensors(lambda t: [t.pop(name) for name in list(t) if name[:7] == "weights"]),
        "missing, and must be",
    ),
    "a huge shape": (with_huge_shape, "must be a whole safetensors blob"),
    "a huge header": (with_huge_header, "must be a whole safetensors blob"),
    "no bytes": (lambda _: b"", "must be a whole safetensors blob"),
    "other bytes": (lambda _: b"\x80\x04pickle", "must be a whole safetensors blob"),
    "a scale of 0": (
        with_tensors(lambda t: t["standardization.scale"].zero_()), "scales other than 0",
    ),
    "an infinite shift": (
        with_tensors(lambda t: t["standardization.shift"].fill_(float("inf"))), "finite numbers",
    ),
    "no target": (with_tensors(lambda t: t.pop("standardization.target")), "must be a whole"),
    "no standardisation": (
        with_tensors(lambda t: [t.pop(n) for n in list(t) if n.startswith("standard")]), "",
    ),
    "an infinite epoch": (with_state(lambda s: s.update(epoch=float("inf"))), "must be a whole"),
    "copies that are none": (with_state(lambda s: s.update(copies=[[]])), ""),
    "text for a spec": (with_state(lambda s: s.update(spec="mine")), "must be a whole"),
    "other classes": (with_state(lambda s: s.update(classes=["a"])), "its classes or columns"),
    "a huge model": (
        with_state(lambda s: s["spec"]["task"]["model"].update(hidden=[10**9])), "",
    ),
    "a plug-in": (
        with_state(lambda s: s["spec"].update(task={"kind": "plugin", "name": "evil"})), "",
    ),
    "a later version": (with_state(lambda s: s.update(version="9" * 10**5)), r"got '999\d*…?"),
    "no runs": (lambda _: multi_run.write(0, 0, []), "it holds no runs"),
    "runs in runs": (
        lambda blob: multi_run.write(
            0, 0, [multi_run.StoredRun(multi_run.RunId(0), multi_run.write(0, 0, [
                multi_run.StoredRun(multi_run.RunId(0), blob)]))],
        ),
        "must be a whole",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BLOBS)
def test_a_part_that_is_no_model_is_named_with_the_reason(what: str) -> None:
    change, sentence = BLOBS[what]
    harmed, name = with_part(change)
    if what == "copies that are none":  # nothing of them is used
        load_ensemble(harmed)
        return
    with pytest.raises(CorruptArtifact, match=f"{name}: .*{sentence}") as caught:
        load_ensemble(harmed)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def encoded(columns: Any) -> Callable[[bytes], bytes]:
    """Says that its 13 columns are those of a table."""
    return with_state(lambda s: s.update(encoding=columns))


COLUMNS = [
    {"name": f"c{i}", "place": i, "fill": 0.0, "categories": [], "kept": []} for i in range(13)
]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ([*COLUMNS[:12], {**COLUMNS[12], "place": 10**12}], "do not make the rows"),
        ([*COLUMNS[:12], {**COLUMNS[12], "place": -1}], "do not make the rows"),
        ([*COLUMNS[:12], {**COLUMNS[12], "place": 0}], "do not make the rows"),
        ([*COLUMNS[:12], {**COLUMNS[12], "categories": ["a", "b"]}], "do not make the rows"),
        ([*COLUMNS[:12], {**COLUMNS[12], "fill": "much"}], "must be a whole"),
        ([*COLUMNS[:12], {**COLUMNS[12], "place": float("inf")}], "must be a whole"),
        (COLUMNS[0], "must be a whole"),
    ],
)
def test_columns_that_make_no_rows_are_refused(columns: Any, sentence: str) -> None:
    harmed, name = with_part(encoded(columns))
    files = files_of(harmed)
    manifest = json.loads(files["manifest.json"]) | {"columns": [f"c{i}" for i in range(13)]}
    with pytest.raises(CorruptArtifact, match=f"{name}: .*{sentence}"):
        load_ensemble(zipped({**files, "manifest.json": json.dumps(manifest).encode()}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"target": "numbers"}, "classes: must be left out for numbers"),
        ({"classes": []}, "classes: must be there for classes"),
        ({"combine": "median"}, "combine: must be another for classes, got median"),
        ({"classes": [], "target": "numbers", "combine": "vote"}, "got vote"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    change: dict[str, Any], sentence: str
) -> None:
    files = files_of(whole())
    manifest = json.loads(files["manifest.json"]) | change
    with pytest.raises(CorruptArtifact, match=sentence):
        load_ensemble(zipped({**files, "manifest.json": json.dumps(manifest).encode()}))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from(["", "parts/../x", "classes", "a" * 300, "\0", "NaN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def replaced(document: Any, value: Any, data: st.DataObject) -> Any:
    """The document with one of its values, at any depth, exchanged."""
    if not isinstance(document, dict | list) or not document or not data.draw(st.integers(0, 4)):
        return value
    keys = list(document) if isinstance(document, dict) else range(len(document))
    key = data.draw(st.sampled_from(keys))
    changed = document.copy()
    changed[key] = replaced(document[key], value, data)
    return changed


def loaded_or_refused(content: bytes) -> TrainedEnsemble | None:
    with warnings.catch_warnings(), suppress(CorruptArtifact, InvalidInput):
        warnings.simplefilter("ignore")
        return load_ensemble(content)
    return None


@settings(max_examples=150)
@given(st.data(), JSON)
def test_any_other_manifest_is_read_or_refused(data: st.DataObject, value: Any) -> None:
    files = files_of(whole("ema"))
    manifest = replaced(json.loads(files["manifest.json"]), value, data)
    loaded_or_refused(zipped({**files, "manifest.json": json.dumps(manifest).encode()}))


@settings(max_examples=150)
@given(st.data(), JSON)
def test_any_other_state_of_a_part_is_read_or_refused(data: st.DataObject, value: Any) -> None:
    def change(blob: bytes) -> bytes:
        state = replaced(json.loads(metadata_of(blob)[CHECKPOINT]), value, data)
        return save(load(blob), {CHECKPOINT: json.dumps(state)})

    ensemble = loaded_or_refused(with_part(change)[0])
    if ensemble is not None:
        with suppress(InvalidInput):
            ensemble.predict([[0.0] * 13])


@settings(max_examples=300)
@given(st.data())
def test_any_changed_bytes_are_read_or_refused(data: st.DataObject) -> None:
    """In the directory at the zip's end and in the first entry's header, where structure is."""
    content = bytearray(whole("ema"))
    edges = [*range(60), *range(len(content) - 250, len(content))]
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.sampled_from(edges))] = data.draw(st.integers(0, 255))
    loaded_or_refused(bytes(content))


def test_a_checkpoint_as_it_was_written_is_read() -> None:
    """What is refused of others must not be found in our own."""
    study = finished()
    for one in study.candidates:
        content = study.checkpoint(one)
        assert checkpoints.write(checkpoints.read(content)) == content
