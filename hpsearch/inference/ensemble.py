"""An ensemble outside the service: from its file alone, without server, database or data.

N   rows        C   classes, or 1 for numbers

    ensemble = load_ensemble("digits.zip")
    ensemble.predict(rows), ensemble.predict_probabilities(rows)

A row's prediction is the same to the last bit in every process, among however many other rows, and
with any number of threads: models compute in float64, whose rounding differs with the size of a
matrix, and their outputs are rounded to float32, where such differences vanish. All that follows
takes each row on its own.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpsearch.ensemble_builder.archive import EnsembleArchive
from hpsearch.ensemble_builder.checkpoint_checks import incompatibility
from hpsearch.ensemble_builder.input_columns import column_names
from hpsearch.ensemble_builder.manifest import Manifest, MemberEntry, PartEntry
from hpsearch.ensemble_builder.zip_safety import join_faults
from hpsearch.ensembling.calibration import apply_temperature
from hpsearch.ensembling.combining import Combined, combine, probabilities
from hpsearch.errors import CorruptArtifact, InvalidInput, TrainingFailed
from hpsearch.inference.inputs import check_finite
from hpsearch.inference.model import (
    NO_PROBABILITIES,
    NOT_FINITE,
    TrainedPredictor,
    model_of,
)
from hpsearch.inference.row_reader import TableRows, joined_readers
from hpsearch.inference.unknown_categories import refuse_unknown, warn_of_unknown
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire.ensemble_scores import EnsembleScores
from hpsearch.spec.wire.ensembles import PredictionResult
from hpsearch.spec.wire.upload import ClassType
from hpsearch.training.checkpoints import multi_run
from hpsearch.training.data.class_values import class_values

CHUNK_ROWS = 1024
"""Rows of one forward pass."""


class TrainedEnsemble:
    """Several models whose predictions are combined; `load_ensemble` makes one of a file.

    Args:
        manifest: what the ensemble's file says of it.
        parts: its models that are whole, with their entries; at least one.

    Raises:
        CorruptArtifact: when none of these parts has a weight, or they read a table in different
            ways.
    """

    def __init__(
        self, manifest: Manifest, parts: Sequence[tuple[PartEntry, TrainedPredictor]]
    ) -> None:
        total = sum(entry.weight for entry, _ in parts)
        if not total > 0:
            raise CorruptArtifact(
                "an ensemble must have a part with a weight above 0, got none; download it again"
            )
        self._manifest = manifest
        self._models = tuple(model for _, model in parts)
        readers = [model.reader for model in self._models if model.reader is not None]
        try:
            self._reader = joined_readers(readers) if readers else None
        except ValueError as error:
            raise CorruptArtifact(
                f"an ensemble's parts must belong together, and {error}; download it again"
            ) from None
        self._class_values = class_values(manifest.classes, manifest.class_type)
        factors = manifest.label_factors
        self._label_factors = None if factors is None else np.array(factors)
        self._weights = np.array([entry.weight / total for entry, _ in parts])
        files = {entry.file for entry, _ in parts}
        members = [member for member in manifest.members if member.part in files]
        member_total = sum(member.weight for member in members) or 1.0
        self.members: tuple[MemberEntry, ...] = tuple(
            member.model_copy(update={"weight": member.weight / member_total}) for member in members
        )
        """The checkpoints in it; their weights add up to 1."""

    @property
    def kind(self) -> str:
        """How its members were chosen, such as `greedy`."""
        return self._manifest.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names in the order of the probabilities; none for numbers."""
        return self._manifest.classes

    @property
    def class_type(self) -> ClassType:
        """What predictions are: text, integer, number or boolean."""
        return self._manifest.class_type

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an uploaded table that a row has values of; none for rows of numbers."""
        return self._manifest.columns

    @property
    def features(self) -> tuple[int, ...]:
        """The shape of a row of numbers: [columns], or [channels, height, width] of images."""
        return self._manifest.features or ()

    @property
    def scores(self) -> EnsembleScores:
        """Metrics on validation and test rows when it was built, of all its members."""
        return self._manifest.scores

    def predict(self, x: Any, *, strict: bool = False) -> NDArray[Any]:
        """Predicts rows.

        Args:
            x: rows [N, *features] as the data set has them, columns in its order; of an uploaded
                table a DataFrame, whose columns go by their names, or a mapping from column to
                value for each row, None or NaN where one is missing.
            strict: refuses rows that hold a category which no training row had.

        Returns:
            [N]: each row's class, of the type that was learned (text, int64, float64 or bool), or
            its number in the data's own unit.

        Raises:
            InvalidInput: when rows have another shape, or do not hold what they must.

        Warns:
            UnknownCategoryWarning: when rows hold categories that no training row had.

        Example:
            >>> ensemble.predict(rows)
            array(['class_0', 'class_2'], dtype='<U7')
        """
        combined = self._combined(self._known_rows(x, strict=strict))
        if combined.labels is None:
            return combined.values[:, 0]
        return self._class_values[combined.labels]

    def predict_probabilities(
        self, x: Any, *, calibrated: bool = False, strict: bool = False
    ) -> NDArray[np.float64]:
        """The probabilities of the classes.

        Args:
            x: rows, as `predict` takes them.
            calibrated: scaled by the temperature that was fitted on the validation rows (Guo et al.
                2017), which leaves the likeliest class of each row the likeliest.
            strict: refuses rows that hold a category which no training row had.

        Returns:
            [N, C], each row with sum 1; where members vote, their shares of the votes.

        Raises:
            InvalidInput: when rows do not fit, or there are no classes.

        Warns:
            UnknownCategoryWarning: when rows hold categories that no training row had.

        Example:
            >>> ensemble.predict_probabilities(rows).shape
            (2, 3)
        """
        if not self.classes:
            raise InvalidInput.at("x", NO_PROBABILITIES)
        probabilities = self._combined(self._known_rows(x, strict=strict)).values
        temperature = self._manifest.temperature
        if not calibrated or temperature is None:
            return probabilities
        return apply_temperature(probabilities, temperature)

    def unknown_categories(self, x: Any) -> dict[str, int]:
        """How many rows hold a category that no training row had, by column; empty where none do.

        Args:
            x: rows, as `predict` takes them.

        Raises:
            InvalidInput: when rows do not fit.

        Example:
            >>> ensemble.unknown_categories(rows)
            {}
        """
        return _counts(self._read_rows(x))

    def answer(self, inputs: Any, *, strict: bool = False) -> PredictionResult:
        """The results of `predict` and `predict_probabilities` in the form that REST sends.

        Args:
            inputs: rows, as `predict` takes them.
            strict: refuses rows that hold a category which no training row had.

        Raises:
            InvalidInput: when rows do not fit.
        """
        rows = self._read_rows(inputs)
        if strict:
            refuse_unknown(rows.unknown)
        combined, unknown = self._combined(rows.x), _counts(rows)
        if combined.labels is None:
            return PredictionResult(predictions=combined.values[:, 0].tolist(), unknown=unknown)
        return PredictionResult(
            predictions=combined.labels.tolist(),
            labels=self._class_values[combined.labels].tolist(),
            probabilities=combined.values.tolist(),
            unknown=unknown,
        )

    def _read_rows(self, x: Any) -> TableRows:
        """Rows as all models take them; a category that one of them knows is known."""
        return self._models[0].read_rows(x) if self._reader is None else self._reader.read(x)

    def _known_rows(self, x: Any, *, strict: bool) -> NDArray[np.float64]:
        """Rows as all models take them; unknown categories are warned of, or refused."""
        rows = self._read_rows(x)
        if strict:
            refuse_unknown(rows.unknown)
        warn_of_unknown(rows.unknown, len(rows.x), stacklevel=3)
        return rows.x

    def _combined(self, rows: NDArray[np.float64]) -> Combined:
        """The models' combined predictions, computed in chunks so that memory holds them."""
        starts = range(0, max(len(rows), 1), CHUNK_ROWS)
        chunks = [self._chunk(rows[start : start + CHUNK_ROWS], start) for start in starts]
        labels = [chunk.labels for chunk in chunks if chunk.labels is not None]
        return Combined(
            np.concatenate([chunk.values for chunk in chunks]),
            np.concatenate(labels) if labels else None,
        )

    def _chunk(self, rows: NDArray[np.float64], start: int) -> Combined:
        """The models' combined predictions of the rows of one forward pass."""
        members = [self._values(model, rows, start) for model in self._models]
        how, is_classification = self._manifest.combine, bool(self.classes)
        return combine(
            np.stack(members), self._weights, how, is_classification, self._label_factors
        )

    @torch.no_grad()
    def _values(
        self, model: TrainedPredictor, rows: NDArray[np.float64], start: int
    ) -> NDArray[np.float32]:
        """One model's probabilities or numbers, [N, C]."""
        outputs = model.outputs(rows).float().numpy()
        check_finite(outputs, NOT_FINITE, start)
        return probabilities(outputs) if self.classes else outputs

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"TrainedEnsemble({self._summary()})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{member.trial}</td><td>{member.epoch + 1}</td>"
            f"<td>{member.weight:.3f}</td></tr>"
            for member in self.members
        )
        return (
            f"<p>{html.escape(self._summary())}</p><table><thead><tr><th>trial</th>"
            f"<th>after epoch</th><th>weight</th></tr></thead><tbody>{rows}</tbody></table>"
        )

    def _summary(self) -> str:
        built = len(self._manifest.members)
        is_whole = len(self) == built
        members = pluralize(built, "member")
        facts = [
            f"{self.kind} of '{self._manifest.study}'",
            members if is_whole else f"{len(self)} of {members}",
            self._manifest.combine,
        ]
        values = self.scores.test or self.scores.validation
        split = "test" if self.scores.test else "validation"
        name = self.scores.headline
        if name in values:
            facts.append(f"{split} {name} {values[name]:.4g}" + ("" if is_whole else " when whole"))
        return ", ".join(facts)


def load_ensemble(path: str | Path | bytes) -> TrainedEnsemble:
    """Loads an ensemble from its file; damaged parts are left out with one warning.

    Args:
        path: the zip that `Ensemble.download` writes, the directory that it unpacks to, or the
            zip's bytes.

    Returns:
        The ensemble, which needs neither server nor data set to predict rows.

    Raises:
        NotFound: when there is no such file.
        CorruptArtifact: when it is no ensemble, or no part of it is whole.
        InvalidInput: when it is of a plug-in, whose models need its own code.

    Example:
        >>> ensemble = load_ensemble("wine.zip")
        >>> ensemble.kind, len(ensemble), ensemble.classes
        ('top_k', 3, ('class_0', 'class_1', 'class_2'))
    """
    with EnsembleArchive(path) as archive:
        manifest = archive.manifest
        if manifest.features is None:
            raise InvalidInput.at(
                "task", "must be supervised to have models that can be loaded; use the scores"
            )
        models, faults = [], []
        for entry in manifest.parts:
            try:
                model = _model(archive.read_part(entry), manifest)
            except (CorruptArtifact, TrainingFailed, InvalidInput) as error:
                faults.append(f"{entry.file}: {error}")
            else:
                models.append((entry, model))
    if not models:
        raise CorruptArtifact(
            f"an ensemble must have a part that is whole, got none; {join_faults(faults)}"
        )
    if faults:
        what = "it is" if len(faults) == 1 else "they are"
        warnings.warn(
            f"{join_faults(faults)}; {what} left out, and the others count more", stacklevel=3
        )
    return TrainedEnsemble(manifest, models)


def _counts(rows: TableRows) -> dict[str, int]:
    return {name: found.rows for name, found in rows.unknown.items()}


def _model(content: bytes, manifest: Manifest) -> TrainedPredictor:
    """A part's model, once its tensors are checked."""
    runs = multi_run.run_checkpoints(content)
    for run in runs:
        if (run.classes, run.class_type, column_names(run)) != (
            manifest.classes,
            manifest.class_type,
            manifest.columns,
        ):
            raise CorruptArtifact("its classes or columns are not those of the ensemble")
    features = manifest.features or ()
    try:
        for run in runs:
            if reason := incompatibility(run, features):
                raise CorruptArtifact(reason)
        model = model_of(runs, features)
    except (TypeError, ValueError) as error:  # a spec that nobody resolved
        raise CorruptArtifact(f"no model can be made of it ({error})") from None
    return model.double()
