import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.metrics import accuracy_score

from hpsearch.spec.dataset import LOSSES as NAMED
from hpsearch.training.losses import LOSSES
from hpsearch.training.metrics import hits

K, B, C = 3, 7, 4


@pytest.fixture
def outputs():
    return torch.randn(K, B, C, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def labels():
    return torch.randint(0, C, (K, B), generator=torch.Generator().manual_seed(1))


def test_every_named_loss_is_built():
    assert {name for names in NAMED.values() for name in names} == set(LOSSES)


def test_cross_entropy_is_torch_s_per_row(outputs, labels):
    found = LOSSES["cross_entropy"](outputs, labels)
    for k in range(K):
        expected = F.cross_entropy(outputs[k], labels[k], reduction="none")
        torch.testing.assert_close(found[k], expected)


def test_mse_is_torch_s_per_row(outputs):
    targets = outputs[:, :, 1]
    expected = F.mse_loss(outputs[:, :, 0], targets, reduction="none")
    torch.testing.assert_close(LOSSES["mse"](outputs[..., :1], targets), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_shared_targets_count_for_every_trial(name, outputs, labels):
    outputs = outputs if name == "cross_entropy" else outputs[..., :1]
    targets = labels[0] if name == "cross_entropy" else labels[0].double()
    shared = LOSSES[name](outputs, targets)
    torch.testing.assert_close(shared, LOSSES[name](outputs, targets.expand(K, B)))


def test_hits_count_what_scikit_learn_counts(outputs, labels):
    found = hits(outputs, labels)
    for k in range(K):
        right = accuracy_score(labels[k], outputs[k].argmax(-1), normalize=False)
        assert int(found[k]) == right


def test_of_equal_outputs_the_first_counts_and_nan_spoils_only_its_trial():
    outputs = torch.zeros(2, 4, 3)
    outputs[1] = torch.nan
    labels = torch.tensor([0, 1, 2, 1])
    assert hits(outputs, labels).tolist()[0] == 1
