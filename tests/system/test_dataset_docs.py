"""The commands of docs/datasets.md, typed as they stand; the answers are those it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from console_blocks import check, exchanges, run
from processes import Service

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"


def test_the_page_of_data_sets_shows_what_comes(start_service: Callable[..., Service]) -> None:
    service = start_service()
    (service.directory / ".hpsearch").symlink_to(service.data_dir)
    service.start_worker()
    shown = exchanges(PAGE)
    checked = [check(*pair) for pair in zip(shown, run(shown, service), strict=False)]
    assert sum(checked) >= 10
