"""The client for notebooks and scripts.

    study = hpsearch.Client().submit("study.yaml")
    study.wait()
    study.best_trial.params

It finds a server of this machine, and its token, by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from hpsearch.errors import HpsearchError, InvalidInput
from hpsearch.spec import records
from hpsearch.spec.document import read_document
from hpsearch.spec.records import (
    CheckpointList,
    Curves,
    Event,
    EventPage,
    StudyPage,
    StudyPreview,
    Trial,
    TrialPage,
)
from hpsearch.spec.states import StudyState, TrialState, is_final
from hpsearch.spec.study import StudySpec
from hpsearch.transport import Transport

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

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"


class Study:
    """A study on the server; `record` is what was last read of it."""

    def __init__(self, transport: Transport, record: records.Study) -> None:
        self._transport = transport
        self.record = record

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

    def trials(self, *, state: TrialState | str | None = None, sort: str = "number") -> list[Trial]:
        """All trials; `sort="-value"` puts the highest value first."""
        return list(self._trial_pages(state, sort))

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
            yield from page.trials
            token = page.next_page_token
            if token is None:
                return

    def trial(self, number: int) -> Trial:
        """One trial by its number."""
        return self._transport.get(f"/studies/{self.id}/trials/{number}", Trial)

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
    except OSError as error:
        raise InvalidInput.at(
            "",
            f"a spec file must be readable, and {path} is not ({error.strerror}); check the path",
        ) from None
