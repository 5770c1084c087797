"""S15, S16: no multipart body keeps the parser busy for ever, or for longer than in proportion to its length.

A body that took quadratic time would take minutes here, and the driver gives up after ten seconds.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import web
from framework.sansio.disposition import parse_disposition, parse_form_names
from tests.driver import Driver

PROJECT = Path(__file__).parents[2]
BOUNDARY = b"b" * 70
HEAD = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="a"; filename="x"'
END = b"\r\n--" + BOUNDARY + b"--"
SIZE = 2**20


async def handler(request: web.Request) -> web.Response:
    if request.query_string:
        async for part in await request.multipart():
            while await part.read_chunk():  # type: ignore[union-attr]
                pass
    else:
        await request.post()
    return web.Response()


async def ask(target: str, body: bytes, size: int) -> int:
    app = web.Application(client_max_size=2 * SIZE)
    app.router.add_post("/", handler)
    headers = [
        (b"host", b"example.com"),
        (b"transfer-encoding", b"chunked"),
        (b"content-type", b"multipart/form-data; boundary=" + BOUNDARY),
    ]
    pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    return (await Driver.http(app, "POST", target, headers=headers, body=pieces).run()).status


# --- S15 --------------------------------------------------------------------------------------------

MALFORMED = [
    b"",
    b"\r\n",
    b"--",
    b"--" + BOUNDARY,
    b"--" + BOUNDARY + b"\r\n",
    b"--" + BOUNDARY + b"-",
    HEAD,
    HEAD + b"\r\n",
    HEAD + b"\r\n\r\n",
    HEAD + b"\r\n\r\nx",
    HEAD + b"\r\n\r\nx\r\n--" + BOUNDARY,
    HEAD + b"\r\n\r\nx\r\n--" + BOUNDARY + b"x",
    HEAD + b"\n\nx" + END,
    b"--" + BOUNDARY + b"\r\n\r\n\r\n\r\n" * 3,
    b"--" + BOUNDARY + b"\r\n: x\r\n\r\n" + END,
    b"--" + BOUNDARY + b"\r\n x\r\n\r\n" + END,
]


@pytest.mark.parametrize("target", ["/", "/?stream"])
@pytest.mark.parametrize("body", MALFORMED)
async def test_s15_a_malformed_body_comes_to_an_end(target: str, body: bytes) -> None:
    assert await ask(target, body, 2**16) == 400
    assert await ask(target, body, 1) == 400


def test_s15_also_without_assertions() -> None:
    source = """
import asyncio, sys
assert False, "this runs under -O"
from tests.security.test_s15_s16_malformed_multipart import MALFORMED, ask
async def main():
    return {await ask(target, body, 1) for target in ("/", "/?stream") for body in MALFORMED}
print(asyncio.run(main()))
"""
    done = subprocess.run(
        [sys.executable, "-O", "-c", source], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "{400}\n", done.stderr


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--" + BOUNDARY, HEAD, b"\r\n\r\n", b"x", END, b":", b" "])))
async def test_s15_anything_is_answered(pieces: list[bytes]) -> None:
    for target in ("/", "/?stream"):
        assert await ask(target, b"".join(pieces), 2**16) in {200, 400}


async def test_s15_a_truncated_body_is_answered_at_its_end() -> None:
    app = web.Application()
    app.router.add_post("/", handler)
    headers = [(b"host", b"example.com"), (b"content-type", b"multipart/form-data; boundary=b")]
    driver = Driver.http(app, "POST", headers=[*headers, (b"content-length", b"20")], body=None)
    task = driver.start()
    driver.feed_body(b"--b\r\nX: ", more_body=True)
    await asyncio.sleep(0)
    assert not task.done()
    driver.feed_body(b"")
    assert (await driver.run()).status == 400


# --- S16 --------------------------------------------------------------------------------------------

DENSE = {
    "line ends": b"\r\n",
    "carriage returns": b"\r",
    "dashes": b"-",
    "the boundary but for its last octet": b"\r\n--" + BOUNDARY[:-1],
    "the boundary but for one octet": b"\r\n--" + BOUNDARY[:-1] + b"c",
    "octets of the boundary": b"b",
}


@pytest.mark.parametrize("target", ["/", "/?stream"])
@pytest.mark.parametrize("octets", DENSE.values(), ids=DENSE)
@pytest.mark.parametrize("size", [SIZE * 2, 2**16, 100])
async def test_s16_dense_content(target: str, octets: bytes, size: int) -> None:
    content = octets * (SIZE // len(octets))
    assert await ask(target, HEAD + b"\r\n\r\n" + content + END, size) == 200


@pytest.mark.parametrize("target", ["/", "/?stream"])
@pytest.mark.parametrize("octets", [b"\r\n", b"-", b"b", b"\r\n--" + BOUNDARY[:-1]])
async def test_s16_dense_preambles(target: str, octets: bytes) -> None:
    preamble = octets * (SIZE // len(octets))
    assert await ask(target, preamble + b"\r\n" + HEAD + b"\r\n\r\n" + END, 2**16) == 200


@pytest.mark.parametrize("target", ["/", "/?stream"])
async def test_s16_very_many_tiny_pieces(target: str) -> None:
    assert await ask(target, HEAD + b"\r\n\r\n" + b"\r\nx" * 30_000 + END, 1) == 200


@pytest.mark.parametrize(
    "header",
    [
        "form-data;" + ";" * SIZE,
        'form-data; name="' + "\\" * SIZE,
        'form-data; name="' + '\\"' * SIZE + '"x',
        "form-data; " + "a=b;" * SIZE,
        "form-data; name" + " " * SIZE + "=",
        "form-data; name=" + "a" * SIZE + " \t" * SIZE + "x",
        "form-data; filename*=" + "'" * SIZE,
        "form-data; filename*=''" + "%" * SIZE,
        "form-data; " + "".join(f"filename*{number}=a;" for number in range(50_000)),
    ],
)
def test_s16_header_parameters(header: str) -> None:
    parse_disposition(header)
    parse_form_names(header)
