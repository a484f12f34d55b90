"""Who is let into the pages, what pages may load, and that people's text stays text."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from rig import TOKEN, Rig, spec

EVIL = "<img src=x onerror=alert(1)>\"'&"
PAGES = ["/studies", "/studies/new", "/studies/1", "/studies/1/trials/0", "/workers"]


@pytest.fixture
def stranger(sqlite_api: TestClient) -> TestClient:
    """A browser that has not shown the token; it does not follow redirects."""
    del sqlite_api.headers["Authorization"]
    sqlite_api.follow_redirects = False
    return sqlite_api


@pytest.fixture
def known(stranger: TestClient) -> TestClient:
    """A browser that has."""
    answer = stranger.get("/", params={"token": TOKEN})
    assert answer.status_code == 303
    return stranger


@pytest.fixture
def rig_of(sqlite_api: TestClient) -> Rig:
    services: Any = sqlite_api.app.state.services  # type: ignore[attr-defined]
    return Rig(services.database, services.tuner)


@pytest.mark.parametrize("page", ["/", *PAGES, "/studies/1/table", "/studies/1/log"])
def test_a_stranger_is_led_to_the_door_and_back(stranger: TestClient, page: str) -> None:
    answer = stranger.get(page)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=" + quote(page, safe="")


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(
    stranger: TestClient,
) -> None:
    answer = stranger.get("/studies/7", params={"token": TOKEN, "sort": "-value"})
    assert answer.headers["Location"] == "/studies/7?sort=-value"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert TOKEN not in cookie
    assert stranger.get("/studies").status_code == 200


def test_the_wrong_token_lets_nobody_in(stranger: TestClient) -> None:
    answer = stranger.get("/studies", params={"token": "wrong"})
    assert answer.headers["Location"].startswith("/login?")
    assert "Set-Cookie" not in answer.headers
    refused = stranger.post("/login", data={"token": "wrong", "then": "/studies"})
    assert refused.status_code == 403
    assert "Copy it again" in refused.text
    assert stranger.get("/studies").status_code == 303


def test_the_form_lets_in_who_knows_the_token(stranger: TestClient) -> None:
    answer = stranger.post("/login", data={"token": f" {TOKEN}\n", "then": "/studies?state=failed"})
    assert answer.headers["Location"] == "/studies?state=failed"
    assert stranger.get("/studies").status_code == 200
    stranger.post("/logout")
    assert stranger.get("/studies").status_code == 303


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example/", "/\\evil", "x"])
def test_the_door_leads_nowhere_else(stranger: TestClient, then: str) -> None:
    answer = stranger.post("/login", data={"token": TOKEN, "then": then})
    assert answer.headers["Location"] == "/studies"


@pytest.mark.parametrize("cookie", ["", "x", TOKEN])
def test_a_made_up_cookie_is_none(stranger: TestClient, known: TestClient, cookie: str) -> None:
    name = next(iter(known.cookies))
    known.cookies.clear()
    known.cookies.set(name, cookie)
    assert known.get("/studies").status_code == 303
    assert known.get("/api/v1/studies").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Origin": "http://testserver"}, 404),
        ({"Sec-Fetch-Site": "same-site"}, 401),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, 401),
        ({"Origin": "http://testserver:8000"}, 401),
        ({}, 401),
    ],
)
def test_a_cookie_changes_something_only_from_our_own_page(
    known: TestClient, headers: dict[str, str], status: int
) -> None:
    assert known.get("/api/v1/studies", headers=headers).status_code == 200
    assert known.post("/api/v1/studies/9:stop", headers=headers).status_code == status


def test_a_page_allows_only_its_own_scripts(known: TestClient, rig_of: Rig) -> None:
    rig_of.submit()
    rig_of.lease(rig_of.join())
    for page in [*PAGES, "/docs", "/login", "/studies/99"]:
        answer = known.get(page)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert "unsafe-eval" not in policy
        assert "frame-ancestors 'none'" in policy
        for source in re.findall(r"<script[^>]*>", answer.text):
            assert re.search(r'src="/static/', source), source
        assert not re.search(r"\son\w+\s*=", re.sub(r"&[^;]+;", "", answer.text))
        assert "http://" not in answer.text.replace("http://this-server:8470", "")


def test_every_file_that_a_page_names_is_there(known: TestClient, rig_of: Rig) -> None:
    rig_of.submit()
    named = set()
    for page in ["/studies", "/studies/new", "/studies/1", "/workers"]:
        named |= set(re.findall(r'(?:src|href)="(/static/[^"]+)"', known.get(page).text))
    assert any("plotly" in name for name in named)
    seen: set[str] = set()
    while named - seen:
        name = (named - seen).pop()
        seen.add(name)
        answer = known.get(name)
        assert answer.status_code == 200, name
        assert "immutable" in answer.headers["Cache-Control"]
        if "plotly" not in name:
            for module in re.findall(r'(?:from|import) "\./([\w.]+)"', answer.text):
                named.add(name.rpartition("/")[0] + "/" + module)


def test_plotly_comes_packed_or_plain(known: TestClient) -> None:
    name = re.search(r'src="(/static/plotly[^"]+)"', known.get("/studies/new").text)
    assert name is not None
    packed = known.get(name[1], headers={"Accept-Encoding": "gzip"})
    plain = known.get(name[1], headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.text == plain.text


def test_text_of_people_is_escaped_on_every_page(known: TestClient, rig_of: Rig) -> None:
    study = rig_of.submit(**spec(name=EVIL, notes=EVIL, tags=[EVIL]))
    worker = rig_of.join(EVIL)
    (job,) = rig_of.lease(worker)
    rig_of.report(job, 0, **{EVIL: 1.0})
    rig_of.fail(job)
    asked = quote(EVIL)
    for page in [
        *PAGES,
        f"/studies/new?like={study}",
        f"/studies/1?filter={asked}&sort={asked}&metric={asked}&x={asked}&page={asked}&state={asked}",
        f"/studies/1/table?filter={asked}%3E1",
        f"/login?next=/{asked}&wrong={asked}",
    ]:
        answer = known.get(page)
        assert answer.status_code == 200, page
        assert "<img" not in answer.text, page


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("/studies/99", "none has id 99"),
        ("/studies/1/trials/7", "none of number 7"),
        ("/studies/99999999999", "no such page"),
        ("/studies/new?like=99", "none has id 99"),
    ],
)
def test_what_is_not_there_is_said_on_a_page(
    known: TestClient, rig_of: Rig, page: str, words: str
) -> None:
    rig_of.submit()
    answer = known.get(page)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert words in answer.text


def test_empty_states_say_what_to_do(known: TestClient, rig_of: Rig) -> None:
    assert "hpsearch submit" in known.get("/studies").text
    assert "hpsearch worker" in known.get("/workers").text
    rig_of.submit()
    assert "hpsearch worker" in known.get("/studies/1").text
    assert "Loosen the filter" in known.get("/studies/1?filter=value>1").text
    assert "No study is failed" in known.get("/studies?state=failed").text


def test_the_reference_names_every_request(known: TestClient) -> None:
    text = known.get("/docs").text
    for path in known.get("/openapi.json").json()["paths"]:
        assert path.replace(":int}", "}") in text
