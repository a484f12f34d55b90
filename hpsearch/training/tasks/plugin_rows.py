"""A part of a plug-in's data, from which batches are taken by row numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from hpsearch.training.numerics.global_seed import global_seed
from hpsearch.training.tasks.plugin import Data, PyTree
from hpsearch.training.tasks.plugin_errors import PluginErrors
from hpsearch.training.tasks.pytree import tree_leaves, tree_map


class PluginRows:
    """Pairs (inputs, targets): all on the device, or read from a `Dataset` as they are asked for.

    Args:
        data: as the plug-in gave it.
        name: `train`, `validation` or `test`.
        device: where batches lie.
        dtype: of floating-point numbers.
        errors: name the plug-in.

    Raises:
        TrainingFailed: when it is no such data, or has no rows.
    """

    def __init__(
        self,
        data: Data,
        name: str,
        *,
        device: torch.device,
        dtype: torch.dtype,
        errors: PluginErrors,
    ) -> None:
        self._name, self._device, self._dtype, self._errors = name, device, dtype, errors
        self._pair: PyTree = None
        self._dataset: Any = None
        if isinstance(data, tuple | list) and len(data) == 2:
            self._pair = tree_map(self._to_device, tuple(data))
            self._count = self._length()
        elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
            with errors.while_running(f"len({name})"):
                self._dataset, self._count = data, len(data)
        else:
            raise errors.violation(
                f"give {name} as (inputs, targets) or a Dataset with len() and [row]",
                f"got a {type(data).__name__}",
            )
        if self._count < 1:
            raise errors.violation(f"give {name} at least one row", "got none")

    def __len__(self) -> int:
        return self._count

    def take(self, rows: Tensor, seed: int) -> tuple[PyTree, PyTree]:
        """Inputs and targets of some rows; int64 [B] on the CPU.

        A `Dataset` may draw random numbers for each row: they come from the seed.
        """
        if self._dataset is None:
            index = rows.to(self._device)
            inputs, targets = tree_map(lambda leaf: leaf[index], self._pair)
            return inputs, targets
        with global_seed(seed, self._device), self._errors.while_running(f"{self._name}[row]"):
            inputs, targets = default_collate([self._dataset[row] for row in rows.tolist()])
        return tree_map(self._to_device, inputs), tree_map(self._to_device, targets)

    def _to_device(self, leaf: Any) -> Tensor:
        if isinstance(leaf, np.ndarray):
            leaf = torch.from_numpy(leaf)
        if not isinstance(leaf, Tensor):
            raise self._errors.violation(
                f"give {self._name} as tensors or NumPy arrays", f"got a {type(leaf).__name__}"
            )
        return leaf.to(self._device, self._dtype if leaf.is_floating_point() else leaf.dtype)

    def _length(self) -> int:
        lengths = {len(leaf) if leaf.dim() else 0 for leaf in tree_leaves(self._pair)}
        if len(lengths) != 1:
            raise self._errors.violation(
                f"give inputs and targets of {self._name} equally many rows",
                f"got {' and '.join(map(str, sorted(lengths)))}",
            )
        return lengths.pop()
