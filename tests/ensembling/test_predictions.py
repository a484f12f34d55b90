from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from hpsearch.ensembling.predictions import FORMAT, Predictions, SplitPredictions, read, write
from hpsearch.errors import CorruptArtifact


def part(seed, rows=5, classes=3, is_classification=True):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(rows, classes if is_classification else 1)).astype(np.float32)
    targets = rng.integers(classes, size=rows) if is_classification else rng.normal(size=rows)
    return SplitPredictions(np.sort(rng.choice(100, rows, replace=False)), outputs, targets)


def predictions(is_classification=True, test=True):
    return Predictions(
        trial=3,
        epoch=7,
        checkpoint="ab" * 32,
        classes=("cat", "dog", "Ærfugl") if is_classification else (),
        target_scale=1.0 if is_classification else 2.5,
        validation=part(0, is_classification=is_classification),
        test=part(1, is_classification=is_classification) if test else None,
    )


def same(one, other):
    if one is None or other is None:
        return one is other
    pairs = zip(dataclasses.astuple(one), dataclasses.astuple(other), strict=True)
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("is_classification", [True, False])
@pytest.mark.parametrize("test", [True, False])
def test_what_is_written_is_read(is_classification, test):
    written = predictions(is_classification, test)
    found = read(write(written))
    assert same(found.validation, written.validation)
    assert same(found.test, written.test)
    assert found.validation.is_classification is is_classification
    for name in ("trial", "epoch", "checkpoint", "classes", "target_scale"):
        assert getattr(found, name) == getattr(written, name)


@settings(max_examples=60)
@given(st.integers(0, len(write(predictions())) - 1))
def test_a_cut_blob_is_refused(size):
    with pytest.raises(CorruptArtifact, match="must be a whole safetensors blob"):
        read(write(predictions())[:size])


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_other_bytes_are_refused(blob):
    with pytest.raises(CorruptArtifact):
        read(blob)


def changed(tensors=None, **state):
    """A blob like a written one but for some tensors and some of its state."""
    blob = write(predictions())
    header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
    kept = json.loads(header["__metadata__"][FORMAT]) | state
    return save({**load(blob), **(tensors or {})}, {FORMAT: json.dumps(kept)})


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (changed(version=2), "format version is 2, not 1"),
        (changed({"test.targets": np.zeros(4, np.int64)}), "test .* different lengths"),
        (changed({"validation.outputs": np.zeros(5, np.float32)}), "validation .* lengths"),
        (changed(trial=None), "must be a whole"),
        (save({"x": np.zeros(1)}), "must be a whole"),
    ],
)
def test_what_does_not_fit_is_named(blob, reason):
    with pytest.raises(CorruptArtifact, match=reason):
        read(blob)
    assert read(changed()).trial == 3
