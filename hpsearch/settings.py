"""Settings of server, worker and client: environment first, flags above it."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8470


class Settings(BaseSettings):
    """What the environment says (`HPSEARCH_DATA_DIR`, `HPSEARCH_DATABASE_URL`, ...)."""

    model_config = SettingsConfigDict(env_prefix="HPSEARCH_", extra="ignore", frozen=True)

    data_dir: Path = Path(".hpsearch")
    """Where the database, artifacts and the token lie unless told otherwise."""
    database_url: str | None = None
    """An SQLAlchemy URL; none means SQLite in the data directory."""
    server: str | None = None
    """Address of the server that clients and workers speak to."""
    token: str | None = None
    """The bearer token."""
    lease_seconds: float = 30.0
    """How long a job stays with a worker that is not heard of."""
    checkpoint_seconds: float = 5.0
    """The longest stretch of training that a killed worker costs (or one epoch, if longer)."""
    max_attempts: int = 3
    """The attempt whose loss fails the trial."""
    max_dataset_bytes: int = 2 << 30
    """The largest data set that a server takes."""

    @property
    def resolved_database_url(self) -> str:
        """The database in use."""
        if self.database_url:
            return self.database_url
        return f"sqlite:///{(self.data_dir / 'hpsearch.db').absolute()}"

    @property
    def cache_dir(self) -> Path:
        """Where a worker keeps data sets: in its data directory, if it was given one."""
        if "data_dir" in self.model_fields_set:
            return self.data_dir / "cache"
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(home) / "hpsearch"

    @property
    def artifacts_dir(self) -> Path:
        """Where checkpoints and data sets lie."""
        return self.data_dir / "artifacts"
