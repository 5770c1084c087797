"""The debug page in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest

from framework import web
from tests.browser.chromium import Page
from tests.browser.test_pages import served

#: WCAG 2.2, success criterion 1.4.3.
_CONTRAST = 4.5


def make_app() -> web.Application:
    async def invoice(request: web.Request) -> web.Response:
        prices: dict[str, Any] = {"apple": 30, "plum": None, "password": "x"}
        try:
            total = sum(2 * price for price in prices.values() if price != "x")
        except TypeError as exc:
            raise LookupError(f"<b>{request.match_info['number']}</b> has no price" + " and so on" * 50) from exc
        return web.json_response(total)

    app = web.Application(debug=True)
    app.router.add_get("/orders/{number}", invoice)
    return app


async def prefer(page: Page, scheme: str) -> None:
    await page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


async def resize(page: Page, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    await page.command("Emulation.setDeviceMetricsOverride", **size)


def luminance(colour: str) -> float:
    """The relative luminance of `rgb(r, g, b)`, as WCAG 2.2 defines it."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


#: Text, colour and background of every element that has text of its own.
_COLOURS = """
(() => {
  const opaque = colour => !colour.endsWith(', 0)') && colour !== 'transparent';
  const found = [];
  for (const element of document.body.querySelectorAll('*')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    let below = element;
    while (below && !opaque(getComputedStyle(below).backgroundColor)) below = below.parentElement;
    const style = getComputedStyle(element);
    found.push([element.outerHTML.slice(0, 80), style.color, getComputedStyle(below).backgroundColor]);
  }
  return found;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_can_be_read_in_light_and_dark(page: Page, scheme: str) -> None:
    async with served(make_app()) as address:
        await prefer(page, scheme)
        await page.go(f"{address}/orders/17?page=2")
        background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        colours = await page.evaluate(_COLOURS)
        await page.go("about:blank")
    assert (luminance(background) > 0.5) == (scheme == "light")
    assert len(colours) > 50
    for element, text, below in colours:
        darker, lighter = sorted((luminance(text), luminance(below)))
        assert (lighter + 0.05) / (darker + 0.05) >= _CONTRAST, (element, text, below)


@pytest.mark.parametrize("width", [320, 800, 1600])
async def test_it_fits_into_any_width(page: Page, width: int) -> None:
    async with served(make_app()) as address:
        await resize(page, width)
        await page.go(f"{address}/orders/{'17' * 100}?{'a' * 200}={'b' * 200}")
        await page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        await page.go("about:blank")
    assert overflow == 0


async def test_messages_are_text_and_the_keyboard_opens_parts(page: Page) -> None:
    async with served(make_app()) as address:
        await page.go(f"{address}/orders/17")
        title = await page.evaluate("document.title")
        message = await page.evaluate("document.querySelector('header .message').textContent")
        bold = await page.evaluate("document.querySelectorAll('.message b').length")
        marked = await page.evaluate("[...document.querySelectorAll('details[open] mark')].map(m => m.textContent)")
        shown = "document.querySelector('.text pre').checkVisibility()"
        before = await page.evaluate(shown)
        await page.evaluate("document.querySelector('.text summary').focus()")
        for kind in ("keyDown", "keyUp"):
            key = {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32}
            await page.command("Input.dispatchKeyEvent", type=kind, text=" " if kind == "keyDown" else "", **key)
        await page.until(shown)
        await page.go("about:blank")
    assert title.startswith("LookupError: <b>17</b> has no price")
    assert message.startswith("<b>17</b> has no price")
    assert bold == 0
    assert marked
    assert before is False


async def test_one_click_selects_the_text(page: Page) -> None:
    async with served(make_app()) as address:
        await resize(page, 800)
        await page.go(f"{address}/orders/17")
        await page.evaluate("document.querySelector('.text').open = true")
        await page.evaluate("document.querySelector('.text pre').scrollIntoView({block: 'center'})")
        x, y = await page.evaluate(
            "(box => [box.x + box.width / 2, box.y + 30])(document.querySelector('.text pre').getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await page.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        text = "document.querySelector('.text pre').textContent.trim()"
        await page.until(f"getSelection().toString().trim() === {text}")
        await page.go("about:blank")


async def test_s33_the_browser_runs_nothing_in_it(page: Page) -> None:
    """Neither what is in it nor what would get into it: its policy forbids scripts, styles, images and forms."""
    async with served(make_app()) as address:
        await page.go(f"{address}/orders/17")
        await page.evaluate(
            """
            (() => {
              window.violations = [];
              document.addEventListener('securitypolicyviolation', e => violations.push(e.effectiveDirective));
              const script = document.createElement('script');
              script.textContent = 'window.ran = true';
              document.body.append(script);
              document.body.insertAdjacentHTML('beforeend', '<img src="/image" onerror="window.ran = true">');
              document.body.insertAdjacentHTML('beforeend', '<style>body { display: none }</style>');
            })()
            """
        )
        await page.until("violations.length >= 3")
        violations = await page.evaluate("violations")
        ran = await page.evaluate("window.ran === true")
        await page.go("about:blank")
    assert {violation.removesuffix("-elem") for violation in violations} >= {"script-src", "img-src", "style-src"}
    assert ran is False


async def test_without_debug_there_is_nothing_to_see(page: Page) -> None:
    app = make_app()
    app.debug = False
    async with served(app) as address:
        await page.go(f"{address}/orders/17")
        text = await page.evaluate("document.body.textContent")
        await page.go("about:blank")
    assert text.split() == ["500", "Internal", "Server", "Error", "Server", "got", "itself", "in", "trouble"]
