"""The client for notebooks and scripts.

    study = hpsearch.Client().submit("study.yaml")
    study.watch()                            # or wait(), which says nothing
    study.trials().to_frame()                # pandas
    study.plot.curves("val_loss", log="y")   # the dashboard's figures
    study.best_trial.load_model()            # torch

It finds a server of this machine, and its token, by itself.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import PrivateAttr
from rich.console import Console

from hpsearch import cards
from hpsearch.errors import CorruptArtifact, HpsearchError, InvalidInput, NotFound
from hpsearch.extras import needed
from hpsearch.frames import curves_frame, trials_frame
from hpsearch.spec import records
from hpsearch.spec.dataset import Dataset, DatasetInfo, DatasetList
from hpsearch.spec.document import read_document
from hpsearch.spec.records import (
    CheckpointList,
    Event,
    EventPage,
    StudyPage,
    StudyPreview,
    TrialPage,
)
from hpsearch.spec.states import Decision, StudyState, TrialState, is_final
from hpsearch.spec.study import StudySpec
from hpsearch.spec.upload import ColumnUse
from hpsearch.study_plots import StudyPlots
from hpsearch.transport import Transport
from hpsearch.watching import watching

if TYPE_CHECKING:
    import pandas as pd

    from hpsearch.trained import TrainedModel

Spec = StudySpec | Mapping[str, Any] | str | Path

POLL_SECONDS = 0.5
PAGE_SIZE = 1000


class StudyTimeout(HpsearchError):
    """A study was not over in time."""

    code = "timeout"


class Client:
    """Speaks to one server.

    Args:
        url: its address; none looks at HPSEARCH_SERVER, then for a server running here.
        token: its token; none looks at HPSEARCH_TOKEN, then in that server's data directory.
        patience_seconds: how long a server that does not answer is waited for.

    Raises:
        ServerUnreachable, Unauthorized: from any call, with what to do.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, patience_seconds: float = 5.0
    ) -> None:
        self._transport = Transport(url, token, patience_seconds=patience_seconds)

    @property
    def url(self) -> str:
        """The server's address."""
        return self._transport.url

    @property
    def token(self) -> str | None:
        """The token it carries."""
        return self._transport.token

    def submit(self, spec: Spec, *, idempotency_key: str | None = None) -> Study:
        """Queues a study.

        Args:
            spec: a path to YAML or JSON, its text, a mapping or a `StudySpec`.
            idempotency_key: a second call with the same key returns the first call's study.

        Raises:
            InvalidInput: naming every field that breaks a rule.
        """
        document = spec_document(spec)
        record = self._transport.post(
            "/studies", records.Study, document, idempotency_key=idempotency_key
        )
        return Study(self._transport, record)

    def preview(self, spec: Spec) -> StudyPreview:
        """What a study would cost; nothing is stored."""
        return self._transport.post(
            "/studies:preview", StudyPreview, spec_document(spec), once=False
        )

    def study(self, study_id: int) -> Study:
        """A study by its id."""
        return Study(self._transport, self._transport.get(f"/studies/{study_id}", records.Study))

    def studies(self, limit: int = 50) -> list[Study]:
        """The latest studies, newest first."""
        page = self._transport.get("/studies", StudyPage, page_size=limit)
        return [Study(self._transport, record) for record in page.studies]

    def add_dataset(
        self,
        name: str,
        *files: str | Path,
        target: str | None = None,
        format: str | None = None,  # noqa: A002 (the field's name in the form)
        columns: Mapping[str, ColumnUse] | None = None,
    ) -> Dataset:
        """Uploads a data set; the same one again changes nothing.

        Args:
            name: a-z, 0-9, _ and -; a study's `task.dataset` names it.
            files: CSV, Parquet, npz, packed images in folders, MNIST IDX (packed, or images and
                labels) or CIFAR binary.
            target: the column or array to learn; needed for CSV and Parquet.
            format: none finds it out.
            columns: what columns hold, where that is not found right: number, category, ignore.

        Raises:
            InvalidInput: naming the column and row, or the file, that is wrong.
            Conflict: when another data set has the name.
        """
        paths = [Path(file) for file in files]
        for path in paths:
            if not path.is_file():
                raise InvalidInput.at(
                    "file", f"must be a file that can be read, got {path}; check the path"
                )
        fields = {"name": name, "target": target, "format": format}
        sent = {key: value for key, value in fields.items() if value is not None}
        if columns:
            sent["columns"] = json.dumps(dict(columns))
        return self._transport.upload("/datasets", Dataset, sent, paths)

    def datasets(self) -> list[Dataset | DatasetInfo]:
        """All data sets: the built-in ones, then those uploaded."""
        return self._transport.get("/datasets", DatasetList).datasets

    def remove_dataset(self, name: str) -> None:
        """Removes an uploaded data set that no open study trains on."""
        self._transport.delete(f"/datasets/{name}")

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"


class Trial(records.Trial):
    """A trial on the server, as it was when read."""

    _transport: Transport = PrivateAttr()

    @classmethod
    def of(cls, record: records.Trial, transport: Transport) -> Trial:
        """A record with the way back to where it came from."""
        trial = cls.model_construct(**dict(record))
        trial._transport = transport
        return trial

    def checkpoints(self) -> CheckpointList:
        """Its stored states."""
        return self._transport.get(
            f"/studies/{self.study_id}/trials/{self.number}/checkpoints", CheckpointList
        )

    def curve(self, metric: str) -> records.Curve:
        """One of its metrics by epoch.

        Raises:
            NotFound: when it never reported the metric.
        """
        answer = self._transport.get(
            f"/studies/{self.study_id}/curves", records.Curves, metric=metric, trials=self.number
        )
        if not answer.curves:
            raise NotFound(
                f"a trial must have reported a metric to have its curve, and trial {self.number} "
                f"has none of {metric!r}; it has {', '.join(self.metrics) or 'none yet'}"
            )
        return answer.curves[0]

    def report(self, epoch: int, **metrics: float) -> bool:
        """Tells an epoch of a trial that was asked for; says whether to go on.

        Raises:
            Conflict: when the trial is over, or was given to another.
        """
        report = records.TrialReport(attempt=self.attempt, epoch=epoch, metrics=metrics)
        told = self._transport.post(f"{self._path}:report", records.Told, report, once=False)
        return told.decision is Decision.CONTINUE

    def complete(
        self,
        value: float | None = None,
        *,
        state: TrialState | str = TrialState.COMPLETE,
        message: str | None = None,
    ) -> Trial:
        """Ends a trial that was asked for.

        Args:
            value: what it came to; none takes the best epoch reported.
            state: complete, pruned or failed.
            message: what went wrong, if anything did.

        Raises:
            Conflict: when the trial is over, or was given to another.
        """
        end = records.TrialEnd(
            attempt=self.attempt, value=value, state=TrialState(state), message=message
        )
        record = self._transport.post(f"{self._path}:complete", records.Trial, end)
        return Trial.of(record, self._transport)

    @property
    def _path(self) -> str:
        return f"/studies/{self.study_id}/trials/{self.number}"

    def load_model(self, which: Literal["best", "last"] = "best") -> TrainedModel:
        """Its model as a torch module that takes rows as the data set has them.

        Args:
            which: the checkpoint to load.

        Raises:
            MissingPackage: where torch is not installed.
            NotFound: when no such checkpoint is stored yet.
            CorruptArtifact: when it did not arrive whole.
        """
        trained = needed("hpsearch.trained", "worker", "models")
        checkpoint = needed("hpsearch.training.checkpoint", "worker", "models")
        blob = self.download(which)
        loaded = checkpoint.read(blob)
        features = trained.columns_of(loaded)
        if not features:
            name = getattr(loaded.spec.task, "dataset", None)
            features = self._transport.get(f"/datasets/{name}", DatasetInfo).features
        model: TrainedModel = trained.TrainedModel(loaded, tuple(features))
        return model

    def download(self, which: Literal["best", "last"] = "best") -> bytes:
        """A checkpoint's file (safetensors).

        Raises:
            NotFound: when no such checkpoint is stored yet.
            CorruptArtifact: when it did not arrive whole.
        """
        kept = self.checkpoints().checkpoints
        found = next((one for one in kept if (one.best if which == "best" else one.last)), None)
        if found is None:
            raise NotFound(
                f"a trial must have a {which} checkpoint to load it, and trial {self.number} has "
                "none yet; wait until it has trained some epochs"
            )
        blob, _ = self._transport.download(f"/checkpoints/{found.id}/artifact")
        if hashlib.sha256(blob).hexdigest() != found.sha256:
            raise CorruptArtifact(
                f"checkpoint {found.id} must arrive as it was stored, and it did not; try again"
            )
        return blob

    def _repr_html_(self) -> str:
        return cards.trial_card(self)

    def __repr__(self) -> str:
        value = "no value" if self.value is None else f"value {self.value:.4g}"
        return f"Trial({self.number} of study {self.study_id}, {self.state}, {value})"

    __str__ = __repr__


class Trials(list[Trial]):
    """Trials, which a notebook shows as a table."""

    def to_frame(self) -> pd.DataFrame:
        """A row per trial: state, value, parameters, the last epoch's metrics."""
        return trials_frame(self)

    def _repr_html_(self) -> str:
        return cards.trials_card(self)


class Curves(records.Curves):
    """Curves of several trials."""

    def to_frame(self) -> pd.DataFrame:
        """A row per trial and epoch."""
        return curves_frame(self)


class Study:
    """A study on the server; `record` is what was last read of it."""

    def __init__(self, transport: Transport, record: records.Study) -> None:
        self._transport = transport
        self.record = record

    @property
    def plot(self) -> StudyPlots:
        """Its figures: `study.plot.curves()`, `.scatter()`, `.history()`."""
        return StudyPlots(self._transport, self.id)

    @property
    def url(self) -> str:
        """Its page on the dashboard."""
        return f"{self._transport.url}/studies/{self.id}"

    @property
    def id(self) -> int:
        """Its key."""
        return self.record.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def state(self) -> StudyState:
        """Its state when last read."""
        return self.record.state

    @property
    def spec(self) -> dict[str, Any]:
        """The spec that runs, every default filled in."""
        return self.record.spec

    @property
    def best_trial(self) -> Trial | None:
        """The complete trial with the best value so far."""
        number = self.refresh().record.best_trial
        return None if number is None else self.trial(number)

    def refresh(self) -> Self:
        """Reads the study again."""
        self.record = self._transport.get(f"/studies/{self.id}", records.Study)
        return self

    def wait(
        self,
        timeout_seconds: float | None = None,
        on_progress: Callable[[records.Study], None] | None = None,
    ) -> Self:
        """Returns when the study is over.

        Args:
            timeout_seconds: how long to wait at most; none waits for ever.
            on_progress: called with each reading.

        Raises:
            StudyTimeout: when it is not over in time.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            self.refresh()
            if on_progress is not None:
                on_progress(self.record)
            if is_final(self.state):
                return self
            if until is not None and time.monotonic() > until:
                raise StudyTimeout(
                    f"study {self.id} must be over in {timeout_seconds:g} s, and it is "
                    f"{self.state} with {self.record.counts.ended} trials ended; wait longer"
                )
            time.sleep(POLL_SECONDS)

    def watch(self, console: Console | None = None) -> Self:
        """Shows progress in the notebook or terminal until the study is over."""
        shown_at = console or Console()
        with watching(shown_at, self.best, self._transport.url) as note:
            return self.wait(on_progress=note)

    def best(self, count: int = 10) -> Trials:
        """The trials with the best values, the best first; those without come last."""
        direction = self.spec["objective"]["direction"]
        page = self._transport.get(
            f"/studies/{self.id}/trials",
            TrialPage,
            page_size=count,
            sort="-value" if direction == "maximize" else "value",
        )
        return Trials(Trial.of(record, self._transport) for record in page.trials)

    def trials(self, *, state: TrialState | str | None = None, sort: str = "number") -> Trials:
        """All trials; `sort="-value"` puts the highest value first."""
        return Trials(self._trial_pages(state, sort))

    def _trial_pages(self, state: TrialState | str | None, sort: str) -> Iterator[Trial]:
        token = None
        while True:
            page = self._transport.get(
                f"/studies/{self.id}/trials",
                TrialPage,
                page_size=PAGE_SIZE,
                page_token=token,
                state=state,
                sort=sort,
            )
            yield from (Trial.of(record, self._transport) for record in page.trials)
            token = page.next_page_token
            if token is None:
                return

    def trial(self, number: int) -> Trial:
        """One trial by its number."""
        record = self._transport.get(f"/studies/{self.id}/trials/{number}", records.Trial)
        return Trial.of(record, self._transport)

    def ask(self, count: int = 1) -> Trials:
        """Trials of an external study to train: fewer than asked for when few are left.

        Raises:
            Conflict: when the study is not external, or not open.
        """
        asked = self._transport.post(
            f"/studies/{self.id}:ask", records.AskedTrials, records.AskRequest(count=count)
        )
        return Trials(Trial.of(record, self._transport) for record in asked.trials)

    def checkpoints(self, number: int) -> CheckpointList:
        """A trial's stored states."""
        return self._transport.get(
            f"/studies/{self.id}/trials/{number}/checkpoints", CheckpointList
        )

    def curves(
        self,
        metric: str | None = None,
        trials: Sequence[int] | None = None,
        max_points: int | None = None,
    ) -> Curves:
        """A metric by epoch, of all trials or those named; none takes the objective's metric."""
        return self._transport.get(
            f"/studies/{self.id}/curves",
            Curves,
            metric=metric or self.spec["objective"]["metric"],
            trials=None if trials is None else ",".join(map(str, trials)),
            max_points=max_points,
        )

    def events(self) -> list[Event]:
        """What happened, from the oldest on."""
        found: list[Event] = []
        token = None
        while True:
            page = self._transport.get(
                f"/studies/{self.id}/events", EventPage, page_size=PAGE_SIZE, page_token=token
            )
            found += page.events
            token = page.next_page_token
            if token is None:
                return found

    def pause(self) -> Self:
        """Hands out no more trials; those that run go on to their end."""
        return self._act("pause")

    def resume(self) -> Self:
        """Goes on after a pause."""
        return self._act("resume")

    def stop(self) -> Self:
        """Ends the study now."""
        return self._act("stop")

    def clone(self, **changes: Any) -> Study:
        """Queues the same spec again, some top-level fields replaced."""
        record = self._transport.post(f"/studies/{self.id}:clone", records.Study, changes)
        return Study(self._transport, record)

    def delete(self) -> None:
        """Removes the study, which must be over, and its checkpoints."""
        self._transport.delete(f"/studies/{self.id}")

    def _repr_html_(self) -> str:
        return cards.study_card(self.record, self._transport.url)

    def _act(self, verb: str) -> Self:
        self.record = self._transport.post(f"/studies/{self.id}:{verb}", records.Study)
        return self

    def __repr__(self) -> str:
        record = self.record
        best = "" if record.best_value is None else f", best {record.best_value:.4g}"
        return (
            f"Study({self.id}, {self.name!r}, {self.state}, "
            f"{record.counts.ended} trials ended{best})"
        )


def spec_document(spec: Spec) -> Mapping[str, Any]:
    """A spec in any of its forms as a plain object.

    Raises:
        InvalidInput: when a file is missing or not readable as YAML or JSON.
    """
    if isinstance(spec, StudySpec):
        return spec.model_dump(mode="json")
    if isinstance(spec, Mapping):
        return spec
    if isinstance(spec, str) and ("\n" in spec or spec.lstrip().startswith("{")):
        return read_document(spec)
    path = Path(spec)
    try:
        return read_document(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput.at(
            "", f"a spec file must be readable, and {path} is not ({reason}); check the path"
        ) from None
