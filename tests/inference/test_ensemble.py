from __future__ import annotations

import copy
import io
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from finished_study import FinishedStudy, finished
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors.torch import load, save
from zip_files import zipped

import hpsearch
from hpsearch.ensemble_builder import build
from hpsearch.ensembling import predictions
from hpsearch.ensembling.calibration import apply_temperature
from hpsearch.errors import CorruptArtifact, InvalidInput
from hpsearch.inference.ensemble import TrainedEnsemble, load_ensemble
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.training.data import local_uploads
from hpsearch.training.data.sources import load as rows_of
from hpsearch.training.uploads.read_options import ReadOptions

IMAGES = ("digits", (0.01, 0.003), 1, "val_accuracy")
CNN = (("kind", "cnn"), ("layers", 1), ("filters", 4), ("norm", "batch"))


def content_of(study: FinishedStudy, **request: Any) -> bytes:
    asked: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(request)
    return build(asked, study.spec, study.candidates, study).content


@pytest.fixture(scope="module")
def wine() -> TrainedEnsemble:
    return load_ensemble(content_of(finished(), kind="greedy", size=5))


@pytest.mark.parametrize("combine", ["mean", "weighted", "vote"])
@pytest.mark.parametrize("kind", ["greedy", "top_k", "average", "soup_uniform"])
def test_it_predicts_what_the_worker_measured(kind: str, combine: str) -> None:
    study = finished()
    request: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(
        {"kind": kind, "combine": combine, "size": 4}
    )
    built = build(request, study.spec, study.candidates, study)
    ensemble = hpsearch.load_ensemble(built.content)
    table = rows_of("wine")
    part = predictions.read(study.predictions(study.candidates[0])).test
    assert part is not None
    names = np.array(table.classes)[part.targets]
    x = table.x[part.rows]
    accuracy = np.mean(ensemble.predict(x) == names)
    assert accuracy == pytest.approx(built.result.test["accuracy"])
    shares = ensemble.predict_probabilities(x)
    assert shares.dtype == np.float64
    np.testing.assert_allclose(shares.sum(1), 1)
    loss = -np.log(np.maximum(shares[np.arange(len(x)), part.targets], 2.3e-16)).mean()
    assert loss == pytest.approx(built.result.test["loss"], rel=1e-4)
    assert ensemble.scores.test == built.result.test
    assert [(m.trial, m.epoch, m.weight) for m in ensemble.members] == [
        (m.trial, m.epoch, pytest.approx(m.weight)) for m in built.result.members
    ]


def test_numbers_come_in_the_data_s_own_unit() -> None:
    study = finished("diabetes", (0.01, 0.03, 0.1), 2, "val_loss", training=())
    ensemble = load_ensemble(content_of(study, kind="top_k", size=3, combine="median"))
    part = predictions.read(study.predictions(study.candidates[0])).test
    assert part is not None
    found = ensemble.predict(rows_of("diabetes").x[part.rows])
    off = np.abs(found - part.targets).mean()
    assert off == pytest.approx(ensemble.scores.test["mae"], rel=1e-5)
    assert ensemble.classes == ()
    with pytest.raises(InvalidInput, match="these are numbers; use predict"):
        ensemble.predict_probabilities(rows_of("diabetes").x)
    answer = ensemble.answer(rows_of("diabetes").x[:3].tolist())
    assert (answer.labels, answer.probabilities) == (None, None)
    assert answer.predictions == ensemble.predict(rows_of("diabetes").x[:3]).tolist()


def test_several_runs_of_a_trial_are_one_part() -> None:
    study = finished(rates=(0.01, 0.05), epochs=2, training=(("folds", 2),))
    ensemble = load_ensemble(content_of(study, kind="top_k", size=2))
    table = rows_of("wine")
    part = predictions.read(study.predictions(study.candidates[0])).test
    assert part is not None
    found = np.mean(ensemble.predict(table.x[part.rows]) == np.array(table.classes)[part.targets])
    assert found == pytest.approx(ensemble.scores.test["accuracy"])


def test_probabilities_can_be_calibrated(wine: TrainedEnsemble) -> None:
    x = rows_of("wine").x
    plain, mended = (wine.predict_probabilities(x, calibrated=which) for which in (False, True))
    fitted = wine._manifest.temperature
    assert fitted is not None
    np.testing.assert_array_equal(mended, apply_temperature(plain, fitted))
    np.testing.assert_array_equal(mended.argmax(1), plain.argmax(1))


def test_an_answer_holds_what_the_methods_say(wine: TrainedEnsemble) -> None:
    x = rows_of("wine").x[::20]
    answer = wine.answer(x.tolist())
    assert answer.labels == wine.predict(x).tolist()
    assert answer.probabilities == wine.predict_probabilities(x).tolist()
    assert [wine.classes[int(place)] for place in answer.predictions] == answer.labels


@settings(max_examples=25)
@given(st.lists(st.integers(0, 177), min_size=1, max_size=60))
def test_a_row_s_prediction_does_not_depend_on_the_others(rows: list[int]) -> None:
    ensemble, whole = known()
    found = ensemble.predict_probabilities(rows_of("wine").x[rows])
    assert found.tobytes() == whole[rows].tobytes()


@cache
def known() -> tuple[TrainedEnsemble, NDArray[np.float64]]:
    """An ensemble, and what it says of all rows."""
    ensemble = load_ensemble(content_of(finished(), kind="greedy", size=5))
    return ensemble, ensemble.predict_probabilities(rows_of("wine").x)


ELSEWHERE = """
import json, sys
import numpy as np
import hpsearch, torch
import hpsearch.training.data.sources as sources
def gone(*name):
    raise AssertionError(name)
sources.load = sources.find_source = gone
found = []
for threads in (1, 2):
    torch.set_num_threads(threads)
    for name in sys.argv[1:]:
        ensemble = hpsearch.load_ensemble(f"{name}.zip")
        x = np.load(f"{name}.npy")
        shares = ensemble.predict_probabilities(x)
        found.append([name, ensemble.predict(x).tolist(), shares.tobytes().hex()])
served = {"sqlalchemy", "fastapi", "sklearn"} & set(sys.modules)
print(json.dumps([found, sorted(served)]))
"""


def test_a_fresh_process_predicts_the_same_bits_without_server_or_data(tmp_path: Path) -> None:
    """The other process has neither the data sets nor this one's files, but the two it is given."""
    expected = {}
    for name, study in (
        ("wine", finished()),
        ("digits", finished(*IMAGES, model=CNN, training=())),
    ):
        content = content_of(study, kind="greedy", size=3)
        x = rows_of(name).x[:150]
        (tmp_path / f"{name}.zip").write_bytes(content)
        np.save(tmp_path / f"{name}.npy", x)
        ensemble = load_ensemble(content)
        shares = ensemble.predict_probabilities(x).tobytes().hex()
        expected[name] = [name, ensemble.predict(x).tolist(), shares]
    done = subprocess.run(
        [sys.executable, "-P", "-c", ELSEWHERE, *expected],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, served = json.loads(done.stdout)
    assert found == 2 * list(expected.values())
    assert served == []


def damaged(content: bytes, part: int) -> tuple[bytes, str]:
    """The zip with a byte of one of its parts flipped; that part's name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = json.loads(files["manifest.json"])["parts"][part]["file"]
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    return zipped(files), name


def test_a_damaged_part_is_named_and_the_others_count_more() -> None:
    study = finished()
    whole = load_ensemble(content_of(study, kind="top_k", size=3))
    harmed, name = damaged(content_of(study, kind="top_k", size=3), 1)
    with pytest.warns(UserWarning, match=f"{name}: .* must have the sha256 .* it is left out"):
        ensemble = load_ensemble(harmed)
    left = [member for member in whole.members if member.part != name]
    assert [(m.trial, m.epoch) for m in ensemble.members] == [(m.trial, m.epoch) for m in left]
    assert [member.weight for member in ensemble.members] == pytest.approx([0.5, 0.5])
    assert ", 3 members, " in repr(whole)
    assert ", 2 of 3 members, " in repr(ensemble)
    assert repr(ensemble).count(" when whole") == 1
    victim = study.of(whole.members[1].trial, whole.members[1].epoch)
    without = load_ensemble(content_of(study.without([victim]), kind="top_k", size=2))
    x = rows_of("wine").x
    found, expected = (one.predict_probabilities(x) for one in (ensemble, without))
    np.testing.assert_array_equal(found, expected)


def test_an_ensemble_without_a_whole_part_is_refused() -> None:
    harmed, name = damaged(content_of(finished(), kind="soup_uniform"), 0)
    with pytest.raises(CorruptArtifact, match=f"a part that is whole, got none; {name}"):
        load_ensemble(harmed)


def unpacked(content: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A zip's files and its manifest."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return files, json.loads(files["manifest.json"])


def packed(files: dict[str, bytes], manifest: dict[str, Any]) -> bytes:
    """The zip of a manifest whose hashes fit, whatever the files hold."""
    for part in manifest["parts"]:
        part["sha256"] = sha256(files[part["file"]]).hexdigest()
    return zipped({**files, "manifest.json": json.dumps(manifest).encode()})


@pytest.mark.parametrize("group", ["weights.", "buffers.", "standardization.shift"])
def test_numbers_of_other_shapes_than_their_model_s_are_refused(group: str) -> None:
    files, manifest = unpacked(content_of(finished(), kind="ema"))
    name = manifest["parts"][0]["file"]
    header = json.loads(files[name][8 : 8 + int.from_bytes(files[name][:8], "little")])
    tensors = load(files[name])
    key = next(key for key in tensors if key.startswith(group))
    tensors[key] = tensors[key][:2].contiguous()
    files[name] = save(tensors, header["__metadata__"])
    with pytest.raises(CorruptArtifact, match="do not have the shapes of its model"):
        load_ensemble(packed(files, manifest))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"features": [12]}, "do not have the shapes of its model"),
        ({"features": [1, 13]}, "do not have the shapes of its model"),
        ({"classes": ["a", "b"]}, "its classes or columns are not those of the ensemble"),
        ({"columns": ["age"]}, "its classes or columns are not those of the ensemble"),
    ],
)
def test_a_manifest_that_says_other_than_its_parts_is_refused(
    change: dict[str, Any], sentence: str
) -> None:
    files, manifest = unpacked(content_of(finished(), kind="ema"))
    with pytest.raises(CorruptArtifact, match=sentence):
        load_ensemble(packed(files, {**manifest, **change}))


def test_a_part_whose_spec_nobody_resolved_is_refused() -> None:
    files, manifest = unpacked(content_of(finished(), kind="ema"))
    name = manifest["parts"][0]["file"]
    header = json.loads(files[name][8 : 8 + int.from_bytes(files[name][:8], "little")])
    state = json.loads(header["__metadata__"]["hpsearch-checkpoint"])
    state["spec"]["task"]["model"]["hidden"] = {"choice": [[12], [13]]}
    metadata = {"hpsearch-checkpoint": json.dumps(state)}
    files[name] = save(load(files[name]), metadata)
    with pytest.raises(CorruptArtifact, match="no model can be made of it"):
        load_ensemble(packed(files, manifest))


def test_parts_of_weight_zero_alone_are_refused() -> None:
    files, manifest = unpacked(content_of(finished(), kind="ema"))
    manifest["parts"][0]["weight"] = 0
    with pytest.raises(CorruptArtifact, match="a weight above 0, got none"):
        load_ensemble(packed(files, manifest))


def test_a_plug_in_s_ensemble_is_refused_with_the_reason() -> None:
    files, manifest = unpacked(content_of(finished(), kind="ema"))
    with pytest.raises(InvalidInput, match="must be supervised to have models"):
        load_ensemble(packed(files, {**manifest, "features": None}))


ROW = [0.0] * 13
STRANGE: list[tuple[Any, str]] = [
    ([ROW[:12]], r"must have the shape \[rows, 13\], got \[1, 12\]"),
    (ROW, r"got \[13\]; put a single row in \[\]"),
    (3.0, r"must have the shape \[rows, 13\], got \[\]"),
    ([ROW, ROW[:4]], "rows of several lengths"),
    ([["a"] * 13], "must hold numbers, got 'a'"),
    ([[None] * 13], "must hold numbers, got null"),
    ([{"alcohol": 1.0}], "must hold numbers, got "),
    ([[*ROW[:12], float("nan")]], r"x\.0: must hold finite numbers"),
    ([ROW, [*ROW[:12], float("inf")]], r"x\.1: must hold finite numbers"),
    ([[1j] * 13], "must hold numbers"),
    ([[*ROW[:12], 10**400]], "must hold numbers"),
    (pd.DataFrame([["a", *ROW[:12]]]), "must hold numbers, got 'a'"),
]


@pytest.mark.parametrize(("x", "sentence"), STRANGE)
def test_strange_rows_are_refused_in_a_sentence(
    wine: TrainedEnsemble, x: Any, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        wine.predict(x)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((2, 13), np.int32),
        np.zeros((2, 13), bool),
        torch.zeros(2, 13, requires_grad=True),
        pd.DataFrame(np.zeros((2, 13))),
        [ROW, ROW],
    ],
)
def test_rows_of_numbers_may_come_in_any_form(wine: TrainedEnsemble, x: Any) -> None:
    assert wine.predict_probabilities(x).tobytes() == (
        wine.predict_probabilities([ROW, ROW]).tobytes()
    )
    assert wine.predict(np.empty((0, 13))).shape == (0,)


def test_an_uploaded_table_s_rows_are_encoded_as_in_training(tmp_path: Path) -> None:
    lines = [f"{i % 7 if i % 5 else ''},{'abc'[i % 3]},{['no', 'yes'][i % 2]}" for i in range(60)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["size,town,sold", *lines]))
    local_uploads.register(
        local_uploads.LocalUpload("sales", path, "0" * 64, ReadOptions("csv", "sold"))
    )
    study = finished("sales", (0.01, 0.03), 2, training=())
    content = content_of(study, kind="top_k", size=2)
    ensemble = load_ensemble(content)
    assert ensemble.columns == ("size", "town")
    assert set(ensemble.classes) == {"no", "yes"}
    rows = [line.split(",") for line in lines]
    frame = pd.DataFrame({"town": [row[1] for row in rows], "size": [row[0] for row in rows]})
    frame["size"] = pd.to_numeric(frame["size"])
    part = predictions.read(study.predictions(study.candidates[0])).test
    assert part is not None
    found = ensemble.predict(frame.iloc[part.rows])
    expected = np.array(ensemble.classes)[part.targets]
    assert np.mean(found == expected) == pytest.approx(ensemble.scores.test["accuracy"])
    records = [
        {"town": row["town"], **({"size": row["size"]} if row["size"] == row["size"] else {})}
        for row in frame.to_dict("records")
    ]
    assert ensemble.answer(records).labels == ensemble.predict(frame).tolist()
    with pytest.raises(InvalidInput, match=r"x\.0\.size: must be a finite number, got 'wide'"):
        ensemble.predict([{"size": "wide"}])


def test_it_shows_itself_in_a_line_and_in_a_table(wine: TrainedEnsemble) -> None:
    line = repr(wine)
    assert re.fullmatch(
        r"TrainedEnsemble\(greedy of 'small wine', \d members, mean, test accuracy [\d.]+\)", line
    )
    assert wine._repr_html_().count("<tr>") == len(wine) + 1


def test_it_can_be_copied_and_sent_to_other_processes(wine: TrainedEnsemble) -> None:
    x = rows_of("wine").x
    expected = wine.predict_probabilities(x).tobytes()
    for twin in (pickle.loads(pickle.dumps(wine)), copy.deepcopy(wine)):
        assert twin.predict_probabilities(x).tobytes() == expected


def test_torch_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "hpsearch.inference.ensemble")
    with pytest.raises(hpsearch.optional.MissingPackage, match=r"pip install 'hpsearch\[worker\]'"):
        hpsearch.load_ensemble(b"")
