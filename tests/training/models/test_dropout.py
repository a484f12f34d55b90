import pytest
import torch

from hpsearch.training.models.activations import ACTIVATIONS
from hpsearch.training.models.dense_layers import dense_layers
from hpsearch.training.models.dropout import Dropout
from hpsearch.training.numerics.counter_rng import scramble


def masks(keys, rates, *shapes):
    rates = torch.tensor(rates, dtype=torch.float64)
    dropout = Dropout(torch.tensor([keys], dtype=torch.int32), rates).step(0)
    return [dropout(torch.ones(len(keys), *shape, dtype=torch.float64)) for shape in shapes]


def test_scramble_is_the_published_hash():
    def lowbias32(x):
        x ^= x >> 16
        x = x * 0x7FEB352D % 2**32
        x ^= x >> 15
        x = x * 0x846CA68B % 2**32
        return x ^ (x >> 16)

    words = [0, 1, 2, 12345, 2**31 - 1, 2**31, 2**32 - 1]
    signed = torch.tensor([w - 2**32 if w >= 2**31 else w for w in words], dtype=torch.int32)
    assert [w % 2**32 for w in scramble(signed).tolist()] == [lowbias32(w) for w in words]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_rate_is_met_and_the_mean_kept(rate):
    (mask,) = masks([7], [rate], (1000, 100))
    n = mask.numel()
    left_out = (mask == 0).double().mean()
    assert abs(left_out - rate) < 5 * (rate * (1 - rate) / n) ** 0.5
    assert torch.allclose(mask[mask > 0], torch.tensor(1 / (1 - rate), dtype=torch.float64))


def test_rate_zero_changes_nothing_beside_a_trial_that_has_one():
    (mask,) = masks([7, 8], [0.0, 0.5], (50, 10))
    assert torch.equal(mask[0], torch.ones(50, 10, dtype=torch.float64))
    assert (mask[1] == 0).any()


def test_masks_do_not_depend_on_the_other_trials():
    together = masks([1, 2, 3], [0.2, 0.5, 0.7], (8, 16), (8, 4))
    for k, (key, rate) in enumerate(((1, 0.2), (2, 0.5), (3, 0.7))):
        alone = masks([key], [rate], (8, 16), (8, 4))
        assert all(torch.equal(a[k], b[0]) for a, b in zip(together, alone, strict=True))


def test_keys_layers_and_neighbours_are_uncorrelated():
    first, second = masks([1, 2], [0.5, 0.5], (400, 50), (400, 50))
    pairs = [
        (first[0], first[1]),
        (first[0], second[0]),
        (first[0, :, 1:], first[0, :, :-1]),
        (first[0, 1:], first[0, :-1]),
    ]
    for a, b in pairs:
        correlation = torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]
        assert abs(correlation) < 5 / a.numel() ** 0.5


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_the_way_back_through_dropout_by_hand_is_autograd_s(activation):
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 5, 6), (2, 6), (2, 6, 4), (2, 4), (2, 4, 3), (2, 3)]
    parameters = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]
    x = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    rates = torch.tensor([0.3, 0.6], dtype=torch.float64)
    dropout = Dropout(torch.tensor([[4, 5]], dtype=torch.int32), rates)
    with torch.no_grad():
        outputs, backward = dense_layers(x, activation, dropout.step(0), parameters)
        found = backward(2 * outputs)
    masks = dropout.step(0)
    hidden = x.expand(2, 7, 5)
    for weight, bias in ((parameters[0], parameters[1]), (parameters[2], parameters[3])):
        hidden = masks(ACTIVATIONS[activation](hidden @ weight + bias.unsqueeze(1)))
    expected = hidden @ parameters[4] + parameters[5].unsqueeze(1)
    torch.testing.assert_close(outputs, expected.detach())
    grads = torch.autograd.grad(expected.square().sum(), parameters)
    for one, other in zip(found, grads, strict=True):
        torch.testing.assert_close(one, other)
