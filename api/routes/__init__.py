"""The REST routes under /api/v1: a file for each noun, which holds its `router`.

A new noun is a file here and its name in `NOUNS`; the OpenAPI document lists them in this order.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from fastapi import APIRouter

NOUNS = (
    "studies",
    "trials",
    "checkpoints",
    "ensembles",
    "ask_tell",
    "advice",
    "schedules",
    "figures",
    "live",
    "jobs",
    "catalogue",
    "datasets",
)


def routers() -> Iterator[APIRouter]:
    """The router of each noun."""
    for noun in NOUNS:
        yield import_module(f"{__name__}.{noun}").router
