"""A real browser, where one is installed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.browser.chromium import Page, browser, find_chromium


@pytest.fixture
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """A tab of a headless Chromium with an empty profile."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("neither Chromium nor Chrome is installed: what pages do in a browser cannot be seen without one")
    async with browser(chromium, tmp_path_factory.mktemp("profile")) as page:
        yield page
