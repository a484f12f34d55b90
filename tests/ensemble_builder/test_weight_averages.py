"""Averaged weights get running statistics of their own: those of torch's `update_bn`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from finished_study import FinishedStudy, finished
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from hpsearch.ensemble_builder import build
from hpsearch.ensemble_builder.archive import EnsembleArchive
from hpsearch.spec.ensemble import EnsembleSpec
from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.checkpoints.checkpoint import Checkpoint
from hpsearch.training.data.datasets import dataset_for


def averaged(study: FinishedStudy, **request: Any) -> Checkpoint:
    """The one model of an ensemble of averaged weights."""
    asked: EnsembleSpec = TypeAdapter(EnsembleSpec).validate_python(request)
    with EnsembleArchive(build(asked, study.spec, study.candidates, study).content) as archive:
        (part,) = archive.manifest.parts
        return checkpoints.read(archive.read_part(part))


def by_torch(saved: Checkpoint) -> dict[str, Tensor]:
    """Statistics of a network of one hidden layer over its training rows, 32 at a time."""
    cpu, spec = torch.device("cpu"), saved.spec
    data = dataset_for(spec.supervised, spec.seed, device=cpu, dtype=torch.float64)
    net = nn.Sequential(nn.Linear(13, 12), nn.BatchNorm1d(12)).double()
    with torch.no_grad():
        net[0].weight.copy_(saved.weights["layers.0.weight"].T)
        net[0].bias.copy_(saved.weights["layers.0.bias"])
    update_bn(torch.split(data.train.x, 32), net)
    return {f"layers.0.norm.{one}": net[1].get_buffer(f"running_{one}") for one in ("mean", "var")}


@pytest.mark.parametrize("kind", ["average", "ema", "swa", "soup_uniform"])
def test_averaged_weights_have_the_statistics_of_update_bn(kind: str) -> None:
    found = averaged(finished(), kind=kind, size=3)
    for name, tensor in by_torch(found).items():
        torch.testing.assert_close(found.buffers[name].double(), tensor, rtol=1e-4, atol=1e-5)
