"""Measuring a plug-in's model: its metrics, its predictions, and the statistics of batch norms.

K   trials        N   rows of a part        C   outputs of a row
Trials are measured one by one. What the plug-in draws meanwhile is the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from hpsearch.training.models.base import Views
from hpsearch.training.numerics.global_seed import global_seed
from hpsearch.training.numerics.seeds import Stream, seed_of
from hpsearch.training.tasks.base import Evaluation, HeldOut
from hpsearch.training.tasks.plugin import PyTree
from hpsearch.training.tasks.plugin_module import PluginModule
from hpsearch.training.tasks.plugin_rows import PluginRows
from hpsearch.training.tasks.plugin_scores import Scores
from hpsearch.training.tasks.pytree import tree_concatenate

MEASURED_BATCHES = 4
"""Batches whose rows make one forward pass when measuring, which keeps no graph."""


class PluginEvaluator:
    """Measures trials of one plug-in.

    Args:
        module: the structure of its model.
        scores: its loss and metrics.
        rows: its data by part; `test` only where it gives any.
        seed: the study's.
        device: where to compute.
        batch_size: of training.
    """

    def __init__(
        self,
        module: PluginModule,
        scores: Scores,
        rows: Mapping[str, PluginRows],
        *,
        seed: int,
        device: torch.device,
        batch_size: int,
    ) -> None:
        self._module, self._scores, self._rows = module, scores, rows
        self._seed, self._device = seed, device
        self._pass_rows = MEASURED_BATCHES * batch_size

    def metrics(self, weights: Views, buffers: Views, split: HeldOut) -> dict[str, Tensor]:
        """Loss and metrics under their full names (`val_loss`), each [K]."""
        by_trial = []
        for k in range(_trials(weights)):
            with self._measuring():
                by_trial.append(self._scores_of(self._outputs(weights, buffers, k, split)))
        return self._columns(by_trial, split)

    def predictions(self, weights: Views, buffers: Views, split: HeldOut) -> tuple[Tensor, Tensor]:
        """What an ensemble combines: outputs [K, N, C] and targets [N].

        Raises:
            TrainingFailed: when the plug-in gives nothing that can be combined.
        """
        by_trial, targets = [], torch.empty(0)
        for k in range(_trials(weights)):
            with self._measuring():
                outputs, targets = self._combinable(self._outputs(weights, buffers, k, split))
            by_trial.append(outputs)
        return torch.stack(by_trial), targets

    def evaluate(self, weights: Views, buffers: Views, split: HeldOut) -> Evaluation:
        """Predictions and metrics of one pass.

        Raises:
            TrainingFailed: as `predictions` does.
        """
        by_trial, scores, targets = [], [], torch.empty(0)
        for k in range(_trials(weights)):
            with self._measuring():
                blocks = tuple(self._outputs(weights, buffers, k, split))
                scores.append(self._scores_of(blocks))
                outputs, targets = self._combinable(blocks)
            by_trial.append(outputs)
        return Evaluation(torch.stack(by_trial), targets, self._columns(scores, split))

    def refresh_statistics(self, weights: Views, buffers: Views, batches: Sequence[Tensor]) -> None:
        """Sets batch norms' running statistics, in place, to their means over training batches.

        Args:
            weights: [K, *shape] by name.
            buffers: [K, *shape] by name.
            batches: numbers of training rows, int64 [B] each.
        """
        for k in range(_trials(weights)):
            own = self._module.own_buffers({name: view[k] for name, view in buffers.items()})
            with self._measuring():
                inputs = (self._take("train", rows)[0] for rows in batches)
                self._module.refresh_statistics(
                    {name: view[k] for name, view in weights.items()}, own, inputs
                )
            for name, view in buffers.items():
                view[k].copy_(own[name])

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        with global_seed(seed_of(Stream.PLUGIN, self._seed), self._device), torch.no_grad():
            yield

    def _take(self, part: str, rows: Tensor) -> tuple[PyTree, PyTree]:
        """Inputs and targets of rows [B]; what a data set draws for them is named by the first."""
        return self._rows[part].take(rows, seed=seed_of(Stream.PLUGIN, self._seed, int(rows[0])))

    def _outputs(
        self, weights: Views, buffers: Views, k: int, split: HeldOut
    ) -> Iterator[tuple[PyTree, PyTree, int]]:
        """Outputs, targets and count of a part's rows, a few batches at a time; trial k's."""
        own_weights = {name: view[k] for name, view in weights.items()}
        own_buffers = self._module.own_buffers({name: view[k] for name, view in buffers.items()})
        for rows in torch.split(torch.arange(len(self._rows[split])), self._pass_rows):
            x, y = self._take(split, rows)
            outputs = self._module(own_weights, own_buffers, x, training=False)
            yield outputs, y, len(rows)

    def _combinable(self, blocks: Iterable[tuple[PyTree, PyTree, int]]) -> tuple[Tensor, Tensor]:
        """Outputs [N, C] and targets [N]."""
        parts = [self._scores.predictions(outputs, y, count) for outputs, y, count in blocks]
        return torch.cat([outputs for outputs, _ in parts]), torch.cat([y for _, y in parts])

    def _scores_of(self, blocks: Iterable[tuple[PyTree, PyTree, int]]) -> dict[str, float]:
        """Loss and metrics of all rows of the blocks, by their own names."""
        rows, loss, all_outputs, all_targets = 0, 0.0, [], []
        for outputs, y, count in blocks:
            loss += float(self._scores.losses(outputs, y, count).sum(dtype=torch.float64))
            rows += count
            if self._scores.names:
                all_outputs.append(outputs)
                all_targets.append(y)
        scores = {"loss": loss / rows}
        if all_outputs:
            scores |= self._scores.metrics(
                tree_concatenate(all_outputs), tree_concatenate(all_targets)
            )
        return scores

    def _columns(
        self, by_trial: Sequence[Mapping[str, float]], split: HeldOut
    ) -> dict[str, Tensor]:
        """Scores of all trials under their full names, each [K]."""
        prefix = "val" if split == "validation" else split
        return {
            f"{prefix}_{name}": torch.tensor(
                [scores[name] for scores in by_trial], dtype=torch.float64, device=self._device
            )
            for name in by_trial[0]
        }


def _trials(weights: Views) -> int:
    """Number of trials, K."""
    return len(next(iter(weights.values())))
