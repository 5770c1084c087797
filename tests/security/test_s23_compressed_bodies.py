"""S23: a small compressed body cannot become a large one in memory."""

from __future__ import annotations

import gzip
import zlib

import pytest

from framework import web
from framework.sansio.codings import PIECE_SIZE, ContentDecoder
from tests.driver import Driver

MEGABYTE = bytes(2**20)
BODIES = {
    "gzip": gzip.compress(MEGABYTE),
    "gzip of many members": b"".join([gzip.compress(bytes(2**10))] * 2**10),
    "deflate": zlib.compress(MEGABYTE),
}


async def ask(body: bytes, coding: bytes, limit: int) -> Driver:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    app = web.Application(client_max_size=limit)
    app.router.add_post("/", handler)
    headers = [(b"content-encoding", coding), (b"content-length", b"%d" % len(body))]
    return await Driver.http(app, "POST", headers=headers, body=body).run()


@pytest.mark.parametrize("name", BODIES)
async def test_s23_the_limit_counts_what_comes_out(name: str) -> None:
    coding = name.split()[0].encode()
    refused = await ask(BODIES[name], coding, limit=2**20 - 1)
    taken = await ask(BODIES[name], coding, limit=2**20)
    assert refused.status == 413
    assert (taken.status, taken.body) == (200, b"1048576")


@pytest.mark.parametrize("name", BODIES)
def test_s23_a_piece_is_of_bounded_size(name: str) -> None:
    decoder = ContentDecoder(name.split()[0])
    sizes = [len(piece) for piece in decoder.decode(BODIES[name])]
    decoder.finish()
    assert sum(sizes) == 2**20
    assert max(sizes) <= PIECE_SIZE


async def test_s23_members_without_content_come_to_an_end() -> None:
    assert (await ask(gzip.compress(b"") * 60_000, b"gzip", limit=1000)).status == 400
