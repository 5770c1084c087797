"""Chromium, driven by the DevTools protocol over its websocket: as much of it as the tests ask for."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

__all__ = ("Page", "browser", "find_chromium")

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "chrome-headless-shell")

#: Seconds after which a browser that does not do what it should fails its test instead of stalling the run.
PATIENCE = 30.0


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome, None where none is installed."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Page:
    """A tab. Its methods raise RuntimeError for what the browser refuses and TimeoutError for what never comes."""

    def __init__(self, socket: ClientConnection, address: str) -> None:
        self._socket = socket
        self._address = address
        self._session: str | None = None
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            answer = self._answers.pop(message.get("id"), None)
            if answer is None or answer.done():
                continue
            if "error" in message:
                answer.set_exception(RuntimeError(message["error"]["message"]))
            else:
                answer.set_result(message["result"])

    async def command(self, method: str, **params: Any) -> Any:
        """Call a method of the DevTools protocol."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        await self._socket.send(json.dumps(message))
        return await asyncio.wait_for(answer, PATIENCE)

    async def open(self) -> None:
        """Make the tab."""
        target = await self.command("Target.createTarget", url="about:blank")
        attached = await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]

    def another(self) -> AbstractAsyncContextManager[Page]:
        """A second tab of the same browser."""
        return _tab(self._address)

    async def close(self) -> None:
        """Stop listening; the browser goes with its process."""
        self._reader.cancel()
        await asyncio.wait([self._reader])

    async def go(self, url: str) -> None:
        """Load ``url``, and wait until all of it is there."""
        result = await self.command("Page.navigate", url=url)
        if "errorText" in result:
            raise RuntimeError(f"{url}: {result['errorText']}")
        await self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    async def evaluate(self, expression: str) -> Any:
        """What a JavaScript expression gives, awaited where it is a promise."""
        result = await self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until a JavaScript expression is true, and return what it gives then."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    value = await self.evaluate(expression)
                except RuntimeError as exc:
                    # The page that was asked is just being replaced by the next.
                    if "context" not in str(exc) and "navigated" not in str(exc):
                        raise
                    value = None
                if value:
                    return value
                await asyncio.sleep(0.05)

    async def screenshot(self, path: Path) -> None:
        """Store what is seen as a PNG."""
        result = await self.command("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(result["data"]))

    async def choose_files(self, selector: str, files: Iterable[Path]) -> None:
        """Choose files in an ``<input type="file">``, as a person does in the dialog."""
        document = await self.command("DOM.getDocument")
        node = await self.command("DOM.querySelector", nodeId=document["root"]["nodeId"], selector=selector)
        await self.command("DOM.setFileInputFiles", nodeId=node["nodeId"], files=[str(file) for file in files])


@asynccontextmanager
async def browser(executable: str, profile: Path) -> AsyncIterator[Page]:
    """A headless browser with an empty profile in the folder ``profile``, and a tab of it."""
    process = await asyncio.create_subprocess_exec(
        executable,
        "--headless",
        "--no-sandbox",  # which needs privileges that containers lack; only the tests' own pages are opened
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--no-proxy-server",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        address = await asyncio.wait_for(_address(process, profile), PATIENCE)
        async with _tab(address) as page:
            yield page
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


@asynccontextmanager
async def _tab(address: str) -> AsyncIterator[Page]:
    async with connect(address, max_size=None, proxy=None) as socket:
        page = Page(socket, address)
        try:
            await page.open()
            yield page
        finally:
            await page.close()


async def _address(process: asyncio.subprocess.Process, profile: Path) -> str:
    """The websocket's address, from the file in which the browser notes it."""
    noted = profile / "DevToolsActivePort"
    while True:
        if process.returncode is not None:
            raise RuntimeError(f"The browser ended with {process.returncode} before it listened")
        lines = noted.read_text(encoding="ascii").split() if noted.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(0.05)
