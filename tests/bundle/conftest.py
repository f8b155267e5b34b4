"""The browser of the tests of ``verify.html``, and the page in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser import MISSING, chromium
from tests.bundle import page as own


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests here. As root it has no sandbox: it is given nothing but this page."""
    found = chromium()
    if found is None:
        pytest.fail(MISSING)
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=alone)
        yield running
        running.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Without a network; whatever is asked for beside the page itself is a failure."""
    made = browser.new_context(offline=True)
    asked: list[str] = []
    made.on("request", lambda request: asked.append(request.url))
    made.on("dialog", lambda dialog: asked.append(dialog.message))
    made.on("weberror", lambda error: asked.append(str(error.error)))
    yield made
    made.close()
    assert all(url.startswith("file:///") and url.endswith("/verify.html") for url in asked), asked


@pytest.fixture(scope="module")
def page(context: BrowserContext) -> Page:
    """The page, opened as a file is."""
    found = context.new_page()
    found.set_default_timeout(20_000)
    found.goto(own.FILE.as_uri())
    return found


@pytest.fixture
def fresh(page: Page) -> Page:
    """The page with nothing chosen."""
    page.reload()
    return page
