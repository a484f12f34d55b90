"""Fused equals one by one over 20 steps, for every optimizer × schedule × regulariser that fuses.

A group holds a trial for each kind of schedule; their regularisers take turns in strength, zero
included. Two sets of regularisers cover those that a group has for all its trials or for none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from studies import curves, study, untimed

from hpsearch.reference import fusing
from hpsearch.spec.optimizer import OPTIMIZERS
from hpsearch.spec.schedule import SCHEDULES
from hpsearch.training.group.group import Group, Plan, group_key

PAGE = Path(__file__).parents[3] / "docs" / "fusing.md"
EPOCHS, BATCH = 2, 11
"""10 steps of an epoch of wine."""

BOUNDED: dict[str, Any] = {
    "clip": {"norm": 0.5},
    "max_norm": 1.5,
    "ema": {"decay": 0.9},
    "early_stopping": {"patience": 5},
}
FREE: dict[str, Any] = {"clip": {"value": 0.05}, "swa": {"start": 0.0}, "data_order": "per_trial"}


def trials(kind: str, loop: dict[str, Any]) -> list[Plan]:
    found = []
    for k, (schedule, member) in enumerate(SCHEDULES.members.items()):
        spec = study(
            model={"kind": "mlp", "hidden": [6], "dropout": 0.1 * (k % 3)},
            optimizer={
                "kind": kind,
                "lr": 0.02 / (1 + k % 4),
                "weight_decay": 0.02 * (k % 2),
                **({"iterations": 3} if kind == "lbfgs" else {}),
            },
            schedule={"kind": schedule, **member.example},
            training={
                "batch_size": BATCH,
                "l1": 0.01 * (k % 4),
                "label_smoothing": 0.1 * (k % 2),
                **loop,
            },
        )
        found.append(Plan(k, spec, EPOCHS))
    return found


@pytest.mark.parametrize("loop", [BOUNDED, FREE], ids=["bounded", "free"])
@pytest.mark.parametrize("kind", OPTIMIZERS.members)
def test_fused_equals_one_by_one(kind, loop):
    plans = trials(kind, loop)
    assert len({group_key(plan) for plan in plans}) == 1
    together = curves(Group(plans, dtype=torch.float64))
    for plan in plans:
        alone = curves(Group([plan], dtype=torch.float64))[plan.number]
        for one, other in zip(together[plan.number], alone, strict=True):
            assert untimed(one) == pytest.approx(untimed(other), rel=1e-9, abs=1e-11)


def test_the_page_says_what_the_engine_does():
    assert PAGE.read_text() == fusing.page() + "\n", (
        "run python -m hpsearch.reference.fusing > docs/fusing.md"
    )
