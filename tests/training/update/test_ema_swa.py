"""EMA, SWA, max-norm and early stopping as functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.swa_utils import AveragedModel

from hpsearch.spec.study import Objective
from hpsearch.training.numerics.early_stopping import BestEpoch
from hpsearch.training.numerics.layout import Layout
from hpsearch.training.update.ema_swa import ema_decay, is_swa_epoch, update_ema, update_swa
from hpsearch.training.update.max_norm import constrain

torch.set_num_threads(1)


def test_catalogue_s_moving_average():
    shadow = torch.zeros(1, 1)
    found = []
    for n, w in ((0, 1.0), *((100, 10.0),) * 7):
        decay = torch.tensor(ema_decay(0.99, np.array([[n]])), dtype=torch.float32)
        update_ema(shadow, torch.tensor([[w]]), decay)
        found.append(float(shadow))
    assert found == pytest.approx(
        [0.9, 1.6445453, 2.3281732, 2.955868, 3.532206, 4.061389, 4.547275, 4.9934072], rel=1e-6
    )


def test_the_decay_rises_to_its_limit():
    decays = ema_decay(0.9, np.arange(1, 200))
    assert decays[0] == pytest.approx(2 / 11)
    assert (np.diff(decays) >= 0).all()
    assert decays[-1] == 0.9


def test_the_mean_over_epochs_is_torch_s():
    generator = torch.Generator().manual_seed(0)
    module = torch.nn.Linear(3, 2).double()
    averaged = AveragedModel(module)
    mean = torch.zeros(1, 8, dtype=torch.float64)
    for counted in range(5):
        row = torch.randn(1, 8, generator=generator, dtype=torch.float64)
        torch.nn.utils.vector_to_parameters(row[0], module.parameters())
        averaged.update_parameters(module)
        update_swa(mean, row, torch.tensor([[float(counted)]], dtype=torch.float64))
    expected = torch.nn.utils.parameters_to_vector(averaged.module.parameters())
    torch.testing.assert_close(mean[0], expected.detach())


@pytest.mark.parametrize(
    ("start", "every", "epochs", "expected"),
    [
        (0.75, 1, 8, [6, 7]),
        (0.5, 2, 9, [4, 6, 8]),
        (0.0, 3, 7, [0, 3, 6]),
        (0.75, 1, 1, [0]),
        (0.99, 1, 3, [2]),
    ],
)
def test_epochs_that_enter_the_mean(start, every, epochs, expected):
    assert [e for e in range(epochs) if is_swa_epoch(start, every, e, epochs)] == expected


@given(st.floats(0, 0.999), st.integers(1, 5), st.integers(1, 50))
def test_some_epoch_always_enters_the_mean(start, every, epochs):
    assert any(is_swa_epoch(start, every, epoch, epochs) for epoch in range(epochs))


def layout_of(views):
    return Layout.of({name: tuple(view.shape[1:]) for name, view in views.items()})


def test_max_norm_is_torch_s_renorm():
    generator = torch.Generator().manual_seed(0)
    dense = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
    filters = torch.randn(2, 4, 3, 2, 2, generator=generator, dtype=torch.float64)
    bias = torch.full((2, 4), 100.0, dtype=torch.float64)
    limits = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    found = {"a.weight": dense.clone(), "b.weight": filters.clone(), "a.bias": bias.clone()}
    constrain(layout_of(found), found, limits)
    for k, limit in enumerate(limits.flatten().tolist()):
        torch.testing.assert_close(found["a.weight"][k], dense[k].renorm(2, 1, limit))
        torch.testing.assert_close(found["b.weight"][k], filters[k].renorm(2, 0, limit))
    assert torch.equal(found["a.bias"], bias)


def test_weights_within_the_bound_keep_their_bits():
    weight = torch.tensor([[[0.3, 30.0], [0.4, 40.0]]])
    constrain(layout_of({"weight": weight}), {"weight": weight}, torch.tensor([[1.0]]))
    assert weight[0, :, 0].tolist() == torch.tensor([0.3, 0.4]).tolist()
    assert float(weight[0, :, 1].norm()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("direction", "values", "min_delta", "patience", "best", "stops"),
    [
        ("maximize", [1, 2, 2, 2, 3], 0.0, 2, 1, 3),
        ("minimize", [3, 2, 2.5, 1, 1, 1], 0.0, 2, 3, 5),
        ("minimize", [3.0, 2.97, 2.94, 2.91], 0.1, 3, 0, 3),
        ("maximize", [1, float("nan"), float("inf"), 0], 0.0, 3, 0, 3),
        ("maximize", [float("nan")] * 4, 0.0, 3, -1, 2),
        ("maximize", [1, 2, 3, 4], 0.0, 1, 3, None),
    ],
)
def test_patience(direction, values, min_delta, patience, best, stops):
    objective = Objective(metric="val_loss", direction=direction)
    found, stopped = BestEpoch(), None
    for epoch, value in enumerate(values):
        found = found.after(epoch, float(value), objective, min_delta)
        if found.should_stop(epoch, patience):
            stopped = epoch
            break
    assert stopped == stops
    assert found.epoch == best
