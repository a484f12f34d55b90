"""A pruner that can stop no trial: the study's log says so once, why, and what would help."""

from __future__ import annotations

from typing import Any

import pytest
from rig import Rig

from hpsearch.spec.language.states import EventKind
from hpsearch.store import events

STAGES = [{"trials": 6, "epochs": 2}, {"trials": 3, "epochs": 12}]


def idle(rig: Rig, pruner: Any, epochs: int, **sections: Any) -> list[str]:
    sections.setdefault("search", {"trials": 12})
    study_id = rig.submit(
        pruner=pruner,
        training={"epochs": epochs},
        objective={"metric": "val_loss", "direction": "minimize"},
        **sections,
    )
    found = rig.do(lambda session: events.latest(session, study_id, 9))
    return [event.message for event in found if event.kind is EventKind.PRUNER_IDLE]


@pytest.mark.parametrize(
    ("pruner", "epochs", "trials", "why"),
    [
        ("asha", 2, 12, "its first rung is after epoch 1 (counted from 0) and trials train 2"),
        ({"kind": "asha", "min_epochs": 9}, 10, 12, "lower pruner.min_epochs"),
        ({"kind": "hyperband", "min_epochs": 20}, 10, 12, "lower pruner.min_epochs"),
        ("hyperband", 10, 1, "there is one trial"),
        ({"kind": "median", "warmup_epochs": 9}, 10, 12, "lower pruner.warmup_epochs"),
        ({"kind": "median", "startup_trials": 12}, 10, 12, "pruner.startup_trials 12"),
        ({"kind": "percentile", "min_trials": 5}, 10, 5, "a trial has 4"),
        ("median", 1, 12, "train longer"),
        ({"kind": "patience", "patience": 8}, 10, 12, "lower pruner.patience"),
        ({"kind": "threshold", "upper": 1.0, "warmup_epochs": 10}, 10, 12, "from epoch 10"),
    ],
)
def test_a_pruner_without_a_chance_says_why(
    rig: Rig, pruner: Any, epochs: int, trials: int, why: str
) -> None:
    (message,) = idle(rig, pruner, epochs, search={"trials": trials})
    assert " pruner can stop no trial: " in message
    assert why in message


def test_bare_pruners_of_a_dozen_trials_have_one(rig: Rig) -> None:
    for pruner in ("asha", "hyperband", "median", "percentile", "none"):
        for epochs in (3, 10, 100):
            assert idle(rig, pruner, epochs) == []


def test_the_stage_is_named_in_which_it_can_do_nothing(rig: Rig) -> None:
    (message,) = idle(rig, "asha", 12, search={"kind": "coarse_to_fine", "stages": STAGES})
    assert message.startswith("the asha pruner can stop no trial in stage 0: ")


@pytest.mark.parametrize(("epochs", "messages"), [(10, 1), (40, 0)])
def test_a_loop_that_states_no_length_is_asked_for_it(rig: Rig, epochs: int, messages: int) -> None:
    task = {"kind": "external", "params": {"x": {"uniform": [0, 1]}}}
    found = idle(rig, "asha", epochs, task=task)
    assert len(found) == messages
    assert all("say it by training.epochs" in message for message in found)
