"""Changes of studies as server-sent events, at most two a second.

A study event's id is the database's clock when it was read. A browser that lost the connection
sends the last id back and receives whatever ended since. Where nothing changes, a `beat` every few
seconds shows that the connection still stands.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.parameters import Id
from api.services import ServicesDep
from hpsearch.errors import DatabaseUnavailable, InvalidInput, NotFound
from hpsearch.store import studies
from hpsearch.store.live_changes import StudiesWatch, StudyWatch

router = APIRouter(tags=["live"])

BETWEEN_SECONDS = 0.5
BEAT_SECONDS = 5.0
RETRY_MILLISECONDS = 1000


def _since(
    since: Annotated[str | None, Query(max_length=50, description="an event's id")] = None,
    last_event_id: Annotated[str | None, Header(max_length=50)] = None,
) -> float | None:
    """The id after which to go on: the browser's header before the query of the first address."""
    text = last_event_id or since
    try:
        return None if not text else float(text)
    except ValueError:
        raise InvalidInput.at(
            "since", f"must be the id of an earlier event, got {text!r}; leave it out"
        ) from None


def _existing(study_id: Id, services: ServicesDep) -> int:
    """Refuses an unknown study before the stream begins."""
    with services.database.read() as session:
        studies.get_state(session, study_id)
    return study_id


@router.get("/studies/{study_id:int}/live", response_class=EventSourceResponse)
async def live(
    request: Request,
    study_id: Annotated[int, Depends(_existing)],
    services: ServicesDep,
    since: Annotated[float | None, Depends(_since)],
) -> AsyncIterator[ServerSentEvent]:
    """One study: `study` events {study, trials}, its record without spec, and changed trials.

    `gone` is the last event of a study that was deleted.
    """
    watch = StudyWatch(study_id, since)

    def read_changes() -> ServerSentEvent | None:
        with services.database.read() as session:
            try:
                change = watch.poll(session)
            except NotFound:
                return ServerSentEvent(event="gone", data={})
        if change is None:
            return None
        trials = [trial.model_dump(mode="json") for trial in change.trials]
        study = change.study.model_dump(mode="json", exclude={"spec"})
        return ServerSentEvent(
            event="study", id=f"{change.at:.6f}", data={"study": study, "trials": trials}
        )

    async for event in _stream(request, read_changes):
        yield event


@router.get("/events", response_class=EventSourceResponse)
async def events(request: Request, services: ServicesDep) -> AsyncIterator[ServerSentEvent]:
    """The newest studies: `studies` events {studies}, changed records without spec."""
    watch = StudiesWatch()

    def read_changes() -> ServerSentEvent | None:
        with services.database.read() as session:
            changed = watch.poll(session)
        if not changed:
            return None
        records = [study.model_dump(mode="json", exclude={"spec"}) for study in changed]
        return ServerSentEvent(event="studies", data={"studies": records})

    async for event in _stream(request, read_changes):
        yield event


async def _stream(
    request: Request, read_changes: Callable[[], ServerSentEvent | None]
) -> AsyncIterator[ServerSentEvent]:
    """Events as `read_changes` returns them; it runs on a thread, as it waits for the database."""
    closing: Any = request.app.state.closing
    yield ServerSentEvent(comment="open", retry=RETRY_MILLISECONDS)
    sent_at = time.monotonic()
    while not closing.is_set():
        try:
            event = await run_sync(read_changes)
        except DatabaseUnavailable:
            event = None
        if event is None and time.monotonic() - sent_at > BEAT_SECONDS:
            event = ServerSentEvent(event="beat", data={})
        if event is not None:
            sent_at = time.monotonic()
            yield event
            if event.event == "gone":
                return
        await anyio.sleep(BETWEEN_SECONDS)
