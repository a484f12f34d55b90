"""Trees of tensors (tuples, lists, dicts of them), as models of plug-ins take and give them.

The functions are called as in `jax.tree_util` and `torch.utils._pytree`. Torch's module is private,
and of mappings only dicts are nodes in it; here any mapping is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def tree_map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """A tree of what `function` gives for each leaf and the leaves at its place in `rest`.

    Args:
        function: called with one leaf of each tree.
        tree: its structure is that of the result.
        rest: further trees of the same structure.
    """
    if isinstance(tree, Mapping):
        return type(tree)(  # type: ignore[call-arg]
            {
                key: tree_map(function, child, *(other[key] for other in rest))
                for key, child in tree.items()
            }
        )
    if isinstance(tree, tuple | list):
        children = [tree_map(function, *nodes) for nodes in zip(tree, *rest, strict=True)]
        return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)
    return function(tree, *rest)


def tree_leaves(tree: Any) -> Iterator[Any]:
    """All leaves, depth first, in the order of tuples, lists and dicts."""
    if isinstance(tree, Mapping | tuple | list):
        for child in tree.values() if isinstance(tree, Mapping) else tree:
            yield from tree_leaves(child)
    else:
        yield tree


def tree_concatenate(trees: Sequence[Any]) -> Any:
    """Trees of rows [N_i, ...] as one of [ΣN_i, ...]."""
    return trees[0] if len(trees) == 1 else tree_map(_concatenate, *trees)


def tree_stack(trees: Sequence[Any]) -> Any:
    """Trees of [...] as one of [len(trees), ...]."""
    return tree_map(_stack, *trees)


def _concatenate(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors)


def _stack(*tensors: Tensor) -> Tensor:
    return torch.stack(tensors)
