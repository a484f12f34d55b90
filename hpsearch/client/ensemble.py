"""An ensemble on the server: watched, downloaded, loaded, asked."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr
from pydantic_core import to_jsonable_python

from hpsearch.client import notebook_html
from hpsearch.client.transport import Transport
from hpsearch.errors import Conflict, CorruptArtifact, HpsearchError, InvalidInput
from hpsearch.optional import require_extra
from hpsearch.spec.checks.dataset import Dataset, DatasetList
from hpsearch.spec.language.states import EnsembleState, JobState, is_final
from hpsearch.spec.wire import ensembles as records
from hpsearch.spec.wire.ensembles import JobTicket, PredictionResult
from hpsearch.spec.wire.jobs import JobStatus
from hpsearch.spec.wire.records import Study

if TYPE_CHECKING:
    from hpsearch.inference.ensemble import TrainedEnsemble

POLL_SECONDS = 0.2


class EnsembleTimeout(HpsearchError):
    """An ensemble, or its answer, was not there in time."""

    code = "timeout"


class Ensemble(records.Ensemble):
    """An ensemble on the server, as it was when read."""

    _transport: Transport = PrivateAttr()

    @classmethod
    def of(cls, record: records.Ensemble, transport: Transport) -> Ensemble:
        """A record with the way back to where it came from."""
        ensemble = cls.model_construct(**dict(record))
        ensemble._transport = transport
        return ensemble

    def refresh(self) -> Ensemble:
        """The ensemble as it is now."""
        record = self._transport.get(f"/ensembles/{self.id}", records.Ensemble)
        return Ensemble.of(record, self._transport)

    def wait(self, timeout_seconds: float | None = None) -> Ensemble:
        """The ensemble once it is built.

        Args:
            timeout_seconds: how long to wait at most; none waits for ever.

        Raises:
            Conflict: when it cannot be built, with the reason.
            EnsembleTimeout: when it is not built in time.
        """
        until = _until(timeout_seconds)
        now = self.refresh()
        while True:
            if now.state is EnsembleState.FAILED:
                raise Conflict(f"ensemble {self.id} could not be built: {now.message}")
            if is_final(now.state):
                return now
            if time.monotonic() > until:
                raise EnsembleTimeout(
                    f"ensemble {self.id} must be built in {timeout_seconds:g} s, and it is "
                    f"{now.state}; wait longer, and see that a worker runs"
                )
            now = now.wait_a_little()

    def wait_a_little(self) -> Ensemble:
        """The ensemble as it is a moment later."""
        time.sleep(POLL_SECONDS)
        return self.refresh()

    def content(self) -> bytes:
        """Its file, a zip.

        Raises:
            Conflict: when it is not built yet.
            CorruptArtifact: when it did not arrive whole.
        """
        content, sha256 = self._transport.download(f"/ensembles/{self.id}/artifact")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorruptArtifact(
                f"ensemble {self.id} must arrive as it was stored, and it did not; try again"
            )
        return content

    def download(self, path: str | Path | None = None) -> Path:
        """Writes it to a disk, to be used without a server by `hpsearch.load_ensemble`.

        Args:
            path: a file that ends in `.zip`, or a directory to unpack it to, which is made; none
                for `ensemble-<id>.zip` here.

        Returns:
            Where it lies.
        """
        place = Path(f"ensemble-{self.id}.zip" if path is None else path)
        content = self.content()
        try:
            if place.suffix.lower() == ".zip":
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            else:
                place.mkdir(parents=True, exist_ok=True)
                with zipfile.ZipFile(io.BytesIO(content)) as packed:
                    packed.extractall(place)
        except OSError as error:
            raise InvalidInput.at(
                "path", f"must be a place that can be written, got {place} ({error.strerror})"
            ) from None
        return place

    def load(self) -> TrainedEnsemble:
        """The ensemble in this process, for predictions without the server.

        Raises:
            MissingPackage: where torch is not installed.
        """
        loaded: TrainedEnsemble = require_extra(
            "hpsearch.inference.ensemble", "worker", "ensembles"
        ).load_ensemble(self.content())
        return loaded

    @property
    def names_columns(self) -> bool:
        """Whether its rows are of an uploaded table, and map columns to values."""
        study = self._transport.get(f"/studies/{self.study_id}", Study)
        name = study.spec["task"].get("dataset")
        known = self._transport.get("/datasets", DatasetList).datasets
        info = next((info for info in known if info.name == name), None)
        return isinstance(info, Dataset) and not info.is_image and bool(info.columns)

    def predict(self, x: Any, timeout_seconds: float | None = 60.0) -> list[Any]:
        """Each row's class by name, or its number, as a worker of the server computes it.

        Args:
            x: rows as the data set has them: an array, lists or a DataFrame.
            timeout_seconds: how long to wait for a worker.

        Raises:
            InvalidInput: when rows do not fit.
            EnsembleTimeout: when no worker answers in time.
        """
        answer = self.ask(x, timeout_seconds)
        return list(answer.predictions if answer.labels is None else answer.labels)

    def ask(self, x: Any, timeout_seconds: float | None = 60.0) -> PredictionResult:
        """The same with the classes' places and probabilities."""
        asked = {"inputs": _rows(x, named=_is_frame(x) and self.names_columns)}
        ticket = self._transport.post(f"/ensembles/{self.id}:predict", JobTicket, asked)
        until = _until(timeout_seconds)
        while True:
            job = self._transport.get(f"/jobs/{ticket.job}", JobStatus)
            result = job.result or {}
            if job.state is JobState.FAILED:
                raise InvalidInput.at("", str(result.get("error", "the rows were not predicted")))
            if job.state is JobState.DONE:
                return PredictionResult.model_validate(result)
            if time.monotonic() > until:
                raise EnsembleTimeout(
                    f"ensemble {self.id} must answer in {timeout_seconds:g} s, and job "
                    f"{ticket.job} is {job.state}; wait longer, and see that a worker runs"
                )
            time.sleep(POLL_SECONDS)

    def delete(self) -> None:
        """Removes it and its file; one that is not over is built no further."""
        self._transport.delete(f"/ensembles/{self.id}")

    def _repr_html_(self) -> str:
        return notebook_html.ensemble_card(self)

    def __repr__(self) -> str:
        name, values = self.scores.headline, self.test or self.validation
        score = f", {name} {values[name]:.4g}" if name in values else ""
        return (
            f"Ensemble({self.id} of study {self.study_id}, {self.kind}, {self.state}, "
            f"{len(self.members)} members{score})"
        )

    __str__ = __repr__


def _until(seconds: float | None) -> float:
    return float("inf") if seconds is None else time.monotonic() + seconds


def _rows(x: Any, *, named: bool) -> list[Any]:
    """Rows as they travel; of a DataFrame perhaps by the names of its columns."""
    if _is_frame(x):
        x = _records(x) if named else _values(x)
    try:
        rows = to_jsonable_python(x, inf_nan_mode="null", fallback=_listed)
    except ValueError as error:
        raise InvalidInput.at("x", f"must hold numbers and texts alone ({error})") from None
    if not isinstance(rows, list):
        raise InvalidInput.at(
            "x", f"must be a list of rows, got {type(x).__name__}; put one row in []"
        )
    return rows


def _listed(value: Any) -> Any:
    """Arrays, tensors and their numbers as lists and plain numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"a value of type {type(value).__name__} is neither")


def _is_frame(x: Any) -> bool:
    """Whether it is a table of pandas, polars or Arrow."""
    return any(hasattr(x, name) for name in ("to_dict", "to_dicts", "to_pylist"))


def _values(frame: Any) -> Any:
    """A table's rows by the places of its columns."""
    if hasattr(frame, "to_numpy"):
        return frame.to_numpy()
    return [list(row.values()) for row in frame.to_pylist()]


def _records(frame: Any) -> list[dict[str, Any]]:
    """A table's rows by the names of its columns."""
    if hasattr(frame, "to_pylist"):  # Arrow
        return list(frame.to_pylist())
    if hasattr(frame, "to_dicts"):  # polars, whose `to_dict` is by columns
        return list(frame.to_dicts())
    return list(frame.to_dict("records"))
