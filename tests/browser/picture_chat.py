"""The picture in docs/chat.md: python -m tests.browser.picture_chat docs/images/chat.png"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from examples.chat import make_app
from examples.chat.broker import MemoryBroker
from tests.browser.chromium import browser, find_chromium
from tests.browser.test_chat import STATE, enter, say, shows
from tests.browser.test_pages import served

TALK = [
    ("Ada", "Is anybody here?"),
    ("Grace", "I am. <b>This</b> is not bold, I hope."),
    ("Ada", "It is text, whatever it looks like."),
    ("أمل", "مرحبا بالجميع"),
    ("Grace", "Names and messages go in both directions ☃"),
]


async def take(path: Path) -> None:
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("Neither Chromium nor Chrome is installed.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with (
            served(make_app(MemoryBroker())) as address,
            browser(chromium, Path(profile)) as page,
            page.another() as grace,
            page.another() as amal,
        ):
            size = {"width": 900, "height": 620, "deviceScaleFactor": 1, "mobile": False}
            await page.command("Emulation.setDeviceMetricsOverride", **size)
            tabs = {"Ada": page, "Grace": grace, "أمل": amal}
            for name, tab in tabs.items():
                await enter(tab, address, name)
                await shows(tab, STATE, "connected")
            for count, (name, text) in enumerate(TALK, 1):
                await say(tabs[name], text)
                await page.until(f"document.querySelectorAll('#messages p').length === {count}")
            await page.screenshot(path)
            for tab in tabs.values():
                await tab.go("about:blank")


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1])))
