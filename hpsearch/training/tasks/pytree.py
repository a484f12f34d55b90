"""Tensors in tuples, lists and dicts, as models of plug-ins take and give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def mapped(change: Callable[..., Any], nest: Any, *others: Any) -> Any:
    """The nest with each leaf changed, together with those at its place in others of one shape."""
    if isinstance(nest, Mapping):
        return type(nest)(  # type: ignore[call-arg]
            {name: mapped(change, leaf, *(o[name] for o in others)) for name, leaf in nest.items()}
        )
    if isinstance(nest, tuple | list):
        parts = [mapped(change, *leaves) for leaves in zip(nest, *others, strict=True)]
        return type(nest)(*parts) if hasattr(nest, "_fields") else type(nest)(parts)
    return change(nest, *others)


def leaves(nest: Any) -> Iterator[Any]:
    """All leaves, in order."""
    if isinstance(nest, Mapping | tuple | list):
        for part in nest.values() if isinstance(nest, Mapping) else nest:
            yield from leaves(part)
    else:
        yield nest


def joined(parts: Sequence[Any]) -> Any:
    """Nests of rows one after another."""
    return parts[0] if len(parts) == 1 else mapped(_cat, *parts)


def stacked(parts: Sequence[Any]) -> Any:
    """Nests side by side, on a new first axis."""
    return mapped(_stack, *parts)


def _cat(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors)


def _stack(*tensors: Tensor) -> Tensor:
    return torch.stack(tensors)
