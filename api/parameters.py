"""What handlers of several nouns take from a request: ids, numbers, pages, the raw body."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
"""The id of a study, job, checkpoint or ensemble."""

Number = Annotated[int, Path(ge=0, le=2**31 - 1)]
"""What is counted from 0 within its owner: a trial of a study, an epoch of a trial."""

PageSize = Annotated[int, Query(ge=1, le=1000)]
PageToken = Annotated[str | None, Query(max_length=500)]
"""What the page before called `next_page_token`."""


async def _body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_body)]
"""The body as it came, for handlers that read it themselves."""
