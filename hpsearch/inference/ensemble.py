"""An ensemble outside the service: from its file alone, without server, database or data.

N   rows        C   classes, or 1 for numbers
A row's prediction is the same to the last bit in every process, among however many other rows, and
with any number of threads: models compute in float64, whose rounding differs with the size of a
matrix, and what they say is rounded to float32, where such differences vanish. What follows from
there takes each row on its own.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpsearch.ensemble_builder.archive import Archive
from hpsearch.ensemble_builder.checkpoint_checks import incompatibility
from hpsearch.ensemble_builder.input_columns import column_names
from hpsearch.ensemble_builder.manifest import Manifest, MemberEntry, PartEntry
from hpsearch.ensemble_builder.zip_safety import join_faults
from hpsearch.ensembling.calibration import apply_temperature
from hpsearch.ensembling.combining import Combined, combine, probabilities
from hpsearch.errors import CorruptArtifact, InvalidInput, TrainingFailed
from hpsearch.inference.inputs import check_finite
from hpsearch.inference.model import NO_PROBABILITIES, NOT_FINITE, Predictor, Reading, model_of
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire.ensembles import PredictionResult, Scores
from hpsearch.training.checkpoints import multi_run

CHUNK_ROWS = 1024
"""Rows of one forward pass."""


class TrainedEnsemble:
    """Models that answer together.

    Args:
        manifest: what the ensemble says of itself.
        parts: its models that are whole, with their entries; at least one.
    """

    def __init__(self, manifest: Manifest, parts: Sequence[tuple[PartEntry, Predictor]]) -> None:
        total = sum(entry.weight for entry, _ in parts)
        if not total > 0:
            raise CorruptArtifact(
                "an ensemble must have a part with a weight above 0, got none; download it again"
            )
        self._manifest = manifest
        self._models = tuple(model for _, model in parts)
        self._first_of_each_reading = tuple({one.reading: one for one in self._models}.values())
        self._weights = np.array([entry.weight / total for entry, _ in parts])
        there = {entry.file for entry, _ in parts}
        kept = [member for member in manifest.members if member.part in there]
        whole = sum(member.weight for member in kept) or 1.0
        self.members: tuple[MemberEntry, ...] = tuple(
            member.model_copy(update={"weight": member.weight / whole}) for member in kept
        )
        """The checkpoints in it; their weights add up to 1."""

    @property
    def kind(self) -> str:
        """How its members were chosen."""
        return self._manifest.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the probabilities; none for numbers."""
        return self._manifest.classes

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a row of an uploaded table; none where rows are numbers."""
        return self._manifest.columns

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of a row of numbers."""
        return self._manifest.features or ()

    @property
    def scores(self) -> Scores:
        """What was measured on validation and test rows when it was built, of all its members."""
        return self._manifest.scores

    def predict(self, x: Any) -> NDArray[Any]:
        """Each row's class by name, or its number, [N].

        Args:
            x: rows [N, *features] as the data set has them, columns in its order; of an uploaded
                table a DataFrame, whose columns go by their names, or a mapping from column to
                value for each row, None or NaN where one is missing.

        Raises:
            InvalidInput: when rows have another shape, or do not hold what they must.
        """
        said = self._combined(x)
        if said.labels is None:
            return said.values[:, 0]
        return np.array(self.classes)[said.labels]

    def predict_probabilities(self, x: Any, *, calibrated: bool = False) -> NDArray[np.float64]:
        """Of each class, [N, C]; under a vote the shares of the votes.

        Args:
            x: rows, as `predict` takes them.
            calibrated: scaled by the temperature that was fitted on the validation rows (Guo et al.
                2017), which moves no row's largest one.

        Raises:
            InvalidInput: when rows do not fit, or there are no classes.
        """
        if not self.classes:
            raise InvalidInput.at("x", NO_PROBABILITIES)
        shares = self._combined(x).values
        fitted = self._manifest.temperature
        return apply_temperature(shares, fitted) if calibrated and fitted is not None else shares

    def answer(self, inputs: Sequence[Any]) -> PredictionResult:
        """What `predict` and `predict_probabilities` say, as it travels.

        Raises:
            InvalidInput: when rows do not fit.
        """
        said = self._combined(inputs)
        if said.labels is None:
            return PredictionResult(predictions=said.values[:, 0].tolist())
        return PredictionResult(
            predictions=said.labels.tolist(),
            labels=[self.classes[label] for label in said.labels],
            probabilities=said.values.tolist(),
        )

    def _combined(self, x: Any) -> Combined:
        """What the models say together; of so many rows at a time that memory holds them all."""
        rows = {model.reading: model.taken(x) for model in self._first_of_each_reading}
        count = len(rows[self._models[0].reading])
        parts = [self._part(rows, start) for start in range(0, max(count, 1), CHUNK_ROWS)]
        labels = [part.labels for part in parts if part.labels is not None]
        return Combined(
            np.concatenate([part.values for part in parts]),
            np.concatenate(labels) if labels else None,
        )

    def _part(self, rows: Mapping[Reading, NDArray[np.float64]], start: int) -> Combined:
        """The same of the rows of one forward pass."""
        chunk = slice(start, start + CHUNK_ROWS)
        members = [self._said(one, rows[one.reading][chunk], start) for one in self._models]
        how, is_classification = self._manifest.combine, bool(self.classes)
        return combine(np.stack(members), self._weights, how, is_classification)

    @torch.no_grad()
    def _said(self, model: Predictor, rows: NDArray[np.float64], start: int) -> NDArray[np.float32]:
        """One model's probabilities or numbers, [N, C]."""
        outputs = model.outputs(rows).float().numpy()
        check_finite(outputs, NOT_FINITE, start)
        return probabilities(outputs) if self.classes else outputs

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"TrainedEnsemble({self._line()})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{member.trial}</td><td>{member.epoch}</td><td>{member.weight:.3f}</td></tr>"
            for member in self.members
        )
        return (
            f"<p>{html.escape(self._line())}</p><table><thead><tr><th>trial</th><th>epoch</th>"
            f"<th>weight</th></tr></thead><tbody>{rows}</tbody></table>"
        )

    def _line(self) -> str:
        all_of_them = len(self._manifest.members)
        is_whole = len(self) == all_of_them
        members = pluralize(len(self), "member")
        about = [
            f"{self.kind} of '{self._manifest.study}'",
            members if is_whole else f"{len(self)} of {pluralize(all_of_them, 'member')}",
        ]
        about.append(self._manifest.combine)
        values = self.scores.test or self.scores.validation
        part = "test" if self.scores.test else "validation"
        name = self.scores.headline
        if name in values:
            about.append(f"{part} {name} {values[name]:.4g}" + ("" if is_whole else " when whole"))
        return ", ".join(about)


def load_ensemble(path: str | Path | bytes) -> TrainedEnsemble:
    """An ensemble from its zip or its directory; damaged parts are left out with one warning.

    Raises:
        NotFound: when nothing is there.
        CorruptArtifact: when it is no ensemble, or no part of it is whole.
        InvalidInput: when it is of a plug-in, whose models need its own code.
    """
    with Archive(path) as archive:
        manifest = archive.manifest
        if manifest.features is None:
            raise InvalidInput.at(
                "task", "must be supervised to have models that can be loaded; use the scores"
            )
        found, faults = [], []
        for entry in manifest.parts:
            try:
                model = _model(archive.read_part(entry), manifest)
            except (CorruptArtifact, TrainingFailed, InvalidInput) as error:
                faults.append(f"{entry.file}: {error}")
            else:
                found.append((entry, model))
    if not found:
        raise CorruptArtifact(
            f"an ensemble must have a part that is whole, got none; {join_faults(faults)}"
        )
    if faults:
        what = "it is" if len(faults) == 1 else "they are"
        warnings.warn(
            f"{join_faults(faults)}; {what} left out, and the others count more", stacklevel=3
        )
    return TrainedEnsemble(manifest, found)


def _model(content: bytes, manifest: Manifest) -> Predictor:
    """A part's model, once its numbers have the shapes that it needs."""
    saved = multi_run.run_checkpoints(content)
    for run in saved:
        if (run.classes, column_names(run)) != (manifest.classes, manifest.columns):
            raise CorruptArtifact("its classes or columns are not those of the ensemble")
    features = manifest.features or ()
    try:
        for run in saved:
            if reason := incompatibility(run, features):
                raise CorruptArtifact(reason)
        model = model_of(saved, features)
    except (TypeError, ValueError) as error:  # a spec that nobody resolved
        raise CorruptArtifact(f"no model can be made of it ({error})") from None
    return model.double()
