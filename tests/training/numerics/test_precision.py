"""bf16: products rounded to 8 bits, everything else as under fp32."""

from __future__ import annotations

import pytest
import torch
from studies import curves, study, trained

from hpsearch.errors import TrainingFailed
from hpsearch.training.group.group import Group, Plan, group_key
from hpsearch.training.models.dense import multiply
from hpsearch.training.numerics.precision import check_precision

MODELS = {
    "mlp": {"kind": "mlp", "hidden": [16]},
    "norm": {"kind": "mlp", "hidden": [16], "norm": "batch"},
    "cnn": {"kind": "cnn", "filters": 4},
}


def plan(model: dict, precision: str) -> Plan:
    training = {"precision": precision, "batch_size": 64, "train_fraction": 0.2}
    optimizer = {"kind": "adam", "lr": 0.01}
    spec = study("digits", model=model, training=training, optimizer=optimizer)
    return Plan(0, spec, 2)


@pytest.mark.parametrize("name", MODELS)
def test_bf16_trains_like_fp32_within_its_rounding(name):
    exact, kept = trained(plan(MODELS[name], "fp32"))
    rounded, saved = trained(plan(MODELS[name], "bf16"))
    for one, other in zip(rounded, exact, strict=True):
        for metric in ("train_loss", "val_loss"):
            assert one.metrics[metric] == pytest.approx(other.metrics[metric], rel=2**-5)
            assert one.metrics[metric] != other.metrics[metric]
    tensors = [*saved.weights.values(), *saved.optimizer_state.values(), *saved.buffers.values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert all(torch.allclose(saved.weights[n], kept.weights[n], atol=0.1) for n in kept.weights)


def test_products_are_those_of_rounded_factors():
    one, other, bias = torch.randn(3, 5, 7), torch.randn(3, 7, 4), torch.randn(3, 1, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = multiply(one, other, bias)
    factors = (one.bfloat16().double(), other.bfloat16().double())
    assert found.dtype == torch.float32
    expected = (factors[0] @ factors[1]).float() + bias
    assert torch.allclose(found, expected, rtol=2**-7, atol=2**-7)


def test_precisions_do_not_share_a_group():
    keys = {group_key(plan(MODELS["mlp"], precision)) for precision in ("fp32", "bf16")}
    assert len(keys) == 2
    pair = [plan(MODELS["mlp"], "bf16"), plan(MODELS["mlp"], "bf16")]
    assert curves(Group([pair[0], Plan(1, pair[1].spec, 2)])).keys() == {0, 1}


def test_a_device_without_bf16_refuses(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    spec = plan(MODELS["mlp"], "bf16").spec
    with pytest.raises(TrainingFailed, match="bf16 needs a device with bfloat16, and the worker's"):
        check_precision(spec, torch.device("cuda"))
    check_precision(plan(MODELS["mlp"], "fp32").spec, torch.device("cuda"))
