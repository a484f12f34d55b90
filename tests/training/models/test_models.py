"""Every model against the same network written with torch.nn, trial by trial."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import nn

from hpsearch.errors import TrainingFailed
from hpsearch.spec import model as specs
from hpsearch.spec.language.family import implementation
from hpsearch.training.models import model_for
from hpsearch.training.models.activations import ACTIVATIONS
from hpsearch.training.models.initializers import GAINS, initial_weights
from hpsearch.training.numerics.flatten import unflatten
from hpsearch.training.numerics.layout import Layout

torch.set_num_threads(1)

K, B, CLASSES = 3, 6, 4
ACTS = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "gelu": nn.GELU, "silu": nn.SiLU,
    "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity,
}  # fmt: skip


class Block(nn.Module):
    """Two convolutions and a shortcut without weights."""

    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(filters)
        self.second = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(filters)
        self.stride, self.missing = stride, filters - inputs

    def forward(self, x):
        inner = torch.relu(self.first_norm(self.first(x)))
        inner = self.second_norm(self.second(inner))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        shortcut = nn.functional.pad(shortcut, (0, 0, 0, 0, 0, self.missing))
        return torch.relu(inner + shortcut)


def residual(spec, features):
    modules = [nn.Conv2d(features[0], spec.width, 3, 1, 1, bias=False)]
    modules += [nn.BatchNorm2d(spec.width), nn.ReLU()]
    inputs = spec.width
    for stage in range(3):
        for block in range((spec.depth - 2) // 6):
            stride = 2 if stage and not block else 1
            modules.append(Block(inputs, spec.width * 2**stage, stride))
            inputs = spec.width * 2**stage
    modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES)]
    return nn.Sequential(*modules).double()


def oracle(spec, features):
    if isinstance(spec, specs.Resnet):
        return residual(spec, features)
    act = ACTS[getattr(spec, "activation", "identity")]
    modules: list[nn.Module] = []
    inputs = math.prod(features)
    if isinstance(spec, specs.Cnn):
        inputs = features[0]
        for filters in spec.sizes:
            padding = spec.padding if spec.stride == 1 else spec.kernel // 2
            modules.append(nn.Conv2d(inputs, filters, spec.kernel, spec.stride, padding))
            if spec.norm == "batch":
                modules.append(nn.BatchNorm2d(filters))
            if spec.norm == "layer":
                modules.append(nn.GroupNorm(1, filters))
            modules += [act(), nn.MaxPool2d(spec.pool)]
            inputs = filters
        modules.append(nn.Flatten())
        body = nn.Sequential(*modules).double()
        inputs = body(torch.zeros(2, *features, dtype=torch.float64)).shape[1]
        for module in modules:
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
        sizes = (spec.units,) if spec.units else ()
    else:
        modules.append(nn.Flatten())
        sizes = spec.sizes if isinstance(spec, specs.Mlp) else ()
    for units in sizes:
        modules.append(nn.Linear(inputs, units))
        if isinstance(spec, specs.Mlp) and spec.norm == "batch":
            modules.append(nn.BatchNorm1d(units))
        if isinstance(spec, specs.Mlp) and spec.norm == "layer":
            modules.append(nn.LayerNorm(units))
        modules.append(act())
        inputs = units
    return nn.Sequential(*modules, nn.Linear(inputs, CLASSES)).double()


def load(network, layout, row):
    """Puts one trial's row into the oracle, tensor by tensor in the order of its parameters."""
    with torch.no_grad():
        for own, theirs in zip(unflatten(layout, row).values(), network.parameters(), strict=True):
            theirs.copy_(own.T if own.dim() == 2 else own)


CASES = [
    ({"kind": "linear"}, (5,)),
    ({"kind": "linear"}, (1, 8, 8)),
    ({"kind": "mlp", "hidden": [7, 3]}, (5,)),
    ({"kind": "mlp", "hidden": []}, (5,)),
    ({"kind": "mlp", "layers": 2, "units": 4, "norm": "batch"}, (1, 8, 8)),
    ({"kind": "mlp", "hidden": [7], "norm": "layer", "activation": "tanh"}, (5,)),
    *(({"kind": "mlp", "hidden": [6], "activation": name}, (5,)) for name in ACTS),
    ({"kind": "cnn"}, (1, 8, 8)),
    ({"kind": "cnn", "filters": [3, 5], "kernel": 2, "norm": "batch", "units": 6}, (2, 8, 8)),
    ({"kind": "cnn", "layers": 1, "stride": 2, "pool": 1, "norm": "layer"}, (1, 8, 8)),
    ({"kind": "resnet", "width": 2}, (1, 8, 8)),
    ({"kind": "resnet", "width": 3, "depth": 14}, (2, 7, 7)),
    ({"kind": "cnn", "padding": "valid", "pool": 1, "kernel": 3, "activation": "gelu"}, (1, 8, 8)),
]


def made(document, features):
    kinds = {"linear": specs.Linear, "mlp": specs.Mlp, "cnn": specs.Cnn, "resnet": specs.Resnet}
    spec = kinds[document["kind"]].model_validate(document)
    model = model_for(spec, features, CLASSES)
    return spec, model, Layout.of(model.shapes), Layout.of(model.buffers)


def fresh(model, layout, buffers):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(K, layout.size, generator=generator, dtype=torch.float64) * 0.3
    statistics = torch.zeros(K, buffers.size, dtype=torch.float64)
    for entry in buffers:
        statistics[:, entry.columns] = float(entry.name.endswith(".var"))
    return weights, statistics


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # the oracle's
@pytest.mark.parametrize("own_rows", [False, True], ids=["shared", "own"])
@pytest.mark.parametrize(("document", "features"), CASES, ids=str)
def test_outputs_gradients_and_statistics_are_torch_s(document, features, own_rows):
    spec, model, layout, buffers = made(document, features)
    weights, statistics = fresh(model, layout, buffers)
    generator = torch.Generator().manual_seed(1)
    shape = (K, B, *features) if own_rows else (B, *features)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    views = buffers.views(statistics)
    leaves = {n: v.detach().requires_grad_() for n, v in layout.views(weights).items()}
    found, backward = model.trace(leaves, views, x, None)
    assert found.shape == (K, B, CLASSES)
    grads = torch.cat([grad.reshape(K, -1) for grad in backward(2 * found)], dim=1)
    measured = model.forward(layout.views(weights), views, x, None, False)
    for k in range(K):
        network = oracle(spec, features)
        load(network, layout, weights[k])
        rows = x[k] if own_rows else x
        outputs = network(rows)
        torch.testing.assert_close(found[k], outputs)
        outputs.square().sum().backward()
        for own, theirs in zip(
            unflatten(layout, grads[k]).values(), network.parameters(), strict=True
        ):
            grad = theirs.grad.T if own.dim() == 2 else theirs.grad
            torch.testing.assert_close(own, grad)
        expected = [b for n, b in network.named_buffers() if not n.endswith("num_batches_tracked")]
        for own, theirs in zip(unflatten(buffers, statistics[k]).values(), expected, strict=True):
            torch.testing.assert_close(own, theirs)
        torch.testing.assert_close(measured[k], network.eval()(rows))


def test_every_kind_of_the_spec_is_built():
    for family in (specs.MODELS, specs.INITS):
        assert all(callable(implementation(member)) for member in family.members.values())
    assert set(get_args(specs.Activation)) == set(ACTIVATIONS) == set(GAINS)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "tanh", "sigmoid"])
def test_gains_are_torch_s(name):
    assert GAINS[name] == pytest.approx(nn.init.calculate_gain(name))


def test_a_kernel_wider_than_its_map_is_refused():
    spec = specs.Cnn(kind="cnn", layers=3, padding="valid")
    with pytest.raises(
        TrainingFailed, match=r"kernel must be at most .* got 3 for a map of 1 by 1"
    ):
        model_for(spec, (1, 8, 8), 10)


def test_a_batch_of_one_row_passes_batch_norm_without_a_trace():
    """Its limit of equal rows: the output is the shift, nothing reaches the layer before."""
    _, model, layout, buffers = made({"kind": "mlp", "hidden": [4], "norm": "batch"}, (5,))
    weights, statistics = fresh(model, layout, buffers)
    before = statistics.clone()
    x = torch.randn(1, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    views = {n: v.detach().requires_grad_() for n, v in layout.views(weights).items()}
    outputs, backward = model.trace(views, buffers.views(statistics), x, None)
    twice, _ = model.trace(views, buffers.views(before.clone()), x.repeat(2, 1), None)
    torch.testing.assert_close(outputs[:, 0], twice[:, 0])
    grads = dict(zip(layout.names, backward(torch.ones_like(outputs)), strict=True))
    assert not grads["layers.0.weight"].any()
    assert not grads["layers.0.norm.scale"].any()
    assert torch.equal(statistics, before)


def test_pooling_stops_where_the_map_is_smaller_than_its_window():
    spec = specs.Cnn(kind="cnn", layers=5)
    assert model_for(spec, (1, 8, 8), 10).shapes["output.weight"] == (16, 10)


SPREAD = {
    "kaiming_uniform": lambda w, gain: nn.init.kaiming_uniform_(w, nonlinearity=gain),
    "xavier_normal": lambda w, gain: nn.init.xavier_normal_(w, nn.init.calculate_gain(gain)),
    "kaiming_normal": lambda w, gain: nn.init.kaiming_normal_(w, nonlinearity=gain),
    "xavier_uniform": lambda w, gain: nn.init.xavier_uniform_(w, nn.init.calculate_gain(gain)),
    "normal": lambda w, gain: nn.init.normal_(w, std=0.01),
}


@pytest.mark.parametrize("kind", SPREAD)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_initial_weights_have_torch_s_spread(kind, activation):
    init = specs.INITS.members[kind](kind=kind)
    shapes = {"layers.0.weight": (400, 300), "layers.1.weight": (64, 32, 5, 5)}
    row = initial_weights(shapes, init, activation, torch.Generator().manual_seed(0))
    found = unflatten(Layout.of(shapes), row)
    for name, shape in shapes.items():
        expected = SPREAD[kind](torch.empty(shape[::-1] if len(shape) == 2 else shape), activation)
        assert found[name].std() == pytest.approx(float(expected.std()), rel=0.02)
        assert (
            abs(float(found[name].mean())) < 5 * float(expected.std()) / found[name].numel() ** 0.5
        )
        kurtosis = (found[name] / found[name].std()).pow(4).mean()
        assert kurtosis == pytest.approx(1.8 if "uniform" in kind else 3.0, abs=0.1)


def test_the_output_layer_has_gain_one_biases_are_zero_and_scales_one():
    _, model, layout, _ = made({"kind": "mlp", "hidden": [400], "norm": "layer"}, (50,))
    row = initial_weights(
        model.shapes, model.init, model.activation, torch.Generator().manual_seed(0)
    )
    found = unflatten(layout, row)
    assert found["output.weight"].std() == pytest.approx(400**-0.5, rel=0.05)
    assert found["layers.0.weight"].std() == pytest.approx((2 / 50) ** 0.5, rel=0.05)
    assert torch.equal(found["layers.0.norm.scale"], torch.ones(400, dtype=torch.float64))
    for name in ("layers.0.bias", "layers.0.norm.shift", "output.bias"):
        assert not found[name].any()


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (8, 3, 3, 3), (4, 8, 2, 2)])
def test_orthogonal_weights_are(shape):
    init = specs.Orthogonal(kind="orthogonal")
    row = initial_weights(
        {"layers.0.weight": shape}, init, "tanh", torch.Generator().manual_seed(0)
    )
    matrix = row.view(shape[0], -1) / GAINS["tanh"]
    if shape[0] > matrix.shape[1]:
        matrix = matrix.T
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix), dtype=torch.float64))


def test_orthogonal_weights_have_no_preferred_direction():
    """Uniform over rotations: every entry has mean 0 and variance 1 / n."""
    init, generator = specs.Orthogonal(kind="orthogonal"), torch.Generator().manual_seed(0)
    drawn = torch.stack(
        [initial_weights({"a.weight": (3, 3)}, init, "identity", generator) for _ in range(2000)]
    )
    assert drawn.mean(0).abs().max() < 5 * (1 / 3 / 2000) ** 0.5
    assert (drawn.var(0) - 1 / 3).abs().max() < 0.05


def test_zeros_are_zeros():
    init = specs.Zeros(kind="zeros")
    assert not initial_weights({"a.weight": (3, 3)}, init, "relu", torch.Generator()).any()


def test_initial_loss_is_near_that_of_equal_chances():
    """Kaiming starts 18 to 33 % above ln C; a small normal starts at it."""
    x = torch.randn(2000, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(2000) % 10
    ratios = {}
    for init in ("kaiming_normal", "normal"):
        spec = specs.Mlp.model_validate({"kind": "mlp", "hidden": [100, 100], "init": init})
        model = model_for(spec, (50,), 10)
        row = initial_weights(model.shapes, spec.init, "relu", torch.Generator().manual_seed(1))
        views = Layout.of(model.shapes).views(row.unsqueeze(0))
        outputs = model.forward(views, {}, x, None, False)[0]
        ratios[init] = float(nn.functional.cross_entropy(outputs, labels)) / math.log(10)
    assert 1.1 < ratios["kaiming_normal"] < 1.4
    assert ratios["normal"] == pytest.approx(1, abs=1e-3)
