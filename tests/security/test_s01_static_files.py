"""S1: nothing a client sends leads out of a folder of static files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framework import web
from framework.sansio.file_names import split_file_name
from tests.contract.backends import UvicornBackend, exchange
from tests.driver import Driver

OPTIONS: list[dict[str, Any]] = [
    {},
    {"follow_symlinks": True},
    {"show_index": True, "html": True},
    {"show_index": True, "html": True, "follow_symlinks": True, "append_version": True},
    {"fallback": "index.html"},
]

#: Below /static/; {outside} is the absolute path of the folder above, without its first slash.
TARGETS = [
    "../secret.txt",
    "../../../../../../../../etc/passwd",
    "..",
    "sub/../../secret.txt",
    "sub/../../../secret.txt",
    "./../secret.txt",
    "sub/./.././../secret.txt",
    "%2e%2e/secret.txt",
    "%2E%2E/secret.txt",
    ".%2e/secret.txt",
    "%2e./secret.txt",
    "sub/%2e%2e/%2e%2e/secret.txt",
    "..%2fsecret.txt",
    "..%2Fsecret.txt",
    "%2e%2e%2fsecret.txt",
    "%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "sub%2f..%2f..%2fsecret.txt",
    "..%5csecret.txt",
    "..%5Csecret.txt",
    "..\\secret.txt",
    "%2e%2e%5csecret.txt",
    "..%252fsecret.txt",
    "%252e%252e/secret.txt",
    "%252e%252e%252fsecret.txt",
    "..%255csecret.txt",
    "..%c0%afsecret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "%uff0e%uff0e/secret.txt",
    "..;/secret.txt",
    "..%00/secret.txt",
    "../secret.txt%00",
    "../secret.txt%00.txt",
    "a.txt%00/../../secret.txt",
    "%00../secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc/passwd",
    "%2Fetc%2Fpasswd",
    "%2f%2fetc%2fpasswd",
    "/{outside}/secret.txt",
    "%2f{outside}/secret.txt",
    "sub/%2f{outside}/secret.txt",
    "file:///etc/passwd",
    "~/secret.txt",
    "~root/.profile",
    "..%2fstatic%2f..%2fsecret.txt",
    "../static-private/key.txt",
    "..%2fstatic-private%2fkey.txt",
    "-private/key.txt",
    "%2e%2e%2fstatic-private/key.txt",
    "..?/secret.txt",
    "../secret.txt/",
    "....//secret.txt",
    "..././secret.txt",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that is served, with what must not be read beside it."""
    folder = tmp_path / "static"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("public")
    (folder / "index.html").write_text("public")
    (folder / "sub" / "b.txt").write_text("public")
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "static-private").mkdir()
    (tmp_path / "static-private" / "key.txt").write_text("SECRET")
    return folder


def targets(folder: Path) -> list[str]:
    return [target.format(outside=str(folder.parent)[1:]) for target in TARGETS]


def app_of(folder: Path, options: dict[str, Any], prefix: str = "/static") -> web.Application:
    app = web.Application()
    app.router.add_static(prefix, folder, **options)
    return app


def is_refused(driver: Driver) -> bool:
    """Whether the answer has nothing from outside: the fallback page is a 200 too."""
    return b"SECRET" not in driver.body and b"root:" not in driver.body and driver.status in {200, 307, 403, 404}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
async def test_s01_never_out_of_the_folder(options: dict[str, Any], folder: Path) -> None:
    app = app_of(folder, options)
    for target in targets(folder):
        driver = await Driver.http(app, target=f"/static/{target}").run()
        assert is_refused(driver), target
        if "fallback" not in options:
            assert driver.status == 404 or driver.body == b"public", target


@pytest.mark.parametrize("options", OPTIONS, ids=str)
async def test_s01_where_the_server_gives_the_decoded_path_only(options: dict[str, Any], folder: Path) -> None:
    app = app_of(folder, options)
    for target in targets(folder):
        for path in {unquote(target), unquote(unquote(target)), target}:
            driver = Driver.http(app, path=f"/static/{path}")
            del driver.scope["raw_path"]
            assert is_refused(await driver.run()), path


@pytest.mark.parametrize("prefix", ["/", "/a/b"])
async def test_s01_whatever_the_prefix(prefix: str, folder: Path) -> None:
    app = app_of(folder, {"follow_symlinks": True}, prefix)
    for target in targets(folder):
        driver = await Driver.http(app, target=f"{prefix.rstrip('/')}/{target}").run()
        assert is_refused(driver), target


async def test_s01_below_a_root_path_and_in_a_sub_application(folder: Path) -> None:
    app = web.Application()
    app.add_subapp("/sub/", app_of(folder, {"show_index": True}))
    for target in targets(folder):
        assert is_refused(await Driver.http(app, target=f"/mnt/sub/static/{target}", root_path="/mnt").run()), target


@pytest.mark.parametrize("options", OPTIONS[:2], ids=str)
async def test_s01_over_a_socket(options: dict[str, Any], folder: Path) -> None:
    """A client that normalises nothing, and a server that hands the path on as it came."""
    async with UvicornBackend().serve(app_of(folder, options)) as address:
        for target in targets(folder):
            line = f"GET /static/{target} HTTP/1.1\r\n"
            answer = await exchange(address, line.encode() + b"Host: localhost\r\nConnection: close\r\n\r\n")
            assert b"SECRET" not in answer, target
            assert b"root:" not in answer, target
            assert answer.split()[1] in {b"400", b"404"} or answer.endswith(b"public"), target


async def test_s01_the_folder_itself_is_reached_through_nothing_outside(folder: Path) -> None:
    """A path that leaves the folder and comes back would tell what the folder is called."""
    for target in ("/static/..%2fstatic/a.txt", "/static/sub/../..%2fstatic/a.txt"):
        driver = await Driver.http(app_of(folder, {}), target=target).run()
        assert driver.status == 404


async def test_s01_dots_inside_of_the_folder_are_taken_away(folder: Path) -> None:
    for target in ("/static/sub/../a.txt", "/static/./a.txt", "/static/nothing/%2e%2e/a.txt"):
        driver = await Driver.http(app_of(folder, {}), target=target).run()
        assert (driver.status, driver.body) == (200, b"public")


def make_links(folder: Path) -> None:
    outside = folder.parent
    (folder / "file").symlink_to(outside / "secret.txt")
    (folder / "relative").symlink_to("../secret.txt")
    (folder / "directory").symlink_to(outside / "static-private")
    (folder / "up").symlink_to("..")
    (folder / "sub" / "twice").symlink_to(folder / "file")
    (folder / "inside").symlink_to(folder / "a.txt")
    (folder / "inner").symlink_to("sub")


LINKS_OUT = ["file", "relative", "directory/key.txt", "up/secret.txt", "sub/twice", "inner/twice", "up/static/a.txt/x"]


@pytest.mark.parametrize("options", [{}, {"show_index": True, "html": True}], ids=str)
@pytest.mark.parametrize("target", LINKS_OUT)
async def test_s01_no_link_out_of_the_folder_is_followed(target: str, options: dict[str, Any], folder: Path) -> None:
    make_links(folder)
    driver = await Driver.http(app_of(folder, options), target=f"/static/{target}").run()
    assert driver.status == 404


async def test_s01_a_directory_that_is_a_link_is_not_listed(folder: Path) -> None:
    make_links(folder)
    for target in ("/static/directory", "/static/directory/", "/static/up"):
        driver = await Driver.http(app_of(folder, {"show_index": True}), target=target).run()
        assert driver.status == 404


async def test_s01_links_inside_of_the_folder_are_followed(folder: Path) -> None:
    make_links(folder)
    for target in ("/static/inside", "/static/inner/b.txt"):
        driver = await Driver.http(app_of(folder, {}), target=target).run()
        assert (driver.status, driver.body) == (200, b"public")


async def test_s01_with_follow_symlinks_links_are_followed_and_dots_are_not(folder: Path) -> None:
    make_links(folder)
    app = app_of(folder, {"follow_symlinks": True})
    for target in ("/static/file", "/static/directory/key.txt", "/static/up/secret.txt"):
        assert (await Driver.http(app, target=target).run()).body == b"SECRET"
    # The target's parent is outside: ".." belongs to the URL and never to the target.
    for target in ("/static/directory/../secret.txt", "/static/directory/..%2fsecret.txt", "/static/directory%2f../x"):
        assert (await Driver.http(app, target=target).run()).status == 404


async def test_s01_the_hash_of_a_file_outside_is_not_told(folder: Path) -> None:
    make_links(folder)
    static = app_of(folder, {"append_version": True}).router.resources()
    (resource,) = static
    for name in ("../secret.txt", "file", "directory/key.txt", "/../secret.txt", str(folder.parent / "secret.txt")):
        assert "v" not in resource.url_for(filename=name).query


SEGMENTS = "..|.||a.txt|sub|b.txt|secret.txt|static|directory|up|\\|%2e%2e|%2f|%5c|%00|%252e%252e|%252f|C:|etc|passwd"
segments = st.sampled_from([*SEGMENTS.split("|"), "static-private", "key.txt", "~", "%FF", "%c0%af"])


@settings(
    derandomize=True, max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.lists(segments, max_size=8), separator=st.sampled_from(["/", "%2f", "%5c", "\\"]), raw=st.booleans())
def test_s01_whatever_the_path(folder: Path, parts: list[str], separator: str, raw: bool) -> None:
    if not (folder / "up").is_symlink():
        make_links(folder)
    driver = Driver.http(app_of(folder, {"show_index": True, "html": True}), target="/static/" + separator.join(parts))
    if not raw:
        del driver.scope["raw_path"]
    asyncio.run(driver.run())
    assert is_refused(driver)


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b\\", "C:", "\0", "é"]), max_size=10).map("/".join))
def test_s01_a_split_name_stays_below(name: str) -> None:
    segments = split_file_name(name)
    if segments is not None:
        joined = os.path.normpath(os.path.join("/folder", *segments))  # noqa: PTH118 - on text
        assert joined == "/folder" or joined.startswith("/folder/")
        assert "\0" not in joined
