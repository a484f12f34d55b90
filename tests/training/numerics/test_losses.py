"""Losses against torch.nn.functional, row by row."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.errors import TrainingFailed
from hpsearch.spec.losses import LOSSES as TABLE
from hpsearch.spec.losses import losses_for
from hpsearch.training.data.class_weights import class_weights
from hpsearch.training.numerics.loss_gradients import gradient_of
from hpsearch.training.numerics.losses import loss_named

torch.set_num_threads(1)
K, B, C = 3, 7, 4
LOSSES = {name: loss_named(name) for name in TABLE}


def rows(function):
    """An oracle on one trial's outputs, a number per row."""
    return lambda outputs, wanted: function(outputs, wanted, reduction="none")


ONE_HOT = {
    "bce": lambda o, t: rows(F.binary_cross_entropy_with_logits)(o, t).mean(-1),
    "mse": lambda o, t: rows(F.mse_loss)(o, t).mean(-1),
    "l1": lambda o, t: rows(F.l1_loss)(o, t).mean(-1),
    "huber": lambda o, t: rows(F.huber_loss)(o, t).mean(-1),
    "half_squared": lambda o, t: rows(F.mse_loss)(o, t).sum(-1) / 2,
}


def drawn(seed=0):
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(K, B, C, generator=generator, dtype=torch.float64) * 3
    return outputs, torch.randint(0, C, (K, B), generator=generator)


def test_every_named_loss_is_built():
    assert {*losses_for("classes"), *losses_for("numbers")} == set(LOSSES)


@pytest.mark.parametrize("smoothing", [None, 0.0, 0.1, 0.5])
def test_cross_entropy_is_torch_s(smoothing):
    outputs, labels = drawn()
    shares = None if smoothing is None else torch.tensor([smoothing, 0.2, 0.3]).double()
    found = LOSSES["cross_entropy"](outputs, labels, shares)
    for k in range(K):
        share = 0.0 if shares is None else float(shares[k])
        expected = F.cross_entropy(outputs[k], labels[k], reduction="none", label_smoothing=share)
        torch.testing.assert_close(found[k], expected)


@pytest.mark.parametrize("name", ONE_HOT)
@pytest.mark.parametrize("smoothing", [None, 0.25])
def test_losses_of_numbers_take_classes_as_one_hot_vectors(name, smoothing):
    outputs, labels = drawn()
    shares = None if smoothing is None else torch.full((K,), smoothing, dtype=torch.float64)
    found = LOSSES[name](outputs, labels, shares)
    for k in range(K):
        wanted = F.one_hot(labels[k], C).double()
        if smoothing:
            wanted = wanted * (1 - smoothing) + smoothing / C
        torch.testing.assert_close(found[k], ONE_HOT[name](outputs[k], wanted))


def test_hinge_is_that_of_weston_and_watkins():
    outputs, labels = drawn()
    found = LOSSES["hinge"](outputs, labels, None)
    for k in range(K):
        # torch divides the same sum by the number of classes
        expected = F.multi_margin_loss(outputs[k], labels[k], reduction="none") * C
        torch.testing.assert_close(found[k], expected)


@pytest.mark.parametrize("name", ["mse", "l1", "huber", "half_squared"])
def test_losses_of_numbers_are_torch_s(name):
    outputs, targets = drawn()[0][..., :1], drawn(1)[0][..., 1]
    found = LOSSES[name](outputs, targets, None)
    for k in range(K):
        expected = ONE_HOT[name](outputs[k], targets[k].unsqueeze(-1))
        torch.testing.assert_close(found[k], expected)


@pytest.mark.parametrize(("name", "expected"), [("cross_entropy", math.log(10)), ("hinge", 9.0)])
def test_losses_of_equal_outputs_are_those_of_the_textbook(name, expected):
    found = LOSSES[name](torch.zeros(1, 5, 10), torch.arange(5), None)
    assert found.flatten().tolist() == pytest.approx([expected] * 5)


@settings(max_examples=30)
@given(st.sampled_from(sorted(LOSSES)), st.booleans(), st.integers(0, 1000))
def test_shared_targets_count_for_every_trial(name, smooth, seed):
    outputs, labels = drawn(seed)
    shares = torch.tensor([0.1, 0.0, 0.3], dtype=torch.float64) if smooth else None
    shared = LOSSES[name](outputs, labels[0], shares)
    torch.testing.assert_close(shared, LOSSES[name](outputs, labels[0].expand(K, B), shares))
    for k in range(K):
        alone = LOSSES[name](outputs[k : k + 1], labels[0], None if shares is None else shares[[k]])
        torch.testing.assert_close(shared[k], alone[0])


@pytest.mark.parametrize("smoothing", [None, [0.1, 0.0, 0.3]])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_right(name, smoothing):
    outputs, labels = drawn()
    shares = None if smoothing is None else torch.tensor(smoothing, dtype=torch.float64)
    leaf = outputs.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda o: LOSSES[name](o, labels, shares), leaf)
    for targets in (labels, labels[0]):
        expected = LOSSES[name](leaf, targets, shares)
        (grad,) = torch.autograd.grad(expected.sum(), leaf)
        losses, found = gradient_of(name)(outputs, targets, shares)
        torch.testing.assert_close(losses, expected.detach())
        torch.testing.assert_close(found, grad)
        assert not losses.requires_grad


def test_class_weights():
    y, names = torch.tensor([0, 0, 0, 1, 2, 2]), ("a", "b", "c")
    assert class_weights("none", names, y) is None
    balanced = class_weights("balanced", names, y)
    assert balanced == pytest.approx([6 / 9, 6 / 3, 6 / 6])
    assert sum(balanced[label] for label in y) == pytest.approx(len(y))
    assert class_weights({"b": 3.0}, names, y) == [1.0, 3.0, 1.0]
    with pytest.raises(TrainingFailed, match=r"none is called 'd'; use some of a, b, c"):
        class_weights({"d": 3.0}, names, y)
