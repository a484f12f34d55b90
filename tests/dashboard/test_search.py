"""What a search says of itself on a study's page: stages, what matters, the Pareto front."""

from __future__ import annotations

from dashboard_studies import Dashboard, visit
from playwright.sync_api import Page, expect

pytest_plugins = ["dashboard_fixtures"]


def test_stages_show_their_boxes_and_an_extended_range_is_told(
    page: Page, dashboard: Dashboard
) -> None:
    visit(page, dashboard, "/studies/{staged}")
    shapes = page.evaluate(
        """() => document.querySelector('[data-figure=stages]').layout.shapes
            .filter((shape) => shape.type === 'rect').map((shape) => [shape.x0, shape.x1])"""
    )
    stages = dashboard.client.study(dashboard.staged).record.stages
    wanted = [[1e-5, 1e-3]]
    for stage in stages[1:]:
        space = {entry["name"]: entry["distribution"] for entry in stage.space or []}
        wanted.append(space["optimizer.lr"]["log_uniform"])
    assert shapes == wanted
    assert max(high for _, high in wanted) > 1e-3
    region = page.get_by_role("region", name="Stages of the search")
    expect(region).to_contain_text("optimizer.lr extended to {log_uniform:")
    expect(region.locator("li.extended .why").first).to_contain_text("near the upper end")
    expect(page.locator("#log")).to_contain_text("stage 1: 16 trials of 2 epochs")


def test_a_study_without_stages_has_no_such_card(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{complete}")
    expect(page.locator("[data-figure=stages], [data-figure=front]")).to_have_count(0)


def test_what_matters_is_drawn_and_can_be_asked_otherwise(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "/studies/{complete}")
    bars = "() => document.querySelector('[data-figure=importances]').data[0].y"
    assert set(page.evaluate(bars)) == {"optimizer.lr", "optimizer.weight_decay"}
    expect(page.locator("#advice li, #advice .hint").first).to_be_visible()
    with page.expect_response(
        lambda answer: "importances?target=seconds" in answer.url
    ) as answered:
        page.locator("[data-view=target]").select_option("seconds")
    figure_json = answered.value.json()
    assert page.url.endswith("?target=seconds")
    figure = page.locator("[data-figure=importances]")
    if figure_json["data"]:
        page.wait_for_function(
            """(wanted) => JSON.stringify(wanted) === JSON.stringify(
                document.querySelector('[data-figure=importances]').data?.[0].x)""",
            arg=figure_json["data"][0]["x"],
        )
    else:
        expect(figure.locator(".hint")).to_have_text(figure_json["layout"]["meta"]["note"])


def test_two_objectives_have_a_front_whose_marks_lead_to_trials(
    page: Page, dashboard: Dashboard
) -> None:
    visit(page, dashboard, "/studies/{two_goals}")
    front = page.evaluate(
        """() => document.querySelector('[data-figure=front]').data[1].customdata.flat()"""
    )
    record = dashboard.client.study(dashboard.two_goals).record
    assert sorted(front) == record.pareto_front
    page.evaluate(
        """(trial) => document.querySelector('[data-figure=front]').emit('plotly_click',
            { points: [{ data: {}, customdata: [trial] }] })""",
        front[0],
    )
    page.wait_for_url(f"**/trials/{front[0]}")
