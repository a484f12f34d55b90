from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_requests import is_problem
from fastapi.testclient import TestClient
from httpx2 import Response
from rig import Rig, spec

from api.app import create_app
from hpsearch.settings import Settings
from hpsearch.store.artifacts import ArtifactStore

CSV = b"a,b,y\n" + b"".join(
    b"%d,%s,%d\n" % (i % 23, b"pqr"[i % 3 : i % 3 + 1], i % 2) for i in range(40)
)
URL = "/api/v1/datasets"


def add(
    api: TestClient, content: bytes = CSV, file: str = "table.csv", **fields: str | None
) -> Response:
    sent = {"name": "mine", "target": "y", **fields}
    data = {key: value for key, value in sent.items() if value is not None}
    return api.post(URL, data=data, files={"file": (file, content)})


def files_of(rig: Rig) -> list[str]:
    return [name for name in rig.artifacts() if name.startswith("datasets/")]


def test_an_upload_is_described_listed_and_handed_out(api: TestClient, served: Rig) -> None:
    answer = add(api)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    sha256 = hashlib.sha256(CSV).hexdigest()
    assert {key: found[key] for key in ("name", "rows", "features", "target", "classes")} == {
        "name": "mine", "rows": 40, "features": [2], "target": "classes", "classes": 2,
    }  # fmt: skip
    assert (found["sha256"], found["size_bytes"], found["format"]) == (sha256, len(CSV), "csv")
    assert (found["target_column"], found["class_rows"]) == ("y", [20, 20])
    assert api.get(f"{URL}/mine").json() == found
    listed = api.get(URL).json()["datasets"]
    assert listed[-1] == found
    assert [one["name"] for one in listed][:2] == ["digits", "breast_cancer"]
    assert "sha256" not in listed[0]
    artifact = api.get(f"{URL}/mine/artifact")
    assert artifact.content == CSV
    assert artifact.headers["X-Content-Sha256"] == sha256
    assert files_of(served) == [f"datasets/{sha256}"]


def test_the_same_again_is_a_no_op_and_other_content_a_conflict(
    api: TestClient, served: Rig
) -> None:
    first = add(api)
    before = served.snapshot()
    again = add(api)
    assert (again.status_code, again.json()) == (200, first.json())
    other = add(api, CSV + b"1,p,0\n")
    assert other.status_code == 409
    assert is_problem(other)
    assert "choose another name, or send it with replace=true" in other.json()["detail"]
    assert add(api, target="b").status_code == 409
    assert served.snapshot() == before
    assert len(files_of(served)) == 1


def test_removing_frees_the_file_when_no_name_needs_it(api: TestClient, served: Rig) -> None:
    add(api)
    add(api, name="yours")
    assert len(files_of(served)) == 1
    assert api.delete(f"{URL}/mine").status_code == 204
    assert api.get(f"{URL}/yours/artifact").content == CSV
    assert api.delete(f"{URL}/yours").status_code == 204
    assert files_of(served) == []
    for answer in (
        api.delete(f"{URL}/mine"),
        api.get(f"{URL}/mine"),
        api.get(f"{URL}/mine/artifact"),
    ):
        assert answer.status_code == 404
        assert is_problem(answer)


def test_what_a_study_uses_is_not_removed(api: TestClient) -> None:
    add(api)
    study = api.post("/api/v1/studies", json=spec(task={"dataset": "mine"}))
    assert study.status_code == 201, study.text
    assert study.json()["spec"]["objective"]["metric"] == "val_accuracy"
    preview = api.post("/api/v1/studies:preview", json=spec(task={"dataset": "mine"}))
    assert preview.status_code == 200
    assert preview.json()["schedule"]["epochs"][:2] == [0.0, 1.0]  # 24 rows are one batch of 32
    answer = api.delete(f"{URL}/mine")
    assert answer.status_code == 409
    assert "study 1 trains on mine" in answer.json()["detail"]
    api.post("/api/v1/studies/1:stop")
    assert api.delete(f"{URL}/mine").status_code == 204
    assert api.post("/api/v1/studies/1:clone").status_code == 422


def test_uploading_and_removing_side_by_side_never_lose_a_file(
    api: TestClient, served: Rig
) -> None:
    answers: list[int] = []

    def churn(name: str) -> None:
        for _ in range(8):
            answers.append(add(api, name=name).status_code)
            found = api.get(f"{URL}/{name}/artifact")
            answers.append(200 if found.content == CSV else found.status_code)
            answers.append(api.delete(f"{URL}/{name}").status_code)

    threads = [threading.Thread(target=churn, args=(f"set-{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(answers) == {200, 201, 204}
    assert files_of(served) == []


REFUSED: list[tuple[dict[str, str | None], bytes, str, str]] = [
    ({"name": None}, CSV, "name", "is required; add it"),
    ({"name": "Mine"}, CSV, "name", "must be a small letter and up to 99 more of a-z"),
    ({"name": "1st"}, CSV, "name", "must be a small letter"),
    ({"name": "x" * 101}, CSV, "name", "must be a small letter"),
    ({"name": "../x"}, CSV, "name", "must be a small letter"),
    ({"name": "mine\n"}, CSV, "name", "must be a small letter"),
    ({"name": "digits"}, CSV, "name", "must be no built-in data set's, got digits"),
    (
        {"target": None},
        CSV,
        "target",
        "must name a column of the file, got none; there are a, b, y",
    ),
    ({"target": "z"}, CSV, "target", "got 'z'; there are a, b, y"),
    ({"format": "xml"}, CSV, "format", "must be one of csv, parquet, npz"),
    ({"columns": "{"}, CSV, "columns", "must be a JSON object from column to number, category"),
    ({"columns": '{"a": "text"}'}, CSV, "columns", "must be a JSON object"),
    ({"columns": '{"a": []}'}, CSV, "columns", "must be a JSON object"),
    ({"columns": '{"z": "ignore"}'}, CSV, "columns.z", "no column is called so"),
    ({"colour": "red"}, CSV, "'colour'", "no such field"),
    ({}, b"", "file", "must not be empty"),
    ({}, b"a,y\n1,0\n2\n", "file", "row 3 has 1"),
    ({}, b"a,y\n1,0\n2,1\nx,1\n", "columns.a", "column a, row 4 has 'x'"),
]


@pytest.mark.parametrize(("fields", "content", "path", "sentence"), REFUSED)
def test_a_wrong_upload_is_told_in_a_sentence_and_leaves_nothing(
    sqlite_api: TestClient, fields: dict[str, str | None], content: bytes, path: str, sentence: str
) -> None:
    answer = add(sqlite_api, content, **fields)
    assert answer.status_code == 422, answer.text
    assert is_problem(answer)
    (error,) = answer.json()["errors"]
    assert error["path"] == path
    assert sentence in error["message"]
    assert all("sha256" not in one for one in sqlite_api.get(URL).json()["datasets"])
    services = sqlite_api.app.state.services  # type: ignore[attr-defined]
    assert not [path for path in services.artifacts.root.rglob("*") if path.is_file()]


def test_what_is_no_form_is_refused(sqlite_api: TestClient) -> None:
    for options in (
        {"json": {"name": "mine"}},
        {"content": b"junk"},
        {"data": {"name": "mine", "target": "y"}},
        {"content": b"junk", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"junk", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"files": {"name": ("x", b"mine"), "file": ("f.csv", CSV)}},
        {"data": {"name": "mine", "file": "text"}, "files": {"file": ("f.csv", CSV)}},
        {"data": {"name": "mine"}, "files": [("file", (f"{i}", CSV)) for i in range(3)]},
    ):
        answer = sqlite_api.post(URL, **options)  # type: ignore[arg-type]
        assert is_problem(answer), (options, answer.text)


@pytest.mark.parametrize("name", ["digits", "%00", "x" * 300, "..%2f..%2ftoken", "Ä"])
def test_no_junk_name_is_a_fault_of_the_server(sqlite_api: TestClient, name: str) -> None:
    answers = [sqlite_api.get(f"{URL}/{name}/artifact"), sqlite_api.delete(f"{URL}/{name}")]
    for answer in answers:
        assert is_problem(answer), answer.text


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_two_files_are_packed_the_same_way_each_time(sqlite_api: TestClient) -> None:
    images = np.arange(30 * 4, dtype=np.uint8).reshape(30, 2, 2)
    labels = np.arange(30, dtype=np.uint8) % 3
    pair = [
        ("file", ("a/train-images-idx3-ubyte.gz", gzip.compress(idx(images), mtime=1))),
        ("file", ("a/train-labels-idx1-ubyte", idx(labels))),
    ]
    first = sqlite_api.post(URL, data={"name": "mnist"}, files=pair)
    assert first.status_code == 201, first.text
    assert first.json()["features"] == [1, 2, 2]
    assert first.json()["format"] == "idx"
    again = sqlite_api.post(URL, data={"name": "mnist"}, files=pair[::-1])
    assert (again.status_code, again.json()) == (200, first.json())
    with zipfile.ZipFile(io.BytesIO(sqlite_api.get(f"{URL}/mnist/artifact").content)) as packed:
        assert packed.namelist() == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"]
        assert packed.read("train-labels-idx1-ubyte") == idx(labels)


def test_columns_can_be_said_to_hold_something_else(sqlite_api: TestClient) -> None:
    answer = add(sqlite_api, columns=json.dumps({"a": "category", "b": "ignore", "y": "number"}))
    assert answer.status_code == 201, answer.text
    assert answer.json()["target"] == "numbers"
    assert answer.json()["uses"] == {"a": "category", "b": "ignore", "y": "number"}
    kinds = {c["name"]: (c["kind"], c["role"]) for c in answer.json()["columns"]}
    assert kinds == {
        "a": ("category", "feature"), "b": ("category", "ignored"), "y": ("number", "target"),
    }  # fmt: skip


def test_every_wrong_column_is_named_at_once(sqlite_api: TestClient) -> None:
    rows = b"".join(b"%d,%d,0\n" % (i % 23, i % 17) for i in range(40))
    content = b"a,b,y\n" + rows + b"u,v,1\n"
    answer = add(sqlite_api, content)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["columns.a", "columns.b"]
    unknown = add(sqlite_api, columns='{"p": "ignore", "q": "number"}', target="z")
    paths = [error["path"] for error in unknown.json()["errors"]]
    assert paths == ["target", "columns.p", "columns.q"]


def test_an_upload_is_looked_at_without_storing_it(api: TestClient, served: Rig) -> None:
    stored = add(api).json()
    before = served.snapshot()
    files = {"file": ("table.csv", CSV)}
    looked_at = api.post(f"{URL}:inspect", data={"name": "mine", "target": "y"}, files=files)
    assert looked_at.status_code == 200, looked_at.text
    same = ("rows", "features", "columns", "warnings", "class_rows", "sha256", "format", "uses")
    assert {key: looked_at.json()[key] for key in same} == {key: stored[key] for key in same}
    alone = api.post(f"{URL}:inspect", data={"columns": '{"y": "number"}'}, files=files).json()
    assert (alone["target"], alone["target_column"], alone["name"]) == ("none", None, "")
    roles = {column["name"]: (column["kind"], column["role"]) for column in alone["columns"]}
    assert roles == {
        "a": ("number", "feature"), "b": ("category", "feature"), "y": ("number", "feature"),
    }  # fmt: skip
    wrong = api.post(f"{URL}:inspect", data={"name": "Mine"}, files=files)
    assert wrong.status_code == 422
    assert is_problem(wrong)
    missing = api.post(f"{URL}:inspect", files={"target": (None, b"y")})
    assert [error["path"] for error in missing.json()["errors"]] == ["file"]
    assert served.snapshot() == before
    assert files_of(served) == [f"datasets/{stored['sha256']}"]


def test_too_large_a_file_is_refused_whether_it_says_so_or_not(
    tmp_path: Path, sqlite_template: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data", token="t", max_dataset_bytes=1000)
    with TestClient(create_app(settings), headers={"Authorization": "Bearer t"}) as api:
        answer = add(api, b"x" * 1001)
        assert answer.status_code == 422
        assert "must have at most 1000 bytes, got 1001; send less" in answer.json()["detail"]
        answer = add(api, b"x" * (2 << 20))
        assert answer.status_code == 413
        assert is_problem(answer)

        def stream() -> Any:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
            for _ in range(40):
                yield b"x" * 65536

        header = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = api.post(URL, content=stream(), headers=header)
        assert answer.status_code == 413
        assert is_problem(answer)


def test_a_lost_file_is_named_and_sent_anew(api: TestClient, served: Rig) -> None:
    sha256 = add(api).json()["sha256"]
    path = served.tuner.context.artifacts.path(f"datasets/{sha256}")
    path.unlink()
    answer = api.get(f"{URL}/mine/artifact")
    assert answer.status_code == 422
    assert "is missing or truncated; upload it again" in answer.json()["detail"]
    assert add(api).status_code == 200
    assert api.get(f"{URL}/mine/artifact").content == CSV


def test_a_full_disk_is_named(sqlite_api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ArtifactStore, "publish", full)
    answer = add(sqlite_api)
    assert answer.status_code == 507
    assert f"has no room for {len(CSV)} bytes" in answer.json()["detail"]
    assert sqlite_api.get(f"{URL}/mine").status_code == 404


def test_reading_uploads_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(CSV)
    check = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from hpsearch.training.uploads.formats import format_of, read\n"
        "from hpsearch.training.uploads.read_options import ReadOptions\n"
        "path = Path(sys.argv[1]); kind = format_of(path, path.name, None)\n"
        "print(len(read(path, ReadOptions(kind, 'y')).x), 'sklearn' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", check, str(tmp_path / "f.csv")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["40", "False"]
