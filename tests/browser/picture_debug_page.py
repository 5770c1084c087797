"""The pictures in docs/debugging.md, of its program: python -m tests.browser.picture_debug_page docs/images"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from tests.browser.chromium import browser, find_chromium
from tests.browser.test_pages import served

DOCUMENT = Path(__file__).parents[2] / "docs" / "debugging.md"


def load(folder: Path) -> ModuleType:
    """The program that the document prints, as a module in a folder of its own."""
    program = re.search(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert program is not None
    file = folder / "shop.py"
    file.write_text(program[1], encoding="utf-8")
    # Written just now, but not changed since.
    os.utime(file, (0, 0))
    module = ModuleType("shop")
    exec(compile(program[1], str(file), "exec"), module.__dict__)
    return module


async def take(folder: Path) -> None:
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("Neither Chromium nor Chrome is installed.")
    with (
        tempfile.TemporaryDirectory() as program,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        os.chdir(program)
        async with served(load(Path(program)).app) as address, browser(chromium, Path(profile)) as page:
            size = {"width": 1000, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
            await page.command("Emulation.setDeviceMetricsOverride", **size)
            await page.command("Emulation.setScrollbarsHidden", hidden=True)
            for scheme in ("light", "dark"):
                features = [{"name": "prefers-color-scheme", "value": scheme}]
                await page.command("Emulation.setEmulatedMedia", features=features)
                await page.go(f"{address}/orders/17?currency=EUR&access_token=8b1a9953")
                await page.screenshot(folder / f"debug-page-{scheme}.png")
            await page.go("about:blank")
        os.chdir(folder)


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1]).resolve()))
