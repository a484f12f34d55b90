"""`lambda` schedules: an expression in place of a function of one's own."""

from __future__ import annotations

from typing import Any

import pytest
from schedule_oracles import agree, ours, torchs
from torch.optim import lr_scheduler

from hpsearch.errors import InvalidInput


def test_lambda_is_torchs() -> None:
    expected, _ = torchs(lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.65**epoch), 20)
    agree(ours({"kind": "lambda", "expression": "0.65 ** epoch"}, 20), expected)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("step", lambda step: step),
        ("epoch", lambda step: step / 4),
        ("floor(epoch)", lambda step: step // 4),
        ("total_steps", lambda step: 16),
        ("total_epochs", lambda step: 4),
        ("1 - step / total_steps", lambda step: 1 - step / 16),
        ("1 if epoch < 2 else 0.1", lambda step: 1 if step < 8 else 0.1),
        ("step - 3", lambda step: max(step - 3, 0)),
    ],
)
def test_lambdas_names_count_from_the_schedules_beginning(expression: str, value: Any) -> None:
    document = {"kind": "lambda", "expression": expression, "warmup": {"epochs": 1}}
    found = ours(document, 20, steps_per_epoch=4)
    agree(found[4:], [value(step) for step in range(16)])


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("1 / (step - 3)", "must be a finite number at every step, got inf at step 3 from"),
        ("sqrt(2 - step)", "got nan at step 3 from 'sqrt(2 - step)'; guard it"),
        ("exp(step * 400)", "got inf at step 2 from"),
    ],
)
def test_a_lambda_that_is_not_finite_names_the_step(expression: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ours({"kind": "lambda", "expression": expression}, 10)
    assert sentence in str(caught.value)
    assert caught.value.errors[0].path == "schedule.expression"
