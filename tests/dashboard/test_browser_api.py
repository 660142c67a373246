"""The reference of the API in a real Chromium: a form sends its request, and the page shows the answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.test_browser import Screen, browser, page, screen, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser


def test_the_reference_of_the_api_sends_requests_of_who_is_signed_in_and_shows_the_answers(
    screen: Screen,  # noqa: F811
    page: Page,  # noqa: F811
) -> None:
    screen.show(3, alarms=1)
    with served(screen) as address:
        page.goto(address)
        page.goto(f"{address.partition('?')[0]}api/docs")
        pumps = page.locator("section").filter(has=page.get_by_role("heading", name="GET /api/v1/pumps", exact=True))
        pumps.get_by_text("Try it").click()
        pumps.get_by_label("limit").fill("1")
        pumps.get_by_role("button", name="Send").click()
        expect(pumps.locator("pre")).to_contain_text('"total": 3')
        expect(pumps.locator("pre")).to_contain_text(
            "GET /api/v1/pumps?limit=1\n200 OK\ncontent-type: application/json"
        )
        one = page.locator("section").filter(has=page.get_by_text("GET /api/v1/pumps/{serial}", exact=True))
        one.get_by_text("Try it").click()
        one.get_by_label("serial").fill("nobody/x")
        one.get_by_role("button", name="Send").click()
        expect(one.locator("pre")).to_contain_text("GET /api/v1/pumps/nobody%2Fx\n404 Not Found")
        note = page.locator("section").filter(has=page.get_by_text("POST /api/v1/alarms/note", exact=True))
        note.get_by_text("Try it").click()
        note.get_by_role("button", name="Send").click()
        expect(note.locator("pre")).to_contain_text("application/problem+json")
