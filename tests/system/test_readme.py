"""The README's curl lines, run as they stand; the answers are those it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from console_blocks import check, exchanges, run
from processes import Service

README = Path(__file__).parents[2] / "README.md"


def test_readme_curl_lines_give_the_answers_shown(start_service: Callable[..., Service]) -> None:
    service = start_service()
    (service.directory / ".hpsearch").symlink_to(service.data_dir)
    (service.directory / "examples").symlink_to(README.parent / "examples")
    service.start_worker()
    shown = exchanges(README)
    checked = [check(*pair) for pair in zip(shown, run(shown, service), strict=False)]
    assert sum(checked) >= 5
    assert (service.directory / "best.safetensors").stat().st_size > 1000
