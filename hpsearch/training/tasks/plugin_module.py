"""A plug-in's model as the engine needs it: one module for its structure, numbers from outside.

Weights are the module's parameters that require gradients. What is called buffers here are its
buffers and its frozen parameters: kept with the weights, never optimized. Whole numbers among
them (batch norm counts its batches) lie in the group's matrix as numbers of training's precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy

from hpsearch.training.models.base import Shapes
from hpsearch.training.numerics.global_seed import global_seed
from hpsearch.training.tasks.plugin import PyTree
from hpsearch.training.tasks.plugin_errors import PluginErrors

CPU = torch.device("cpu")
NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


class PluginModule:
    """The structure of a group's trials.

    Args:
        make: the plug-in's `model`.
        device: where to compute.
        dtype: precision of training.
        errors: name the plug-in.

    Raises:
        TrainingFailed: when it makes no module that can be trained.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        *,
        device: torch.device,
        dtype: torch.dtype,
        errors: PluginErrors,
    ) -> None:
        self._make, self._dtype, self._errors = make, dtype, errors
        module = self._make_module(0)
        weights, buffers = _weights_and_buffers(module)
        self.shapes: Shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        self.buffers: Shapes = {name: tuple(tensor.shape) for name, tensor in buffers.items()}
        if not weights:
            raise errors.violation(
                "make a model with parameters that require gradients", "got none"
            )
        for name, tensor in (weights | buffers).items():
            if tensor.is_complex() or not (
                tensor.is_floating_point() or torch.equal(tensor.to(dtype).to(tensor.dtype), tensor)
            ):
                raise errors.violation(
                    f"make a model whose numbers {dtype} can hold",
                    f"got {name} of {tensor.dtype}",
                    "make it a constant of forward()",
                )
        self.norms = tuple(
            name
            for name, layer in module.named_modules()
            if isinstance(layer, NORMS) and any(True for _ in layer.parameters(recurse=False))
        )
        """Paths of its norm layers."""
        self.units = _units(module)
        self._kinds = {
            name: dtype if tensor.is_floating_point() else tensor.dtype
            for name, tensor in buffers.items()
        }
        self._module = module.to(device=device, dtype=dtype)

    def initial_weights(self, seed: int) -> tuple[Tensor, Tensor]:
        """Initial weights [P] and buffers [Q], float64 on the CPU, the same for the same seed."""
        weights, buffers = _weights_and_buffers(self._make_module(seed))
        for expected, tensors in ((self.shapes, weights), (self.buffers, buffers)):
            shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
            if shapes != expected:
                name = next(n for n in {**shapes, **expected} if shapes.get(n) != expected.get(n))
                raise self._errors.violation(
                    "make models of one structure from the same params",
                    f"got {name} of shape {expected.get(name)}, then {shapes.get(name)}",
                )
        return _flatten(weights), _flatten(buffers)

    def own_buffers(self, buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copies of buffers, [*shape] or [K, *shape], in the types that the module has them in."""
        return {name: value.to(self._kinds[name], copy=True) for name, value in buffers.items()}

    def __call__(
        self,
        weights: Mapping[str, Tensor],
        module_buffers: dict[str, Tensor],
        inputs: PyTree,
        training: bool,
    ) -> PyTree:
        """The outputs with these weights.

        Args:
            weights: [*shape] by name.
            module_buffers: as `own_buffers` made them; the pass changes them as it does the
                module's.
            inputs: [B, ...] each.
            training: the module's mode.

        Raises:
            TrainingFailed: when the module raises an error.
        """
        self._module.train(training)
        tensors = {**weights, **module_buffers}
        with self._errors.while_running("its model"):
            outputs = functional_call(self._module, tensors, (inputs,))
        module_buffers.update((name, tensors[name].detach()) for name in module_buffers)
        return outputs

    def refresh_statistics(
        self,
        weights: Mapping[str, Tensor],
        module_buffers: dict[str, Tensor],
        batches: Iterable[PyTree],
    ) -> None:
        """Makes the running statistics in `module_buffers` the means over batches.

        Only batch norms are in training mode. With momentum None a batch norm averages cumulatively
        over the batches that it has counted.
        """
        norms = {
            path: module
            for path, module in self._module.named_modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
        }
        if not norms:
            return
        momenta = {path: norm.momentum for path, norm in norms.items()}
        self._module.eval()
        for path, norm in norms.items():
            norm.train()
            norm.momentum = None
            for name in ("running_mean", "num_batches_tracked"):
                module_buffers[f"{path}.{name}"].zero_()
            module_buffers[f"{path}.running_var"].fill_(1)
        try:
            for inputs in batches:
                with self._errors.while_running("its model"):
                    functional_call(self._module, {**weights, **module_buffers}, (inputs,))
        finally:
            for path, norm in norms.items():
                norm.momentum = momenta[path]

    def _make_module(self, seed: int) -> nn.Module:
        with global_seed(seed, CPU), self._errors.while_running("model()"):
            module = self._make()
        if not isinstance(module, nn.Module):
            raise self._errors.violation(
                "make a torch.nn.Module in model()", f"got a {type(module).__name__}"
            )
        if any(map(is_lazy, module.parameters())) or any(map(is_lazy, module.buffers())):
            raise self._errors.violation(
                "make a model that knows its shapes", "got one with lazy layers",
                "call it on a few rows before returning it",
            )  # fmt: skip
        return module


def _weights_and_buffers(module: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights and buffers by name."""
    named = {name: tensor.detach().cpu() for name, tensor in module.named_parameters()}
    trained = {name for name, tensor in module.named_parameters() if tensor.requires_grad}
    frozen = {name: tensor for name, tensor in named.items() if name not in trained}
    buffers = {name: tensor.detach().cpu() for name, tensor in module.named_buffers()}
    return {name: named[name] for name in named if name in trained}, frozen | buffers


def _units(module: nn.Module) -> dict[str, int]:
    """Of each weight, the axis of the units that it leads into.

    That is torch's first, for transposed convolutions the second. Embeddings lead into none, and
    of transposed convolutions in groups no axis holds the units.
    """
    units = {}
    for path, layer in module.named_modules():
        if isinstance(layer, nn.Embedding | nn.EmbeddingBag):
            continue
        is_transposed = isinstance(layer, nn.modules.conv._ConvTransposeNd)
        if is_transposed and layer.groups != 1:
            continue
        for name, parameter in layer.named_parameters(path, recurse=False):
            if parameter.dim() > 1:
                units[name] = int(is_transposed)
    return units


def _flatten(tensors: Mapping[str, Tensor]) -> Tensor:
    parts = [tensor.double().flatten() for tensor in tensors.values()]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.float64)
