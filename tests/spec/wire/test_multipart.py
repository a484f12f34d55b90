"""Several checkpoints in one body: what goes in comes out, and nothing else passes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.errors import InvalidInput
from hpsearch.spec.wire.ensemble_scores import Scores
from hpsearch.spec.wire.ensembles import EnsembleResult, Member, Single
from hpsearch.spec.wire.jobs import EnsembleUpload
from hpsearch.spec.wire.multipart import (
    CheckpointPart,
    pack,
    pack_ensemble,
    unpack,
    unpack_ensemble,
)


def part(content: bytes, job: int = 1) -> CheckpointPart:
    return CheckpointPart(
        job=job, attempt=1, epoch=0, size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_a_batch_holds_what_was_put_in(contents):
    sent = [part(content, job + 1) for job, content in enumerate(contents)]
    assert unpack(pack(sent, contents)) == list(zip(sent, contents, strict=True))


@given(st.binary(max_size=80))
def test_other_bodies_are_refused(body):
    with pytest.raises(InvalidInput, match="must open with a header"):
        unpack(body)


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"x"])
def test_a_body_of_another_length_is_refused(change):
    with pytest.raises(InvalidInput, match="as long as its header says"):
        unpack(change(pack([part(b"state")], [b"state"])))


RESULT = EnsembleResult(
    members=[Member(trial=3, epoch=9, weight=1.0)],
    validation={"accuracy": 0.9},
    best_single=Single(trial=3, epoch=9, validation={"accuracy": 0.9}),
    mean_member=Scores(validation={"accuracy": 0.9}),
)
BUILT = EnsembleUpload(attempt=2, sha256="0" * 64, result=RESULT)


@given(st.binary(max_size=50))
def test_an_ensembles_body_holds_what_was_put_in(content):
    assert unpack_ensemble(pack_ensemble(BUILT, content)) == (BUILT, content)


@given(st.integers(0, 7 + len(BUILT.model_dump_json())))
def test_an_ensembles_body_cut_in_its_header_is_refused(length):
    with pytest.raises(InvalidInput, match="must open with a header"):
        unpack_ensemble(pack_ensemble(BUILT, b"file")[:length])


def test_a_header_longer_than_any_body_is_refused():
    with pytest.raises(InvalidInput, match="must open with a header"):
        unpack(b"\xff" * 8 + b"{}")
