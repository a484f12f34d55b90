"""Parsed specs of studies: parsing one takes longer than most transactions that need it.

A parsed spec is a function of its document alone. It is cached under (study, version) together with
that document, and used only where the document that the transaction has read is the same: neither a
rolled-back transaction, nor an edit by another process, nor an id that a database gives again can
make it wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.store.lru import LruCache
from hpsearch.store.tables import StudyRow

CACHED_SPECS = 1000
"""The longest page of studies: each of its specs is parsed once."""

_INFO_KEY = "specs"


class SpecCache:
    """Parsed specs of one database."""

    def __init__(self, size: int = CACHED_SPECS) -> None:
        self._specs: LruCache[tuple[int, int], tuple[Mapping[str, Any], StudySpec]] = LruCache(size)

    def parse(self, study_id: int, version: int, document: Mapping[str, Any]) -> StudySpec:
        """The spec of a study's document, parsed unless the very same document was before."""
        cached = self._specs.get((study_id, version))
        if cached is not None and cached[0] == document:
            return cached[1]
        spec = parse_study(document)
        self._specs.put((study_id, version), (document, spec))
        return spec

    def join(self, session: Session) -> None:
        """Lets a session use this cache."""
        session.info[_INFO_KEY] = self


def parse(session: Session, study_id: int, version: int, document: Mapping[str, Any]) -> StudySpec:
    """The spec of a study's document as the transaction has read it."""
    cache: SpecCache = session.info.setdefault(_INFO_KEY, SpecCache(1))
    return cache.parse(study_id, version, document)


def of_row(session: Session, row: StudyRow) -> StudySpec:
    """The present spec of a study."""
    return parse(session, row.id, row.version, row.spec)
