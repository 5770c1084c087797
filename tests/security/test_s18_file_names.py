"""S18: what a client calls its file leads nowhere, and holds no control characters."""

from __future__ import annotations

import pytest

from framework import web
from framework.multipart import BodyPartReader
from tests.driver import Driver


async def names_of(parameters: bytes) -> tuple[str | None, str | None]:
    """The name and the safe name of a file, which `post` and `multipart` agree on."""
    seen: list[tuple[str | None, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        if request.query_string:
            part = await (await request.multipart()).next()
            assert isinstance(part, BodyPartReader)
            seen.append((part.filename, part.safe_filename))
        else:
            upload = (await request.post())["a"]
            assert isinstance(upload, web.FileField)
            seen.append((upload.filename, upload.safe_filename))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    body = b"--b\r\nContent-Disposition: form-data; name=a; " + parameters + b"\r\n\r\n\r\n--b--"
    headers = [
        (b"host", b"example.com"),
        (b"content-length", b"%d" % len(body)),
        (b"content-type", b"multipart/form-data; boundary=b"),
    ]
    for target in ("/", "/?stream"):
        assert (await Driver.http(app, "POST", target, headers=headers, body=body).run()).status == 200
    assert seen[0] == seen[1]
    return seen[0]


@pytest.mark.parametrize(
    ("sent", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..", "unnamed"),
        (".htaccess", "htaccess"),
        ("a/../b", "b"),
        ("NUL.txt", "_NUL.txt"),
        ("x.php:.jpg", "x.php_.jpg"),
        ("x. . .", "x"),
    ],
)
async def test_s18_a_safe_name_is_a_name_in_one_folder(sent: str, safe: str) -> None:
    assert (await names_of(b'filename="%s"' % sent.encode()))[1] == safe


@pytest.mark.parametrize("path", [rb"C:\fakepath\x.txt", rb"\\server\share\x.txt"])
async def test_s18_full_paths_of_windows_are_never_seen(path: bytes) -> None:
    assert await names_of(b'filename="%s"' % path) == ("x.txt", "x.txt")


async def test_s18_the_extended_name_comes_first() -> None:
    assert await names_of(b"filename=\"x.txt\"; filename*=UTF-8''%E2%82%AC.txt") == ("€.txt", "€.txt")
    assert await names_of(b"filename*=UTF-8''..%2F..%5Cx.txt; filename=y") == ("../..\\x.txt", "x.txt")


@pytest.mark.parametrize("octets", [b"%0D%0A", b"%00", b"%1B%5B2J", b"%7F", b"%C2%85", b"%E2%80%A8"])
async def test_s18_no_control_characters(octets: bytes) -> None:
    for parameters in (b"filename*=UTF-8''a%sb.txt", b"filename*0*=UTF-8''a%s; filename*1=b.txt"):
        for name in await names_of(parameters % octets):
            assert name is not None
            assert name.isprintable()
            assert name.startswith("a")
            assert name.endswith("b.txt")


@pytest.mark.parametrize("octet", [b"\x00", b"\x01", b"\r", b"\n", b"\x7f"])
async def test_s18_control_characters_in_a_header_are_refused(octet: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.post()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handler)
    body = b'--b\r\nContent-Disposition: form-data; name="a"; filename="x%sy"\r\n\r\n\r\n--b--' % octet
    headers = [
        (b"host", b"example.com"),
        (b"content-length", b"%d" % len(body)),
        (b"content-type", b"multipart/form-data; boundary=b"),
    ]
    assert (await Driver.http(app, "POST", headers=headers, body=body).run()).status == 400
