"""The checkpoints that an ensemble may be made of: read, and checked against what was stored.

A candidate is dropped, with a warning, when its contents do not match their hash, belong to another
checkpoint, or do not fit the other candidates. Predictions that are missing or damaged are made
again while their checkpoint is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

import numpy as np
import torch

from hpsearch.ensemble_builder.stored_predictions import as_stored
from hpsearch.ensembling import predictions as stored
from hpsearch.ensembling.predictions import Predictions, SplitPredictions
from hpsearch.errors import CorruptArtifact, NotFound, TrainingFailed
from hpsearch.spec.language.fields import MESSAGE_LENGTH
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.evaluation.predictions import Predictor, plan_of

MOST_WARNINGS = 1000
"""Warnings in full; more are only counted."""


class Sources(Protocol):
    """Where candidates' contents come from."""

    def predictions(self, candidate: Candidate) -> bytes:
        """The candidate's stored predictions; asked for only where there are some.

        Raises:
            CorruptArtifact, NotFound: when what comes is not what was stored.
        """
        ...

    def checkpoint(self, candidate: Candidate) -> bytes:
        """The candidate's checkpoint.

        Raises:
            CorruptArtifact, NotFound: when what comes is not what was stored.
        """
        ...


def is_finite(predictions: SplitPredictions) -> bool:
    """Whether all outputs are finite."""
    return bool(np.isfinite(predictions.outputs).all())


def describe(candidate: Candidate) -> str:
    """A candidate as warnings name it."""
    return f"checkpoint {candidate.checkpoint} of trial {candidate.trial}, epoch {candidate.epoch}"


class Candidates:
    """Reads candidates, and drops from `usable` those that turn out not to be.

    Args:
        listed: all candidates.
        sources: where their contents come from.
        device: where predictions are made again.
    """

    def __init__(
        self, listed: Sequence[Candidate], sources: Sources, device: torch.device | str
    ) -> None:
        self.listed = tuple(listed)
        self.usable = self.listed
        """Those that were not dropped so far, in the order of `listed`."""
        self._sources = sources
        self._predictor = Predictor(device=device)
        self._reference: Predictions | None = None
        self._drop_reasons: dict[int, str] = {}
        self._made_again: dict[int, str] = {}
        self._never_stored: set[int] = set()
        self._notes: dict[str, None] = {}

    @property
    def warnings(self) -> list[str]:
        """Which candidates were dropped or predicted again and why, then the notes."""
        sentences = [*self._drop_reasons.values(), *self._made_again.values()]
        if count := len(self._never_stored.difference(self._drop_reasons)):
            sentences.append(
                f"predictions of {pluralize(count, 'checkpoint')} were not stored and have been "
                "made from the weights"
            )
        sentences += self._notes
        sentences = [
            text if len(text) <= MESSAGE_LENGTH else f"{text[: MESSAGE_LENGTH - 1]}…"
            for text in sentences
        ]
        if (more := len(sentences) - MOST_WARNINGS) > 0:
            return [*sentences[:MOST_WARNINGS], f"and {more:,} more"]
        return sentences

    def first_reason(self, trial: int | None) -> str | None:
        """Why the first of a trial's checkpoints that were dropped was; none where none was."""
        dropped = (
            candidate
            for candidate in self.listed
            if candidate.trial == trial and candidate.checkpoint in self._drop_reasons
        )
        first = next(dropped, None)
        return None if first is None else self._drop_reasons[first.checkpoint]

    def drop(self, candidate: Candidate, reason: str) -> None:
        """Takes a candidate out of `usable`, with a warning."""
        self._made_again.pop(candidate.checkpoint, None)
        self._drop_reasons[candidate.checkpoint] = (
            f"{describe(candidate)}: {reason}; it is left out"
        )
        self.usable = tuple(
            other for other in self.usable if other.checkpoint != candidate.checkpoint
        )

    def note(self, sentence: str) -> None:
        """Adds a sentence to the warnings, unless it is among them."""
        self._notes[sentence] = None

    def predictions(self, candidate: Candidate) -> Predictions | None:
        """What a candidate predicts; none where it is dropped, now or before.

        The first candidate that is read decides which rows the others must have predicted.
        """
        if candidate.checkpoint in self._drop_reasons:
            return None
        try:
            predictions = self._stored_predictions(candidate) or self.predict(
                self._checkpoint(candidate), candidate
            )
        except (CorruptArtifact, NotFound, TrainingFailed) as error:
            self.drop(candidate, str(error))
            return None
        if reason := self._incompatibility(predictions):
            self.drop(candidate, reason)
            return None
        self._reference = self._reference or predictions
        return predictions

    def checkpoint(self, candidate: Candidate) -> bytes | None:
        """A candidate's checkpoint; none where it is damaged, and the candidate dropped."""
        try:
            return self._checkpoint(candidate)
        except (CorruptArtifact, NotFound) as error:
            self.drop(candidate, str(error))
            return None

    def predict(self, checkpoint: bytes, candidate: Candidate) -> Predictions:
        """Predictions of any weights, such as a mean, under the name of a candidate.

        Raises:
            TrainingFailed: when the study's task gives no predictions.
        """
        predicted = self._predictor.predict(plan_of(checkpoint), checkpoint)
        if predicted is None:
            raise TrainingFailed(
                "an ensemble needs a task that predicts rows, and this study's gives no "
                "predictions; give its plug-in validation rows and outputs"
            )
        return as_stored(
            predicted,
            trial=candidate.trial,
            epoch=candidate.epoch,
            checkpoint=sha256(checkpoint).hexdigest(),
        )

    def _stored_predictions(self, candidate: Candidate) -> Predictions | None:
        """None where the candidate must predict again."""
        if candidate.predictions_sha256 is None:
            self._never_stored.add(candidate.checkpoint)
            return None
        try:
            content = self._sources.predictions(candidate)
            _check_hash(content, candidate.predictions_sha256, "its predictions")
            predictions = stored.read(content)
            origin = (predictions.trial, predictions.epoch, predictions.checkpoint)
            if origin != (candidate.trial, candidate.epoch, candidate.sha256):
                raise CorruptArtifact(
                    f"its predictions are those of trial {predictions.trial}, "
                    f"epoch {predictions.epoch}"
                )
        except (CorruptArtifact, NotFound) as error:
            self._made_again[candidate.checkpoint] = (
                f"{describe(candidate)}: {error}; they have been made again from the weights"
            )
            return None
        return predictions

    def _checkpoint(self, candidate: Candidate) -> bytes:
        content = self._sources.checkpoint(candidate)
        _check_hash(content, candidate.sha256, "it")
        return content

    def _incompatibility(self, predictions: Predictions) -> str | None:
        """Why predictions cannot be combined with the others'.

        The values of outputs on test rows do not count: test rows must change no choice.
        """
        if not is_finite(predictions.validation):
            return "its validation outputs are not all finite"
        if self._reference is None:
            return None
        reference = self._reference
        if not _have_same_rows(predictions.validation, reference.validation):
            return "its validation rows are not those of the best trial"
        if (predictions.test is None) != (reference.test is None) or (
            predictions.test
            and reference.test
            and not _have_same_rows(predictions.test, reference.test)
        ):
            return "its test rows are not those of the best trial"
        if predictions.classes != reference.classes:
            return "its classes are not those of the best trial"
        return None


def _check_hash(content: bytes, expected: str, what: str) -> None:
    if (actual := sha256(content).hexdigest()) != expected:
        raise CorruptArtifact(f"{what} must have the sha256 {expected[:12]}…, got {actual[:12]}…")


def _have_same_rows(first: SplitPredictions, second: SplitPredictions) -> bool:
    """Whether two models predicted the same rows with the same targets."""
    return (
        first.outputs.shape == second.outputs.shape
        and np.array_equal(first.rows, second.rows)
        and np.array_equal(first.targets, second.targets)
    )
