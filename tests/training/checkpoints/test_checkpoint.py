from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from checkpoint_example import example
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from studies import study

from hpsearch.errors import CorruptArtifact
from hpsearch.training.checkpoints.checkpoint import FORMAT, read, write
from hpsearch.training.group.group import Group, Plan


def assert_equal(one, other):
    torch.testing.assert_close(
        {name: getattr(one, name) for name in ("weights", "buffers", "optimizer_state", "history")},
        {
            name: getattr(other, name)
            for name in ("weights", "buffers", "optimizer_state", "history")
        },
        rtol=0,
        atol=0,
        equal_nan=True,
    )
    for name in ("number", "epoch", "updates", "spec", "classes", "best", "swa_epochs", "stopped"):
        assert getattr(one, name) == getattr(other, name)
    assert one.copies.keys() == other.copies.keys()
    for name, copy in one.copies.items():
        torch.testing.assert_close(vars(copy), vars(other.copies[name]), rtol=0, atol=0)
    for fitted, again in ((one.standardization, other.standardization),):
        assert (fitted is None) == (again is None)
        if fitted is not None:
            np.testing.assert_equal(vars(fitted), vars(again))


def test_what_is_written_is_read():
    for checkpoint in (example(), example(standardization=None, history={}, classes=(), copies={})):
        assert_equal(read(write(checkpoint)), checkpoint)


def test_a_trial_s_checkpoint_says_all_that_its_weights_need():
    spec = study("digits", training={"batch_size": 512})
    group = Group([Plan(5, spec, 1)])
    list(group.epochs())
    found = read(group.checkpoint(5))
    assert (found.number, found.epoch, found.updates, found.spec) == (5, 0, 3, spec)
    assert found.classes == tuple("0123456789")
    fitted = found.standardization
    assert (fitted.shift.shape, *fitted.shift.flat, *fitted.scale.flat) == ((1, 1, 1), 0.0, 16.0)
    assert found.weights["layers.0.weight"].shape == (64, 8)


def test_tensors_lie_under_their_names():
    tensors = load(write(example()))
    assert set(tensors) == {
        "weights.layers.0.weight", "weights.scalar", "slots.mean", "slots.product",
        "ema.weights.layers.0.weight", "standardization.shift", "standardization.scale",
        "standardization.target", "history.val_loss",
    }  # fmt: skip


def foreign():
    blob = write(example())
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    state = json.loads(header["__metadata__"][FORMAT])

    def stating(**changes):
        return save(load(blob), {FORMAT: json.dumps({**state, **changes})})

    return {
        "empty": b"",
        "text": b"not a checkpoint at all",
        "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05hello\x94.",
        "truncated": blob[:-1],
        "longer": blob + b"\0",
        "headless": blob[8:],
        "huge header": (2**60).to_bytes(8, "little") + blob[8:],
        "another's": save({"weight": torch.ones(2)}),
        "deep": (30_000).to_bytes(8, "little") + b"[" * 30_000,
        "newer": stating(version=2),
        "no spec": stating(spec=None),
        "bad spec": stating(spec={"name": "x"}),
        "no number": stating(number=None),
    }


@pytest.mark.parametrize("what", foreign())
def test_what_is_no_checkpoint_is_refused_in_a_sentence(what):
    with pytest.raises(CorruptArtifact) as caught:
        read(foreign()[what])
    assert str(caught.value).startswith("a checkpoint must be ")
    assert len(str(caught.value)) < 1000


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(blob):
    with pytest.raises(CorruptArtifact):
        read(blob)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_header_is_read_or_refused(data):
    blob = bytearray(write(example()))
    size = int.from_bytes(blob[:8], "little")
    blob[data.draw(st.integers(0, 7 + size))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(blob))
    except CorruptArtifact:
        return
