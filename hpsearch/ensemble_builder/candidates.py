"""Checkpoints and predictions of candidates, each held to what was stored.

What does not match its hash, or is another's, is named and left out; predictions that are missing
or damaged are made again while their checkpoint is whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hpsearch.ensemble_builder.stored_predictions import as_stored
from hpsearch.ensembling import predictions as stored
from hpsearch.ensembling.combining import probabilities
from hpsearch.ensembling.predictions import Part, Predictions
from hpsearch.errors import CorruptArtifact, NotFound, TrainingFailed
from hpsearch.spec.language.fields import MESSAGE_LENGTH
from hpsearch.spec.language.messages import pluralize
from hpsearch.spec.wire.ensembles import Candidate
from hpsearch.training.evaluation.predictions import Predictor, plan_of

MOST_WARNINGS = 1000
"""So many are told one by one."""


class Sources(Protocol):
    """Where candidates' contents come from."""

    def predictions(self, candidate: Candidate) -> bytes:
        """Its stored predictions; asked for only where there are some.

        Raises:
            CorruptArtifact, NotFound: when what comes is not what was stored.
        """
        ...

    def checkpoint(self, candidate: Candidate) -> bytes:
        """Its checkpoint.

        Raises:
            CorruptArtifact, NotFound: when what comes is not what was stored.
        """
        ...


def is_finite(part: Part) -> bool:
    """Whether all outputs are."""
    return bool(np.isfinite(part.outputs).all())


class LeftOut(Exception):
    """A candidate was left out after it had been chosen: choose again without it."""


def named(candidate: Candidate) -> str:
    """A candidate as warnings name it."""
    return f"checkpoint {candidate.checkpoint} of trial {candidate.trial}, epoch {candidate.epoch}"


def confidences(part: Part) -> NDArray[np.float32]:
    """What members combine, [N, C]: probabilities of classes, or numbers."""
    return probabilities(part.outputs) if part.of_classes else part.outputs


class Candidates:
    """The candidates that are whole, and why the others are not.

    Args:
        listed: all of them.
        sources: where their contents come from.
        device: where predictions are made again.
    """

    def __init__(
        self, listed: Sequence[Candidate], sources: Sources, device: torch.device | str
    ) -> None:
        self.listed = tuple(listed)
        self._sources = sources
        self._predictor = Predictor(device=device)
        self._reference: Predictions | None = None
        self._left_out: dict[int, str] = {}
        self._made_again: dict[int, str] = {}
        self._never_stored: set[int] = set()
        self._notes: dict[str, None] = {}

    @property
    def whole(self) -> tuple[Candidate, ...]:
        """Those not left out so far."""
        return tuple(one for one in self.listed if one.checkpoint not in self._left_out)

    @property
    def warnings(self) -> list[str]:
        """What was left out or made again, and why."""
        told = [*self._left_out.values(), *self._made_again.values()]
        if count := len(self._never_stored.difference(self._left_out)):
            told.append(
                f"predictions of {pluralize(count, 'checkpoint')} were not stored and have been "
                "made from the weights"
            )
        told += self._notes
        told = [
            text if len(text) <= MESSAGE_LENGTH else f"{text[: MESSAGE_LENGTH - 1]}…"
            for text in told
        ]
        if (more := len(told) - MOST_WARNINGS) > 0:
            return [*told[:MOST_WARNINGS], f"and {more:,} more"]
        return told

    def why_without(self, trial: int | None) -> str | None:
        """Why a trial's first checkpoint is left out, if one of them is."""
        return next(
            (
                self._left_out[one.checkpoint]
                for one in self.listed
                if one.trial == trial and one.checkpoint in self._left_out
            ),
            None,
        )

    def leave_out(self, candidate: Candidate, reason: str) -> None:
        """Makes a candidate no longer one of the whole ones, with a warning."""
        self._made_again.pop(candidate.checkpoint, None)
        self._left_out[candidate.checkpoint] = f"{named(candidate)}: {reason}; it is left out"

    def note(self, sentence: str) -> None:
        """Warns of something else; of the same once."""
        self._notes[sentence] = None

    def predictions(self, candidate: Candidate) -> Predictions | None:
        """What a candidate predicts, of the same rows as the others; none where it is left out.

        The first one that is read decides which rows these are.
        """
        if candidate.checkpoint in self._left_out:
            return None
        try:
            found = self._stored(candidate) or self._made(candidate)
        except (CorruptArtifact, NotFound, TrainingFailed) as error:
            self.leave_out(candidate, str(error))
            return None
        if reason := self._unfit(found):
            self.leave_out(candidate, reason)
            return None
        self._reference = self._reference or found
        return found

    def checkpoint(self, candidate: Candidate) -> bytes:
        """A candidate's checkpoint.

        Raises:
            LeftOut: when it is damaged; the candidate is no longer among the whole ones.
        """
        try:
            return self._content(candidate)
        except (CorruptArtifact, NotFound) as error:
            self.leave_out(candidate, str(error))
            raise LeftOut from None

    def predicted(self, checkpoint: bytes, like: Candidate) -> Predictions:
        """What weights predict that no candidate holds, such as a mean.

        Raises:
            TrainingFailed: when its task gives no predictions.
        """
        found = self._predictor.predict(plan_of(checkpoint), checkpoint)
        if found is None:
            raise TrainingFailed(
                "an ensemble needs a task that predicts rows, and this study's gives no "
                "predictions; give its plug-in validation rows and outputs"
            )
        return as_stored(
            found, trial=like.trial, epoch=like.epoch, checkpoint=sha256(checkpoint).hexdigest()
        )

    def _stored(self, candidate: Candidate) -> Predictions | None:
        """Its stored predictions; none where they must be made again."""
        if candidate.predictions_sha256 is None:
            self._never_stored.add(candidate.checkpoint)
            return None
        try:
            content = self._sources.predictions(candidate)
            _check(content, candidate.predictions_sha256, "its predictions")
            found = stored.read(content)
            theirs = (found.trial, found.epoch, found.checkpoint)
            if theirs != (candidate.trial, candidate.epoch, candidate.sha256):
                raise CorruptArtifact(
                    f"its predictions are those of trial {found.trial}, epoch {found.epoch}"
                )
        except (CorruptArtifact, NotFound) as error:
            self._made_again[candidate.checkpoint] = (
                f"{named(candidate)}: {error}; they have been made again from the weights"
            )
            return None
        return found

    def _made(self, candidate: Candidate) -> Predictions:
        return self.predicted(self._content(candidate), candidate)

    def _content(self, candidate: Candidate) -> bytes:
        content = self._sources.checkpoint(candidate)
        _check(content, candidate.sha256, "it")
        return content

    def _unfit(self, found: Predictions) -> str | None:
        """Why predictions cannot be combined with the others'.

        What they say of test rows does not count: that must change no choice.
        """
        if not is_finite(found.validation):
            return "its validation outputs are not all finite"
        if self._reference is None:
            return None
        expected = self._reference
        if not _are_alike(found.validation, expected.validation):
            return "its validation rows are not those of the best trial"
        if (found.test is None) != (expected.test is None) or (
            found.test and expected.test and not _are_alike(found.test, expected.test)
        ):
            return "its test rows are not those of the best trial"
        if found.classes != expected.classes:
            return "its classes are not those of the best trial"
        return None


def _check(content: bytes, expected: str, what: str) -> None:
    if (found := sha256(content).hexdigest()) != expected:
        raise CorruptArtifact(f"{what} must have the sha256 {expected[:12]}…, got {found[:12]}…")


def _are_alike(one: Part, other: Part) -> bool:
    """Whether two parts hold the same rows with the same targets."""
    return (
        one.outputs.shape == other.outputs.shape
        and np.array_equal(one.rows, other.rows)
        and np.array_equal(one.targets, other.targets)
    )
