"""What the use cases of the service share."""

from __future__ import annotations

from dataclasses import dataclass, field

from hpsearch.service.pruning import CurveTables
from hpsearch.service.suggestion import SamplerCache
from hpsearch.store.artifacts import ArtifactStore


@dataclass(frozen=True)
class ServiceContext:
    """Settings, the artifact store and the caches of one server process.

    The caches hold nothing that the database does not: a process without them, or with outdated
    ones, reads again.
    """

    artifacts: ArtifactStore
    lease_seconds: float
    """A worker's lease that is not renewed for this long expires."""
    max_attempts: int
    """A job whose lease is lost, or that fails, this many times fails for good."""
    samplers: SamplerCache = field(default_factory=SamplerCache)
    curve_tables: CurveTables = field(default_factory=CurveTables)
