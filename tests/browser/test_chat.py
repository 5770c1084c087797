"""examples/chat in a real browser, in two tabs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from examples.chat import make_app
from examples.chat.application import close_sockets
from examples.chat.broker import MemoryBroker
from examples.chat.client import Limits
from tests.browser.chromium import Page
from tests.browser.test_pages import served

MESSAGES = "[...document.querySelectorAll('#messages li:not(.notice) p')].map(p => p.textContent)"
NAMES = "[...document.querySelectorAll('#names li')].map(item => item.textContent)"
STATE = "document.getElementById('state').textContent"


async def enter(page: Page, address: str, name: str, room: str = "lobby") -> None:
    await page.go(f"{address}/rooms/{room}")
    await page.evaluate(f"document.getElementById('name').value = {json.dumps(name)}")
    await page.evaluate("document.getElementById('enter').requestSubmit()")


async def say(page: Page, text: str) -> None:
    """Type a text and press Enter."""
    await page.evaluate("document.getElementById('text').focus()")
    await page.command("Input.insertText", text=text)
    for kind in ("keyDown", "keyUp"):
        await page.command("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13)


async def shows(page: Page, expression: str, value: Any) -> None:
    """Wait until an expression gives the value."""
    wanted = json.dumps(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    try:
        await page.until(f"JSON.stringify({expression}) === {wanted}")
    except TimeoutError:
        pytest.fail(f"{await page.evaluate(expression)!r} is not {value!r}")


async def test_two_tabs(page: Page) -> None:
    async with served(make_app(MemoryBroker())) as address, page.another() as other:
        await enter(page, address, "Ada")
        await shows(page, NAMES, ["Ada (you)"])
        await enter(other, address, "Bob")
        await shows(page, NAMES, ["Ada (you)", "Bob"])
        await shows(other, NAMES, ["Ada", "Bob (you)"])

        # Whatever is said is text.
        texts = ["<img src=x onerror='window.hacked = true'><b>bold</b>", "größe ☃ &amp;"]
        for text in texts:
            await say(page, text)
        await shows(other, MESSAGES, texts)
        await shows(page, MESSAGES, texts)
        assert await other.evaluate("document.querySelectorAll('#messages img, #messages b').length") == 0
        assert await other.evaluate("window.hacked") is None

        # The history, for who comes late.
        async with page.another() as late:
            await enter(late, address, "Eve")
            await shows(late, MESSAGES, texts)
            await shows(page, NAMES, ["Ada (you)", "Bob", "Eve"])
            await late.go("about:blank")
        await shows(page, NAMES, ["Ada (you)", "Bob"])
        for tab in (page, other):
            await tab.go("about:blank")


async def test_a_name_that_is_taken(page: Page) -> None:
    async with served(make_app(MemoryBroker())) as address, page.another() as other:
        await enter(page, address, "Ada")
        await shows(page, NAMES, ["Ada (you)"])
        await enter(other, address, "ada")
        await shows(other, "document.getElementById('problem').textContent", "Choose another name: the name is taken.")
        assert await other.evaluate("document.activeElement.id") == "name"
        for tab in (page, other):
            await tab.go("about:blank")


async def test_what_was_refused_is_still_there(page: Page) -> None:
    async with served(make_app(MemoryBroker(), Limits(burst=1, per_second=0))) as address:
        await enter(page, address, "Ada")
        await shows(page, STATE, "connected")
        await say(page, "one")
        await say(page, "two")
        await shows(page, "document.getElementById('text').value", "two")
        await shows(page, MESSAGES, ["one"])
        await page.go("about:blank")


async def test_the_page_connects_again(page: Page) -> None:
    app = make_app(MemoryBroker())
    async with served(app) as address:
        await enter(page, address, "Ada")
        await shows(page, STATE, "connected")
        await say(page, "before")
        await shows(page, MESSAGES, ["before"])
        await page.evaluate(
            "new MutationObserver(() => { window.states = (window.states ?? '') + state.textContent + ' '; })"
            ".observe(document.getElementById('state'), {childList: true})"
        )
        await close_sockets(app)
        await page.until("window.states === 'connecting again connecting connected '")
        await say(page, "after")
        await shows(page, MESSAGES, ["before", "after"])
        # A page that is loaded again goes back to where it was.
        await page.go(f"{address}/rooms/lobby?again")
        await shows(page, MESSAGES, ["before", "after"])
        await shows(page, NAMES, ["Ada (you)"])
        await page.go("about:blank")


async def test_another_room(page: Page) -> None:
    async with served(make_app(MemoryBroker())) as address:
        await page.go(f"{address}/rooms/lobby")
        await page.evaluate("document.getElementById('name').value = 'Ada'")
        await page.evaluate("document.getElementById('where').value = 'room-2'")
        await page.evaluate("document.getElementById('enter').requestSubmit()")
        await page.until("location.pathname === '/rooms/room-2'")
        await shows(page, STATE, "connected")
        await page.evaluate("document.getElementById('leave').click()")
        await shows(page, STATE, "not connected")
        assert await page.evaluate("document.getElementById('chat').hidden")
        await page.go("about:blank")
