"""What is stored of a trial's states and of what they predict."""

from __future__ import annotations

import hashlib

import numpy as np
from inside import Inside

from hpsearch.client.client import Study
from hpsearch.spec.wire.records import Checkpoint
from hpsearch.training.evaluation.evaluation import outputs

StoredStates = dict[int, tuple[bool, bool, tuple[str, ...], str, str | None]]


def stored_states(inside: Inside, study: Study, number: int) -> StoredStates:
    """What is stored of a trial, by epoch."""
    return {
        one.epoch: (one.best, one.last, one.reasons, one.sha256, one.predictions_sha256)
        for one in inside.checkpoints(study, number)
    }


def check_predictions(inside: Inside, study: Study, one: Checkpoint) -> None:
    """Holds what is stored of a checkpoint to what its weights say when asked on their own."""
    plan, content = inside.plan(study, one.trial), inside.content(one)
    stored = inside.predictions(one)
    assert stored is not None
    assert (stored.trial, stored.epoch) == (one.trial, one.epoch)
    assert stored.checkpoint == hashlib.sha256(content).hexdigest() == one.sha256
    for name, part in (("validation", stored.validation), ("test", stored.test)):
        made, targets = outputs(plan, content, name)  # type: ignore[arg-type]
        assert part is not None
        np.testing.assert_allclose(part.outputs, made.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(part.targets, targets.numpy())
