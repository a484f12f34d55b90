"""What all jobs of one worker share."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import torch

from workers.datasets import Datasets
from workers.heartbeat import Heartbeat
from workers.server_api import WorkerClient


@dataclass(frozen=True)
class WorkerContext:
    """The server, and what this process has to work with."""

    client: WorkerClient
    datasets: Datasets
    """Uploaded data sets, fetched when a job needs them."""
    heartbeat: Heartbeat
    """Renews the leases of the jobs it is given."""
    device: torch.device
    stop: threading.Event
    """Set when the worker is told to end."""
    checkpoint_seconds: float
    """The longest stretch of training that a kill may cost."""
