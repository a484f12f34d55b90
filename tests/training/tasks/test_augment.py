"""Augmentations against explicit loops and torch's own image functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy.stats import kstest

from hpsearch.spec import augment as specs
from hpsearch.spec.language.family import implementation
from hpsearch.training.numerics.counter_rng import CounterRng
from hpsearch.training.tasks import mixup
from hpsearch.training.tasks.mixup import mix, partners, shares

torch.set_num_threads(1)
T, B, C, H, W = 2, 400, 2, 6, 5


def images(streams=T):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(streams, B, C, H, W, generator=generator, dtype=torch.float64) + 1


def counter(*keys):
    return CounterRng(torch.tensor(keys, dtype=torch.int32))


def changed(kinds, keys=(1, 2)):
    return implementation(type(kinds[0]))(images(len(kinds)), kinds, counter(*keys))


NUMBERS = [
    [specs.Shift(kind="shift", pixels=n) for n in (1, 2)],
    [specs.Flip(kind="flip", probability=p) for p in (0.3, 0.6)],
    [specs.Crop(kind="crop", scale=s) for s in (0.5, 0.9)],
    [specs.Cutout(kind="cutout", size=n) for n in (2, 3)],
    [specs.Noise(kind="noise", std=s) for s in (0.1, 0.5)],
]
OFF = [
    specs.Shift(kind="shift", pixels=0),
    specs.Flip(kind="flip", probability=0.0),
    specs.Crop(kind="crop", scale=1.0),
    specs.Cutout(kind="cutout", size=0),
    specs.Noise(kind="noise", std=0.0),
]


def test_every_kind_of_the_spec_is_built():
    kinds = {kinds[0].kind for kinds in NUMBERS}
    assert set(specs.AUGMENTATIONS.members) == {*kinds, "mixup"}


@pytest.mark.parametrize("kind", OFF, ids=lambda kind: kind.kind)
def test_strength_zero_changes_nothing(kind):
    torch.testing.assert_close(changed([kind], keys=(1,)), images(1))


@pytest.mark.parametrize("kinds", NUMBERS, ids=lambda kinds: kinds[0].kind)
def test_a_trial_s_changes_are_its_own(kinds):
    together = changed(kinds)
    for k, kind in enumerate(kinds):
        found = implementation(type(kind))(images()[k : k + 1], [kind], counter(k + 1))
        torch.testing.assert_close(together[k], found[0], rtol=0, atol=1e-12)


def test_shift_moves_by_whole_pixels_and_reaches_every_offset():
    before, found = images(), changed(NUMBERS[0])
    for k, reach in enumerate((1, 2)):
        seen = set()
        padded = F.pad(before[k], (reach,) * 4)
        for row in range(B):
            offsets = [
                (down, right)
                for down in range(2 * reach + 1)
                for right in range(2 * reach + 1)
                if torch.equal(found[k, row], padded[row, :, down : down + H, right : right + W])
            ]
            assert len(offsets) == 1
            seen.add(offsets[0])
        assert len(seen) == (2 * reach + 1) ** 2


@pytest.mark.parametrize(("axis", "dim"), [("horizontal", -1), ("vertical", -2)])
def test_flip_mirrors_a_share_of_the_rows(axis, dim):
    before = images()
    found = changed([specs.Flip(kind="flip", axis=axis, probability=p) for p in (0.3, 0.6)])
    for k, probability in enumerate((0.3, 0.6)):
        mirrored = (found[k] == before[k].flip(dim)).flatten(1).all(1)
        same = (found[k] == before[k]).flatten(1).all(1)
        assert torch.equal(mirrored, ~same)
        deviation = (probability * (1 - probability) / B) ** 0.5
        assert abs(float(mirrored.double().mean()) - probability) < 4 * deviation


def test_crop_of_a_ramp_is_a_window_of_it():
    """On x + 10y a bilinear crop is exact inside, so the window can be read off the pixels."""
    ramp = torch.arange(20.0, dtype=torch.float64) + 10 * torch.arange(20.0).double().unsqueeze(1)
    x = ramp.expand(1, B, 1, 20, 20)
    found = implementation(specs.Crop)(x, [specs.Crop(kind="crop", scale=0.5)], counter(3))[0, :, 0]
    inner = found[:, 3:-3, 3:-3]
    side = (inner[:, :, 1:] - inner[:, :, :-1]).flatten(1)
    assert (side.max(1).values - side.min(1).values).max() < 1e-9
    torch.testing.assert_close(10 * side[:, 0], inner[:, 1, 0] - inner[:, 0, 0])
    assert kstest(side[:, 0].numpy(), "uniform", args=(0.5, 0.5)).pvalue > 1e-3
    assert float(found.min()) >= 0
    assert float(found.max()) <= float(ramp.max())
    assert float(found[:, 0, 0].std()) > 10


def test_cutout_sets_a_square_to_zero():
    found = changed(NUMBERS[3])
    for k, size in enumerate((2, 3)):
        empty = found[k] == 0
        assert torch.equal(empty[:, 0], empty[:, 1])
        rows, columns = empty[:, 0].any(2).sum(1), empty[:, 0].any(1).sum(1)
        assert torch.equal(rows * columns, empty[:, 0].flatten(1).sum(1))
        assert int(rows.max()) == int(columns.max()) == size
        assert int(rows.min()) == int(columns.min()) == 1 if size == 2 else 2
        assert torch.equal(found[k][~empty], images()[k][~empty])


def test_noise_is_normal_with_the_trial_s_deviation():
    added = changed(NUMBERS[4]) - images()
    for k, std in enumerate((0.1, 0.5)):
        assert kstest(added[k].flatten().numpy() / std, "norm").pvalue > 1e-3


def test_uniform_numbers_are_even_and_below_one():
    for dtype in (torch.float32, torch.float64):
        drawn = counter(1, 2).uniform(50_000, dtype=dtype)
        assert drawn.shape == (2, 50_000)
        assert float(drawn.min()) >= 0
        assert float(drawn.max()) < 1
        assert kstest(drawn[0].double().numpy(), "uniform").pvalue > 1e-3
        assert abs(float(torch.corrcoef(drawn)[0, 1])) < 0.02


def test_mixup_is_a_weighted_mean_with_the_next_row():
    x, share = images(), torch.tensor([0.25, 1.0], dtype=torch.float64)
    found = mix(x, share)
    torch.testing.assert_close(found[0, 3], 0.25 * x[0, 3] + 0.75 * x[0, 4])
    torch.testing.assert_close(found[0, -1], 0.25 * x[0, -1] + 0.75 * x[0, 0])
    torch.testing.assert_close(found[1], x[1])
    assert partners(torch.arange(4), -1).tolist() == [1, 2, 3, 0]


def test_shares_of_mixup_are_beta_distributed():
    drawn = shares(specs.Mixup(kind="mixup", alpha=0.4), 0, 3, steps=2000)
    assert kstest(drawn, "beta", args=(0.4, 0.4)).pvalue > 1e-3
    assert np.array_equal(
        drawn, mixup.shares(specs.Mixup(kind="mixup", alpha=0.4), 0, 3, steps=2000)
    )
