"""Memory of a server that takes uploads: `python -m benchmarks.upload_memory` (three minutes).

A server process is started and left alone; what it then holds is its rest. Files of 200 MB, one
after the other, are uploaded to it as people do, and the largest resident size that the kernel saw
(VmHWM, reset before each) is compared with the rest. Linux alone.

csv       16 columns of numbers, one of categories, dates and free text, a target
text.csv  articles of about 2000 characters, and a target
parquet   the columns of csv, in one row group
npz       a matrix of float64 and a target; `columns.npz` in Fortran's order
images    an npz of images of bytes, packed

Exits with 1 when one takes more than the bound.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from hpsearch.client.client import Client
from hpsearch.processes.discovery import running_servers
from hpsearch.processes.local_server import LocalDeployment

MEGABYTE = 1 << 20
BOUND_MEGABYTES = 300.0
NUMBERS = 16
WORDS = """
the a of model rate loss train batch epoch score value table row column file
""".split()  # noqa: SIM905 (one line of words)


def main() -> int:
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(FILES)}; all unless given")
    parser.add_argument("--megabytes", type=int, default=200, help="size of each file")
    options = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="hpsearch-uploads-") as folder:
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        with LocalDeployment("127.0.0.1", 0, 0, Path(folder) / "data") as server:
            pid = running_servers()[0].pid
            rest = resident(pid, "VmRSS")
            print(
                f"rest {rest:.0f} MB\n{'file':<12}{'size':>8}{'peak':>8}{'above':>8}{'after':>8}"
                f"{'seconds':>9}"
            )
            for kind in options.kinds or FILES:
                path = Path(folder) / kind
                FILES[kind](path, options.megabytes * MEGABYTE)
                peak, seconds = uploaded(server, pid, path)
                worst = max(worst, peak - rest)
                print(
                    f"{kind:<12}{path.stat().st_size / MEGABYTE:>5.0f} MB{peak:>8.0f}"
                    f"{peak - rest:>8.0f}{resident(pid, 'VmRSS') - rest:>8.0f}{seconds:>9.1f}"
                )
                path.unlink()
    print(f"most above the rest: {worst:.0f} MB; the bound is {BOUND_MEGABYTES:.0f} MB")
    return int(worst > BOUND_MEGABYTES)


def uploaded(server: LocalDeployment, pid: int, path: Path) -> tuple[float, float]:
    """The server's peak in MB while a file is uploaded and removed again, and the seconds."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    with Client(server.url, server.token) as client:
        name = path.name.replace(".", "_")
        started = time.perf_counter()
        client.add_dataset(name, path, target=None if "npz" in name or name == "images" else "y")
        seconds = time.perf_counter() - started
        client.remove_dataset(name)
    return resident(pid, "VmHWM"), seconds


def resident(pid: int, field: str) -> float:
    """A process's resident size in MB: now (VmRSS), or at most since it was reset (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def mixed(rows: int, first: int = 0) -> pa.Table:
    """Rows of every kind of column, drawn anew for each `first`."""
    rng = np.random.default_rng(first)
    columns: dict[str, Any] = {f"x{i}": rng.standard_normal(rows) for i in range(NUMBERS)}
    columns["group"] = np.array(["red", "green", "blue"])[rng.integers(0, 3, rows)]
    columns["day"] = np.datetime64("2020-01-01") + rng.integers(0, 2000, rows)
    words = np.array(WORDS)[rng.integers(0, len(WORDS), (rows, 6))]
    columns["remark"] = [" ".join(row) + f" {first + i}" for i, row in enumerate(words.tolist())]
    columns["y"] = rng.integers(0, 2, rows)
    return pa.table(columns)


def write_csv(path: Path, size_bytes: int, make: Callable[[int, int], pa.Table] = mixed) -> None:
    """Rows as CSV until the file is large enough."""
    first, rows = 0, 20_000
    with path.open("wb") as file:
        while file.tell() < size_bytes:
            options = pyarrow.csv.WriteOptions(include_header=first == 0)
            pyarrow.csv.write_csv(make(rows, first), file, options)
            first += rows


def articles(rows: int, first: int) -> pa.Table:
    """Long texts and classes."""
    rng = np.random.default_rng(first)
    words = np.array(WORDS)[rng.integers(0, len(WORDS), (rows, 400))]
    texts = [" ".join(row) for row in words.tolist()]
    return pa.table({"article": texts, "x": rng.random(rows), "y": rng.integers(0, 2, rows)})


def write_articles(path: Path, size_bytes: int) -> None:
    """Long texts as CSV."""
    write_csv(path, size_bytes, lambda rows, first: articles(rows // 10, first))


def write_parquet(path: Path, size_bytes: int) -> None:
    """One row group, as pandas writes a million rows."""
    table = mixed(int(size_bytes / (8 * NUMBERS + 17)))
    pyarrow.parquet.write_table(table, path, row_group_size=len(table))


def matrix(size_bytes: int) -> NDArray[np.float64]:
    """[N, 20] of the size."""
    return np.random.default_rng(0).standard_normal((size_bytes // 160, 20))


def write_npz(path: Path, size_bytes: int) -> None:
    """A matrix row by row."""
    x = matrix(size_bytes)
    with path.open("wb") as file:
        np.savez(file, x=x, y=np.arange(len(x)) % 3)


def write_columns(path: Path, size_bytes: int) -> None:
    """A matrix column by column, as that of many DataFrames lies."""
    x = np.asfortranarray(matrix(size_bytes))
    with path.open("wb") as file:
        np.savez(file, x=x, y=np.arange(len(x)) % 3)


def write_images(path: Path, size_bytes: int) -> None:
    """Images, packed."""
    rows = size_bytes // (3 * 32 * 32)
    x = np.random.default_rng(0).integers(0, 256, (rows, 3, 32, 32), dtype=np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(file, x=x, y=np.arange(rows) % 10)


FILES: Mapping[str, Callable[[Path, int], None]] = {
    "csv": write_csv,
    "text.csv": write_articles,
    "parquet": write_parquet,
    "npz": write_npz,
    "columns.npz": write_columns,
    "images": write_images,
}
"""How each kind of file is written, at a path and of a size."""


if __name__ == "__main__":
    sys.exit(main())
