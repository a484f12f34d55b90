"""Hyperparameter search as a service: what notebooks and scripts import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.optional import importing_extra

if TYPE_CHECKING:
    from hpsearch.client.client import Client, Study
    from hpsearch.inference.ensemble import TrainedEnsemble

__all__ = ["Client", "Study", "load_ensemble"]


def __getattr__(name: str) -> object:
    """The client's classes, imported at first use: server and workers start without them."""
    if name in ("Client", "Study"):
        from hpsearch.client import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ensemble(path: str | Path | bytes) -> TrainedEnsemble:
    """Returns a downloaded ensemble, which predicts without a server.

    Args:
        path: its zip, the directory that the zip was unpacked to, or the zip's bytes.

    Raises:
        NotFound: when nothing is there.
        CorruptArtifact: when it is no ensemble, or no part of it is whole.
        MissingPackage: when torch is not installed.

    >>> path = ensemble.download("wine.zip")
    >>> hpsearch.load_ensemble(path).predict(rows).tolist()  # rows [2, 13]
    ['class_0', 'class_2']
    """
    with importing_extra("worker", "ensembles"):
        from hpsearch.inference.ensemble import load_ensemble as load
    return load(path)
