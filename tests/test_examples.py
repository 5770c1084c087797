"""The programs in examples/ do what they say, asked in-process."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples import asgi_middleware, background, events, file_server, hello_aiohttp, json_lines, mounting, upload
from tests.driver import Driver


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://example")


async def test_hello_aiohttp() -> None:
    app = hello_aiohttp.make_app()
    async with app, client(app) as http:
        moved = await http.get("/")
        missing = await http.get("/users/7")
        made = await http.put("/users/7", json={"name": "Ada"})
        found = await http.get("/users/7")
        visits = await http.get(moved.headers["Location"])
        refused = await http.delete("/users/7")
        broken = [(await http.put("/users/7", content=content)).status_code for content in (b"{", b"[]", b"{}")]
    assert (moved.status_code, moved.headers["Location"]) == (302, "/visits")
    assert (missing.status_code, missing.text) == (404, "There is no user 7.\n")
    assert made.status_code == 201
    assert made.json() == found.json() == {"id": 7, "name": "Ada"}
    assert visits.text == "GET /\nGET /users/7\nPUT /users/7\nGET /users/7\nGET /visits\n"
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET,PUT")
    assert broken == [400, 400, 400]


async def test_events() -> None:
    app = events.make_app()
    async with app, client(app) as http:
        page = await http.get("/")
        posted = [(await http.post("/messages", data={"text": text})).status_code for text in ("one", "two", "")]
        streams = [
            Driver.http(app, target="/events", headers=[(b"last-event-id", last)]) for last in (b"", b"1", b"9", b"x")
        ]
        tasks = [stream.start() for stream in streams]
        for stream, count in zip(streams, (3, 2, 3, 3), strict=True):
            await stream.until_sent(count)
        await http.post("/messages", data={"text": "three\nlines"})
        for stream, count in zip(streams, (4, 3, 4, 4), strict=True):
            await stream.until_sent(count)
        streams[0].disconnect()
        await asyncio.wait_for(tasks[0], 10)
        await app.shutdown()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
    assert 'new EventSource("/events")' in page.text
    assert posted == [204, 204, 400]
    one, two, three = (
        b"id: %d\r\n%s\r\nretry: 1000\r\n\r\n" % (number, data)
        for number, data in enumerate((b"data: one", b"data: two", b"data: three\r\ndata: lines"), 1)
    )
    assert [stream.body for stream in streams] == [one + two + three, two + three, one + two + three, one + two + three]
    assert all(stream.complete for stream in streams)


async def test_json_lines() -> None:
    lines = b'{"amount": 2}\n{"amount": 40.5}\n'
    async with client(json_lines.make_app(interval=0)) as http:
        numbers = await http.get("/numbers?count=3")
        total = await http.post("/total", content=lines)
        running = await http.post("/running-total", content=lines + b"{}\n")
        refused = [
            (response.status_code, response.text.partition(":")[0])
            for content in (lines + b"{", lines + b"[]", b"\n", b'"' * 2**17, b"[" * 50_000)
            for response in [await http.post("/total", content=content)]
        ]
        no_number = await http.get("/numbers?count=x")
    assert numbers.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line)["square"] for line in numbers.text.splitlines()] == [0, 1, 4]
    assert total.json() == {"total": 42.5}
    assert [json.loads(line) for line in running.text.splitlines()] == [
        {"total": 2.0},
        {"total": 42.5},
        {"error": "Line 3: no amount\n"},
    ]
    assert refused == [(400, "Line 3"), (400, "Line 3"), (400, "Line 1"), (400, "Line 1"), (400, "Line 1")]
    assert no_number.status_code == 400


async def test_background() -> None:
    app = background.make_app(interval=0)
    async with app, client(app) as http:
        accepted = await http.post("/orders", data={"item": "tea"})
        refused = await http.post("/orders", data={"item": ""})
        while not {"tick", "warm-up"} <= (await http.get("/")).json().keys():
            await asyncio.sleep(0)
    assert (accepted.status_code, accepted.text) == (202, "tea is on its way.\n")
    assert refused.status_code == 400
    # All that was taken on is done by the time the application has ended.
    assert app[background.DONE]["packed tea"] == app[background.DONE]["mailed about tea"] == 1


async def test_asgi_middleware() -> None:
    async with client(asgi_middleware.make_app()) as http:
        item = await http.get("/items/7", headers={"X-Forwarded-Proto": "https"})
        missing = await http.get("/missing")
    assert item.json() == {"item": 7, "url": "https://example/items/7"}
    assert [response.headers["Server-Timing"][:8] for response in (item, missing)] == ["app;dur="] * 2
    assert missing.status_code == 404


@pytest.mark.parametrize("root_path", ["", "/app"])
@pytest.mark.parametrize("stripped", [False, True])
async def test_mounting(root_path: str, stripped: bool) -> None:
    app = mounting.make_app()
    base = "" if stripped else root_path
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with app, httpx.AsyncClient(transport=transport, base_url="http://example") as http:
        item = await http.get(f"{base}/shop/items/7")
        moved = await http.get(f"{base}/shop/latest")
        refused = await http.get(f"{base}/uptime")
        up = await http.get(f"{base}/uptime", headers={"Authorization": "Bearer secret"})
        front = await http.get(f"{base}/")
        missing = await http.get(f"{base}/items/7")
    assert item.json() == {"item": 7, "url": f"http://example{root_path}/shop/items/7"}
    assert moved.headers["Location"] == f"{root_path}/shop/items/7"
    assert (refused.status_code, up.status_code, missing.status_code) == (401, 200, 404)
    assert re.fullmatch(r"Up for \d+ seconds\.\n", up.text)
    assert front.text == f"The shop is at {root_path}/shop/.\n"


async def test_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "LARGEST_FILE", 100_000)
    content = bytes(range(256)) * 300
    files = [("files", (name, content)) for name in ("größe 1.bin", "größe 1.bin", "../../etc/passwd", "con")]
    app = upload.make_app(tmp_path / "uploads")
    async with client(app) as http:
        page = await http.get("/")
        streamed = await http.post("/upload", files=files)
        whole = await http.post("/form", files=files)
        nothing = await http.post("/upload", files={"files": ("", b"")}, data={"files": "text"})
        too_large = await http.post("/upload", files={"files": ("large", content * 2)})
        no_form = await http.post("/upload", content=b"x")
    assert 'enctype="multipart/form-data"' in page.text
    names = ["größe 1.bin", "größe 1-1.bin", "passwd", "_con"]
    assert streamed.json() == [{"name": name, "size": len(content)} for name in names]
    assert (whole.status_code, whole.headers["Location"]) == (303, "/")
    stored = {path.name: path.read_bytes() for path in (tmp_path / "uploads").iterdir()}
    assert set(stored) == {*names, "größe 1-2.bin", "größe 1-3.bin", "passwd-1", "_con-1"}
    assert set(stored.values()) == {content}
    assert nothing.json() == []
    assert (too_large.status_code, no_form.status_code) == (413, 400)


async def test_upload_of_a_client_that_leaves(tmp_path: Path) -> None:
    app = upload.make_app(tmp_path)
    head = b'--B\r\nContent-Disposition: form-data; name="files"; filename="half"\r\n\r\n'
    headers = [(b"content-type", b"multipart/form-data; boundary=B"), (b"content-length", b"100000")]
    driver = Driver.http(app, "POST", "/upload", headers=headers, body=None)
    driver.feed_body(head + bytes(70_000), more_body=True)
    task = driver.start()
    while not list(tmp_path.iterdir()):
        await asyncio.sleep(0.001)
    driver.disconnect()
    await asyncio.wait_for(task, 10)
    assert list(tmp_path.iterdir()) == []


async def test_file_server(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "größe #1.txt").write_bytes(b"0123456789")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    async with client(file_server.make_app(tmp_path / "shared")) as http:
        index = await http.get("/")
        (link,) = re.findall('href="(/gr.*?)"', index.text)
        whole = await http.get(link)
        part = await http.get(link, headers={"Range": "bytes=2-4"})
        again = await http.get(link, headers={"If-None-Match": whole.headers["ETag"]})
        download = await http.get(f"{link}?download")
        outside = await http.get("/..%2Fsecret.txt")
    assert (index.status_code, index.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (whole.status_code, whole.content) == (200, b"0123456789")
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert again.status_code == 304
    assert "Content-Disposition" not in whole.headers
    assert (download.content, download.headers["Content-Disposition"]) == (b"0123456789", "attachment")
    assert outside.status_code == 404
