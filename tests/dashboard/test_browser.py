"""The dashboard as a person uses it, in Chromium."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dashboard_studies import ASKED, HOSTILE, SPEC, Dashboard, visit
from playwright.sync_api import Browser, Page, expect
from running import running

from benchmarks.browser import drawn
from hpsearch.client.client import Client

pytest_plugins = ["dashboard_fixtures"]


def drawings(page: Page, figure: str) -> int:
    return int(page.locator(f"[data-figure={figure}]").get_attribute("data-drawn") or 0)


def redrawn(page: Page, figure: str, act: Callable[[], object]) -> None:
    """Does something and waits for the figure to be drawn anew."""
    before = drawings(page, figure)
    act()
    page.wait_for_function(
        "([f, n]) => Number(document.querySelector(`[data-figure=${f}]`).dataset.drawn) > n",
        arg=[figure, before],
    )


SLOW: dict[str, Any] = {
    "task": {"dataset": "digits", "model": {"kind": "mlp", "hidden": [64]}},
    "training": {"epochs": 20, "batch_size": 8},
}
"""Takes some seconds, however many train together."""


def test_a_study_s_page_moves_while_it_trains(page: Page, dashboard: Dashboard) -> None:
    study = dashboard.client.submit({**SPEC, **SLOW, "search": {"trials": 40}})
    visit(page, dashboard, f"/studies/{study.id}")
    page.evaluate("() => { window.same = true }")
    ended = page.locator("[data-live=ended]")
    seen: set[str] = set()
    changes: list[float] = []
    until = time.monotonic() + 60
    while (
        time.monotonic() < until and page.locator("main").get_attribute("data-state") != "complete"
    ):
        now = page.locator("[data-live=epochs_done]").inner_text()
        if now not in seen:
            changes.append(time.monotonic())
            seen.add(now)
        page.wait_for_timeout(40)
    expect(ended).to_have_text("40")
    assert len(seen) > 3
    assert len(changes) <= 2 * (changes[-1] - changes[0]) + 2  # at most two a second
    assert drawings(page, "curves") >= 3
    assert drawings(page, "history") >= 3
    expect(page.locator("#table tbody tr")).to_have_count(25)
    expect(page.locator("#log")).to_contain_text("running → complete")
    expect(page.locator("[data-live=time_label]")).to_have_text("Took")
    assert page.evaluate("() => window.same")


def test_the_list_moves_while_a_study_trains(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies")
    expect(page.locator("#line")).to_have_text("live")
    study = dashboard.client.submit({**SPEC, "name": "appears by itself"})
    row = page.locator("tr", has=page.get_by_role("link", name=f"{study.id} appears by itself"))
    expect(row).to_be_visible()
    expect(row.locator(".badge")).to_have_text("complete")


def test_a_lost_server_is_seen_and_its_return_too(browser: Browser) -> None:
    with running(workers=0) as deployment, Client(deployment.url, deployment.token) as client:
        study = client.submit(SPEC)
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{deployment.url}/studies/{study.id}?token={deployment.token}")
        line = page.locator("#line")
        expect(line).to_have_text("live")
        server = deployment._supervisor.programs[0]
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        expect(line).to_have_text("disconnected")
        expect(line).to_have_class(re.compile("down"))
        deployment.check()
        expect(line).to_have_text("live")
        study.pause()
        expect(page.locator("h1 .badge")).to_have_text("paused")
        context.close()


def test_sorting_filtering_and_paging_are_in_the_address(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{complete}")
    table = page.locator("#table")
    best = table.locator("tbody tr").first.inner_text()
    table.get_by_role("link", name="optimizer.lr").click()
    expect(table.locator("th[aria-sort=descending]")).to_have_text("optimizer.lr")
    table.get_by_role("link", name="optimizer.lr").click()
    expect(table.locator("th[aria-sort=ascending]")).to_have_text("optimizer.lr")
    rates = [float(text) for text in table.locator("tbody td:nth-child(6)").all_inner_texts()]
    assert rates == sorted(rates)
    page.get_by_role("link", name="Next →").click()
    expect(table.locator("tbody tr")).to_have_count(7)
    assert "sort=optimizer.lr&page=2" in page.url
    page.locator("input[name=filter]").fill("optimizer.lr > 0.01")
    expect(page.locator("#filter-says")).to_contain_text("match")
    assert "page=" not in page.url
    address, shown = page.url, table.inner_text()
    page.goto(address)
    assert table.inner_text() == shown
    expect(page.locator("input[name=filter]")).to_have_value("optimizer.lr > 0.01")
    visit(page, dashboard, "/studies/{complete}")
    assert table.locator("tbody tr").first.inner_text() == best


def test_a_wrong_filter_says_what_to_write(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{complete}")
    page.locator("input[name=filter]").fill("value is high")
    expect(page.locator("#filter-says")).to_contain_text("write value > 0.9")
    page.locator("input[name=filter]").fill("")
    expect(page.locator("#filter-says")).to_have_text("")


def test_a_view_of_the_figures_is_in_the_address_and_the_history(
    page: Page, dashboard: Dashboard
) -> None:
    visit(page, dashboard, "/studies/{complete}")
    plain = page.url
    redrawn(page, "curves", lambda: page.locator("[data-view=metric]").select_option("val_loss"))
    redrawn(page, "curves", lambda: page.locator("[data-view=top]").select_option("5"))
    redrawn(page, "curves", lambda: page.get_by_label("log y").first.check())
    redrawn(page, "scatter", lambda: page.get_by_label("y axis").select_option("value"))
    assert page.url == f"{plain}?metric=val_loss&top=5&log=y&y=value"
    shown = """() => {
        const { data, layout } = document.querySelector('[data-figure=curves]');
        return [data.length, layout.yaxis.type, layout.yaxis.title.text];
    }"""
    assert page.evaluate(shown) == [5, "log", "val_loss"]
    redrawn(page, "scatter", page.go_back)
    redrawn(page, "curves", page.go_back)
    expect(page.get_by_label("log y").first).not_to_be_checked()
    assert page.evaluate(shown)[1] == "linear"
    page.goto(f"{plain}?metric=train_loss&top=10&log=x")
    drawn(page)
    expect(page.locator("[data-view=metric]")).to_have_value("train_loss")
    expect(page.get_by_label("log x")).to_be_checked()
    assert page.evaluate(shown) == [10, "linear", "train_loss"]


def test_a_mark_leads_to_its_trial(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{complete}")
    page.evaluate(
        """() => document.querySelector('[data-figure=history]').emit('plotly_click',
            { points: [{ data: {}, customdata: [7, 'complete'] }] })"""
    )
    page.wait_for_url("**/trials/7")
    expect(page.locator("h1")).to_contain_text("Trial 7")


def test_a_trial_shows_its_curves_and_gives_its_checkpoints(
    page: Page, dashboard: Dashboard, tmp_path: Path
) -> None:
    best = dashboard.client.study(dashboard.complete).best_trial
    assert best is not None
    visit(page, dashboard, f"/studies/{dashboard.complete}/trials/{best.number}")
    panels = page.locator("[data-panel]").evaluate_all("all => all.map((e) => e.dataset.panel)")
    assert panels[:3] == ["loss", "accuracy", "lr"]
    lines = page.evaluate(
        "() => document.querySelector('[data-panel=loss]').data.map((line) => line.name)"
    )
    assert {"train_loss", "val_loss"} <= set(lines)
    expect(page.locator(".facts")).to_contain_text("test_accuracy")
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("after epoch")).first.click()
    path = tmp_path / "checkpoint"
    download.value.save_as(path)
    assert path.read_bytes() == best.download("best")
    assert download.value.suggested_filename.endswith(".safetensors")


def test_pause_resume_and_stop(page: Page, dashboard: Dashboard) -> None:
    study = dashboard.client.submit(
        {**SPEC, "training": {"epochs": 400, "batch_size": 1}, "search": {"trials": 64}}
    )
    visit(page, dashboard, f"/studies/{study.id}")
    badge = page.locator("h1 .badge")
    page.get_by_role("button", name="Pause").click()
    expect(badge).to_have_text("paused")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    page.get_by_role("button", name="Resume").click()
    expect(badge).to_have_text(re.compile("queued|running"))
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Keep it running").click()
    assert study.refresh().state in ("queued", "running")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(badge).to_have_text("stopped")
    assert study.refresh().state == "stopped"
    expect(page.locator("#log")).to_contain_text("stopped on request")


def test_a_stopped_study_says_why_it_ended_and_is_extended_on_its_page(
    page: Page, dashboard: Dashboard
) -> None:
    study = dashboard.client.submit(ASKED)
    visit(page, dashboard, f"/studies/{study.id}")
    expect(page.get_by_role("button", name="Extend")).to_be_hidden()
    study.stop()
    expect(page.get_by_text("Ended by stop: stopped on request")).to_be_visible()
    page.get_by_role("spinbutton", name="How many more").fill("3")
    page.get_by_role("button", name="Extend").click()
    expect(page.locator("h1 .badge")).to_have_text("running")
    assert study.refresh().record.trials_planned == 3
    expect(page.get_by_text("Ended by stop: stopped on request")).to_be_hidden()
    expect(page.locator("#log")).to_contain_text("3 trials more")


def test_an_action_that_comes_too_late_says_why(page: Page, dashboard: Dashboard) -> None:
    study = dashboard.client.submit(ASKED)
    study.pause()
    page.route("**/live?*", lambda route: route.abort())
    visit(page, dashboard, f"/studies/{study.id}")
    study.stop()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#toast")).to_contain_text("must be paused to be resumed")
    dashboard.faults.clear()  # the refusal and the line that was cut, as intended


def test_the_form_checks_as_one_types_and_submits(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/new")
    says, submit, spec = page.locator("#says"), page.locator("#submit"), page.locator("#spec")
    expect(says).to_have_text("Ready to submit.")
    page.get_by_role("button", name="schedules").click()
    expect(page.locator("#parameters")).to_contain_text("optimizer.momentum")
    expect(page.locator("#parameters")).to_contain_text("cosine · one_cycle · step")
    drawn(page)
    assert page.evaluate("() => document.querySelector('#schedule .figure').data[0].x.length") > 20
    spec.fill("name: typed here\ntask: {dataset: wine}\noptimizer:\n  kind: adam\n  lr: -1\n")
    expect(page.locator("#errors")).to_contain_text("must be > 0, got -1")
    expect(submit).to_be_disabled()
    page.locator("#errors button").first.click()
    chosen = spec.evaluate("e => e.value.slice(e.selectionStart, e.selectionEnd)")
    assert chosen.strip() == "lr: -1"
    spec.fill("name: [")
    expect(page.locator("#errors")).to_contain_text("must be JSON or YAML")
    spec.fill(
        "name: typed here\ntask: {dataset: wine}\n"
        "optimizer: {lr: {log_uniform: [0.001, 0.1]}}\nsearch: {trials: 2}\n"
        "training: {epochs: 1}\n"
    )
    expect(page.locator("#cost")).to_contain_text("2 × 1 epochs")
    expect(submit).to_be_enabled()
    dashboard.faults.clear()  # the browser notes each refused preview
    submit.click()
    page.wait_for_url(re.compile(r"/studies/\d+$"))
    expect(page.locator("h1")).to_contain_text("typed here")
    expect(page.locator("h1 .badge")).to_have_text("complete")


def test_a_study_is_a_template_for_another(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{complete}")
    page.get_by_role("link", name="Use as template").click()
    expect(page.locator("#says")).to_have_text("Ready to submit.")
    expect(page.locator("#cost")).to_contain_text("32 × 4 epochs")


def test_a_hostile_name_is_text_everywhere(page: Page, dashboard: Dashboard) -> None:
    for address in ("/studies", "/studies/{waiting}", "/studies/new?like={waiting}"):
        visit(page, dashboard, address)
        assert "broken" not in page.title().replace(HOSTILE, "")
        assert page.locator("img").count() == 0
    visit(page, dashboard, "/studies/{waiting}")
    expect(page.locator("h1")).to_contain_text("<img src=x onerror=document.title='broken'>")


def test_the_theme_follows_the_system_unless_the_button_says_otherwise(
    page: Page, dashboard: Dashboard
) -> None:
    def background() -> str:
        return str(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))

    def axis_text() -> str:
        return str(
            page.evaluate("() => getComputedStyle(document.querySelector('.xtick text')).fill")
        )

    page.emulate_media(color_scheme="light")
    visit(page, dashboard, "/studies/{complete}")
    light, light_text = background(), axis_text()
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "(was) => getComputedStyle(document.querySelector('.xtick text')).fill !== was",
        arg=light_text,
    )
    dark = background()
    assert dark != light
    page.get_by_role("button", name="Theme: as the system").click()
    assert background() == light
    page.reload()
    drawn(page)
    assert background() == light
    page.get_by_role("button", name="Theme: light").click()
    assert background() == dark
    page.get_by_role("button", name="Theme: dark").click()
    page.emulate_media(color_scheme="light")
    assert background() == light


def test_a_keyboard_reaches_everything(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{complete}")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("() => document.activeElement.textContent.trim().slice(0, 20)"))
        if "27" in reached:
            break
    for name in ("New study", "Use as template", "optimizer.lr", "val_accuracy", "27"):
        assert any(name in text for text in reached), name
    page.locator("#table").get_by_role("link", name="Epochs").focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Epochs")
    assert page.evaluate("() => document.activeElement.textContent") == "Epochs"


def test_one_who_is_not_let_in_signs_in_and_lands_where_he_wanted(
    browser: Browser, dashboard: Dashboard
) -> None:
    context = browser.new_context()
    page = context.new_page()
    wanted = f"{dashboard.url}/studies/{dashboard.complete}?sort=number"
    page.goto(wanted)
    page.get_by_label("Token").fill("not the token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_contain_text("Copy it again")
    page.get_by_label("Token").fill(dashboard.deployment.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(wanted)
    assert dashboard.deployment.token not in str(context.cookies())
    context.close()


def test_a_hidden_page_holds_no_line_to_the_server(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies")
    expect(page.locator("#line")).to_have_text("live")
    with page.expect_event("requestfailed", lambda r: r.url.endswith("/events")):
        page.evaluate(
            """() => {
                Object.defineProperty(document, 'hidden', { value: true, configurable: true });
                document.dispatchEvent(new Event('visibilitychange'));
            }"""
        )
    with page.expect_request("**/api/v1/events"):
        page.evaluate(
            """() => {
                Object.defineProperty(document, 'hidden', { value: false, configurable: true });
                document.dispatchEvent(new Event('visibilitychange'));
            }"""
        )
