"""The pages of examples/ in a real browser."""

from __future__ import annotations

import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote

from examples import events, file_server, upload
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


ODD_NAMES = [
    "two words.txt",
    "hash #1.txt",
    "question?.txt",
    "percent %41 100%.txt",
    """quotes 'single' "double".txt""",
    "größe ☃.txt",
    "a+b&c=d;e.txt",
    "<b>tag</b>.txt",
    "back\\slash.txt",
    "javascript:alert(1).txt",
]


async def test_every_name_in_an_index_leads_to_its_file(page: Page, tmp_path: Path) -> None:
    (tmp_path / "sub #1 ü").mkdir()
    contents = {}
    for number, name in enumerate(name.replace("/", "") for name in ODD_NAMES):
        contents[name] = f"content of file {number}"
        (tmp_path / "sub #1 ü" / name).write_text(contents[name])
    async with served(file_server.make_app(tmp_path)) as address:
        await page.go(f"{address}/")
        await page.evaluate("document.querySelector('a').click()")
        await page.until("document.title.includes('sub #1 ü')")
        index = await page.evaluate("location.href")
        links = await page.evaluate("[...document.links].map(link => link.textContent)")
        assert sorted(links) == sorted(contents)
        for name in contents:
            await page.go(index)
            await page.evaluate(f"[...document.links].find(a => a.textContent === {json.dumps(name)}).click()")
            await page.until(f"location.href !== {json.dumps(index)} && document.readyState === 'complete'")
            assert await page.evaluate("document.body.textContent") == contents[name]
            assert unquote(await page.evaluate("location.pathname")).endswith(f"/{name}")


async def test_a_recording_can_be_sought_in(page: Page, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as recording:
        recording.setnchannels(2)
        recording.setsampwidth(2)
        recording.setframerate(44100)
        recording.writeframes(bytes(44100 * 4 * 120))
    ranges: list[str | None] = []

    async def note_range(request: web.Request, response: web.StreamResponse) -> None:
        ranges.append(response.headers.get("Content-Range"))

    app = file_server.make_app(tmp_path)
    app.on_response_prepare.append(note_range)
    async with served(app) as address:
        await page.go(f"{address}/silence.wav")
        await page.until("document.querySelector('video').readyState > 0")
        assert await page.evaluate("document.querySelector('video').duration") == 120
        await page.evaluate("document.querySelector('video').currentTime = 110")
        await page.until("document.querySelector('video').readyState > 1")
        assert await page.evaluate("document.querySelector('video').currentTime") >= 110
        await page.go("about:blank")
    # The browser has asked for what lies there, and has not waited for all that comes before.
    starts = [int(found.removeprefix("bytes ").partition("-")[0]) for found in ranges if found is not None]
    assert max(starts) > 10_000_000
