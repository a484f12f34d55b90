"""Optuna: its samplers on our studies, and our coarse-to-fine search for scripts of its users.

`CoarseToFineSampler` and `SamplerStage` are for such scripts. They are imported at first use, as
the rest of this package must not load Optuna before a study needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpsearch.search.optuna.coarse_to_fine_sampler import CoarseToFineSampler, SamplerStage

__all__ = ["CoarseToFineSampler", "SamplerStage"]


def __getattr__(name: str) -> Any:
    """Imports what scripts of Optuna's users take from here."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hpsearch.search.optuna import coarse_to_fine_sampler

    return getattr(coarse_to_fine_sampler, name)
