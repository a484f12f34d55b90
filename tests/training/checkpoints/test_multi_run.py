"""The checkpoint of several runs holds theirs, bit for bit, and nothing else is read as one."""

from __future__ import annotations

import json
import math

import pytest
import torch
from checkpoint_example import example
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from hpsearch.errors import CorruptArtifact
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints.multi_run import (
    FORMAT,
    StoredRun,
    is_multi_run,
    read,
    run_checkpoints,
    write,
)
from hpsearch.training.tasks.plan import RunId

INNER = checkpoints.write(example())
ENDED = {"val_loss": math.nan, "train_loss": 0.1, "grad_norm": math.inf}


RUNS = (
    StoredRun(RunId(3, 0, 0), INNER),
    StoredRun(RunId(3, 1, 0), checkpoints.write(example(epoch=2)), ENDED),
    StoredRun(RunId(3, None, 1), b"any bytes"),
)


def test_what_is_written_is_read():
    found = read(write(3, 7, RUNS))
    assert repr(found) == repr(RUNS)  # as NaN is not equal to itself


def test_it_is_plain_safetensors():
    blob = write(3, 7, RUNS)
    tensors = load(blob)
    assert set(tensors) == {"replicas.0", "replicas.1", "replicas.2", "metrics.1"}
    assert tensors["replicas.0"].dtype == torch.uint8
    assert bytes(tensors["replicas.0"].tolist()) == INNER
    size = int.from_bytes(blob[:8], "little")
    state = json.loads(json.loads(blob[8 : 8 + size])["__metadata__"][FORMAT])
    assert (state["number"], state["epoch"], state["version"]) == (3, 7, 1)
    assert state["replicas"][1] == {"fold": 1, "repeat": 0, "metrics": list(ENDED)}


def test_the_checkpoints_of_a_trial_are_one_or_several():
    blob = write(3, 7, RUNS[:2])
    assert is_multi_run(blob)
    assert not is_multi_run(INNER)
    assert [found.epoch for found in run_checkpoints(blob)] == [7, 2]
    assert [found.epoch for found in run_checkpoints(INNER)] == [7]
    named = example(spec=example().spec.model_copy(update={"notes": f'"{FORMAT}"'}))
    assert not is_multi_run(checkpoints.write(named))


def foreign():
    blob = write(3, 7, RUNS)
    size = int.from_bytes(blob[:8], "little")
    state = json.loads(json.loads(blob[8 : 8 + size])["__metadata__"][FORMAT])
    tensors = load(blob)

    def stating(tensors=tensors, **changes):
        return save(tensors, {FORMAT: json.dumps({**state, **changes})})

    first, second, _ = state["replicas"]
    return {
        "empty": b"",
        "a checkpoint": INNER,
        "truncated": blob[:-1],
        "newer": stating(version=2),
        "no number": stating(number=None),
        "no runs": stating(replicas=None),
        "runs are text": stating(replicas=["a"]),
        "a fold of text": stating(replicas=[{**first, "fold": "x"}]),
        "one too many": stating(replicas=[first] * 4),
        "no metrics": stating(replicas=[first, {**second, "metrics": ["a"]}]),
        "numbers": stating({"replicas.0": torch.ones(3)}, replicas=[first]),
    }


@pytest.mark.parametrize("what", foreign())
def test_what_is_none_is_refused_in_a_sentence(what):
    with pytest.raises(CorruptArtifact) as caught:
        read(foreign()[what])
    assert str(caught.value).startswith("a checkpoint must be ")
    assert len(str(caught.value)) < 1000


@settings(max_examples=40)
@given(st.data())
def test_a_damaged_header_is_read_or_refused(data):
    blob = bytearray(write(3, 7, RUNS))
    size = int.from_bytes(blob[:8], "little")
    blob[data.draw(st.integers(0, 7 + size))] = data.draw(st.integers(0, 255))
    for reader in (read, run_checkpoints):
        try:
            reader(bytes(blob))
        except CorruptArtifact:
            continue
