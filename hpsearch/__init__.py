"""Hyperparameter search as a service: the client's names."""

from hpsearch.client import Client, Study

__all__ = ["Client", "Study"]
