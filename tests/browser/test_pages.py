"""The pages of examples/ in a real browser."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from examples import events, upload
from framework import web
from tests.browser.chromium import Page
from tests.contract.backends import UvicornBackend

FILES = {
    "empty.txt": b"",
    "snow ☃ größe.bin": bytes(range(256)) * 4000,
    "percent %41 & plus+.txt": b"--\r\n\r\n",
    "semi;colon='s.txt": b"x",
}


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Serve `app` under uvicorn; gives its address as a URL without a slash at the end."""
    async with UvicornBackend().serve(app) as (host, port):
        yield f"http://{host}:{port}"


async def chosen(page: Page, address: str, folder: Path) -> None:
    """Open the upload page and choose the files."""
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    await page.go(f"{address}/")
    await page.choose_files("input[type=file]", sorted(folder.iterdir()))


async def test_upload_with_progress(page: Page, tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    async with served(upload.make_app(stored)) as address:
        await chosen(page, address, tmp_path / "chosen")
        await page.evaluate("document.querySelector('button').click()")
        await page.until("document.getElementById('state').textContent === 'stored'")
        shown = await page.evaluate("[...document.querySelectorAll('li')].map(item => item.textContent)")
        progress = await page.evaluate("document.getElementById('progress').value")
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == FILES
    assert sorted(shown) == sorted(f"{name}: {len(content)} bytes" for name, content in FILES.items())
    assert progress == 1


async def test_upload_without_javascript(page: Page, tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    async with served(upload.make_app(stored)) as address:
        await page.command("Emulation.setScriptExecutionDisabled", value=True)
        await chosen(page, address, tmp_path / "chosen")
        # The protocol can still evaluate.
        await page.evaluate("document.forms[0].submit()")
        await page.until(f"location.href === {json.dumps(address + '/')} && performance.navigation.redirectCount === 1")
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == FILES


async def test_events(page: Page) -> None:
    app = events.make_app()

    async def shown() -> list[str]:
        found = await page.evaluate("[...document.querySelectorAll('li')].map(item => item.textContent)")
        assert isinstance(found, list)
        return found

    async with served(app) as address:
        await app[events.BOARD].post("before the page")
        await page.go(f"{address}/")
        await page.until("document.getElementById('state').textContent === 'connected'")
        await page.evaluate("document.querySelector('input').value = '<b>typed</b>'")
        await page.evaluate("document.querySelector('button').click()")
        await page.until("document.querySelectorAll('li').length === 2")
        assert await shown() == ["before the page", "<b>typed</b>"]

        # The stream ends, and the browser connects again with the id of the last event that it has seen.
        await page.evaluate("source.addEventListener('open', () => { window.opened = true; })")
        await web.stop_event_streams(app)
        await app[events.BOARD].post("meanwhile\nin lines")
        await page.until("window.opened")
        await page.until("document.querySelectorAll('li').length === 3")
        assert await shown() == ["before the page", "<b>typed</b>", "meanwhile\nin lines"]
        await page.go("about:blank")
