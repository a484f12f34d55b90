"""An ensemble on the server: to wait for, download, load, and predict with."""

from __future__ import annotations

import hashlib
import io
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hpsearch.client import notebook_html
from hpsearch.client.ensemble_properties import EnsembleProperties
from hpsearch.client.rows import is_frame, json_rows, table_columns
from hpsearch.errors import (
    Conflict,
    CorruptArtifact,
    HpsearchError,
    InvalidInput,
    UnknownCategoryWarning,
)
from hpsearch.optional import importing_extra
from hpsearch.spec.language.states import EnsembleState, JobState, is_final
from hpsearch.spec.wire import ensembles as records
from hpsearch.spec.wire.ensembles import JobTicket, PredictionResult
from hpsearch.spec.wire.jobs import JobStatus

if TYPE_CHECKING:
    from hpsearch.inference.ensemble import TrainedEnsemble

POLL_SECONDS = 0.2


class EnsembleTimeout(HpsearchError):
    """An ensemble, or its answer, was not there in time."""

    code = "timeout"


class Ensemble(EnsembleProperties):
    """An ensemble on the server; its properties are as they were when it was last read.

    >>> ensemble.kind, ensemble.state.value, ensemble.headline in ensemble.test
    ('greedy', 'complete', True)
    """

    @property
    def _path(self) -> str:
        return f"/ensembles/{self.id}"

    def wait(
        self,
        timeout_seconds: float | None = None,
        on_progress: Callable[[records.Ensemble], None] | None = None,
    ) -> Self:
        """Returns when the ensemble is built.

        Args:
            timeout_seconds: how long to wait at most; None waits for ever.
            on_progress: called with each reading.

        Raises:
            Conflict: when it cannot be built, with the reason.
            EnsembleTimeout: when it is not built in time.

        >>> study.build_ensemble("top_k", size=2).wait(timeout_seconds=60)
        Ensemble(... of study 1, top_k, complete, 2 members, test accuracy ...)
        """
        deadline = _deadline(timeout_seconds)
        while True:
            self.refresh()
            if on_progress is not None:
                on_progress(self.record)
            if self.state is EnsembleState.FAILED:
                raise Conflict(f"ensemble {self.id} could not be built: {self.message}")
            if is_final(self.state):
                return self
            if time.monotonic() > deadline:
                raise EnsembleTimeout(
                    f"ensemble {self.id} must be built in {timeout_seconds:g} s, and it is "
                    f"{self.state}; wait longer, and see that a worker runs"
                )
            time.sleep(POLL_SECONDS)

    def content(self) -> bytes:
        """Returns the content of its file, a zip, checked by its sha256.

        Raises:
            Conflict: when it is not built yet.
            CorruptArtifact: when it did not arrive whole.

        >>> len(ensemble.content()) == ensemble.size_bytes
        True
        """
        content, sha256 = self._transport.download(f"{self._path}/artifact")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorruptArtifact(
                f"ensemble {self.id} must arrive as it was stored, and it did not; try again"
            )
        return content

    def download(self, path: str | Path | None = None) -> Path:
        """Writes it to a disk, to be used without a server by `hpsearch.load_ensemble`.

        Args:
            path: a file that ends in `.zip`, or a directory to unpack it to, which is made; None
                for `ensemble-<id>.zip` in the working directory.

        Returns:
            The path written to.

        Raises:
            InvalidInput: when nothing can be written there.
            Conflict: when it is not built yet.
            CorruptArtifact: when it did not arrive whole.

        >>> hpsearch.load_ensemble(ensemble.download("wine.zip")).predict(rows).tolist()
        ['class_0', 'class_2']
        """
        target = Path(f"ensemble-{self.id}.zip" if path is None else path)
        content = self.content()
        try:
            if target.suffix.lower() == ".zip":
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            else:
                target.mkdir(parents=True, exist_ok=True)
                with zipfile.ZipFile(io.BytesIO(content)) as packed:
                    packed.extractall(target)
        except OSError as error:
            raise InvalidInput.at(
                "path", f"must be a place that can be written, got {target} ({error.strerror})"
            ) from None
        return target

    def load(self) -> TrainedEnsemble:
        """Returns the ensemble in this process, for predictions without the server.

        Raises:
            MissingPackage: where torch is not installed.
            Conflict: when it is not built yet.
            CorruptArtifact: when it did not arrive whole.

        >>> ensemble.load().predict_probabilities(rows).shape  # [rows, classes]
        (2, 3)
        """
        with importing_extra("worker", "ensembles"):
            from hpsearch.inference.ensemble import load_ensemble
        return load_ensemble(self.content())

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an uploaded table that rows have values of; none for rows of numbers."""
        return table_columns(self._transport, self.study_id)

    def predict(
        self, x: Any, timeout_seconds: float | None = 60.0, *, strict: bool = False
    ) -> list[Any]:
        """Returns each row's class or number, as a worker of the server computes it.

        Args:
            x: [N, *features], rows as the data set has them: an array, lists or a DataFrame.
            timeout_seconds: how long to wait for a worker; None waits for ever.
            strict: refuses rows that hold a category which no training row had.

        Returns:
            [N]: classes of the type that was learned (text, int, float or bool), or numbers.

        Raises:
            InvalidInput: when rows do not fit.
            Conflict: when the ensemble is not built yet.
            EnsembleTimeout: when no worker answers in time.

        Warns:
            UnknownCategoryWarning: when rows hold categories that no training row had.

        >>> ensemble.predict(rows)  # [2, 13]
        ['class_0', 'class_2']
        """
        answer = self.ask(x, timeout_seconds, strict=strict)
        if answer.unknown:
            warnings.warn("; ".join(answer.notes), UnknownCategoryWarning, stacklevel=2)
        return list(answer.predictions if answer.labels is None else answer.labels)

    def ask(
        self, x: Any, timeout_seconds: float | None = 60.0, *, strict: bool = False
    ) -> PredictionResult:
        """Returns what `predict` does with, for classes, their indices and probabilities.

        Args:
            x: [N, *features], rows as the data set has them: an array, lists or a DataFrame.
            timeout_seconds: how long to wait for a worker; None waits for ever.
            strict: refuses rows that hold a category which no training row had.

        Returns:
            `predictions` [N], for classes `labels` [N] and `probabilities` [N, classes]; `unknown`
            counts by column the rows with a category that no training row had.

        Raises:
            InvalidInput: when rows do not fit.
            Conflict: when the ensemble is not built yet.
            EnsembleTimeout: when no worker answers in time.

        >>> answer = ensemble.ask(rows)
        >>> answer.predictions, [round(sum(row), 6) for row in answer.probabilities]
        ([0, 2], [1.0, 1.0])
        """
        inputs = json_rows(x, self.columns if is_frame(x) else ())
        request = {"inputs": inputs, "strict": strict}
        ticket = self._transport.post(f"{self._path}:predict", JobTicket, request)
        deadline = _deadline(timeout_seconds)
        while True:
            job = self._transport.get(f"/jobs/{ticket.job}", JobStatus)
            result = job.result or {}
            if job.state is JobState.FAILED:
                raise InvalidInput.at("", str(result.get("error", "the rows were not predicted")))
            if job.state is JobState.DONE:
                return PredictionResult.model_validate(result)
            if time.monotonic() > deadline:
                raise EnsembleTimeout(
                    f"ensemble {self.id} must answer in {timeout_seconds:g} s, and job "
                    f"{ticket.job} is {job.state}; wait longer, and see that a worker runs"
                )
            time.sleep(POLL_SECONDS)

    def delete(self) -> None:
        """Removes it and its file; one that is queued or running is built no further.

        >>> study.build_ensemble("top_k").delete()
        """
        self._transport.delete(self._path)

    def _repr_html_(self) -> str:
        return notebook_html.ensemble_html(self.record)

    def __repr__(self) -> str:
        part = "test" if self.test else "validation"
        name, values = self.headline, self.test or self.validation
        score = f", {part} {name} {values[name]:.4g}" if name in values else ""
        compared = self.comparison
        verdict = "" if compared is None else f", {compared.summary}"
        return (
            f"Ensemble({self.id} of study {self.study_id}, {self.kind}, {self.state}, "
            f"{len(self.members)} members{score}{verdict})"
        )


def _deadline(seconds: float | None) -> float:
    return float("inf") if seconds is None else time.monotonic() + seconds
