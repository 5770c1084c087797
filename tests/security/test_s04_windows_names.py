r"""S4: names that Windows reads in a way of its own. The decision is made on the text and tested on every platform."""

from __future__ import annotations

import pytest

from framework.sansio.file_names import split_file_name

SPECIAL = [
    # Drive letters, UNC paths, device paths, in all their spellings
    "C:/Windows/win.ini",
    "c:win.ini",
    "C:",
    "sub/C:/x",
    r"C:\Windows\win.ini",
    r"\\server\share\file",
    r"\\?\C:\Windows",
    r"\\.\NUL",
    r"\Windows",
    r"sub\b.txt",
    r"..\secret.txt",
    r"sub/..\..\secret.txt",
    # Devices
    "NUL",
    "nul",
    "CON",
    "con.txt",
    "sub/aux",
    "AUX.tar.gz",
    "PRN ",
    "NUL .txt",
    "COM1",
    "com9.log",
    "COM0",
    "LPT1",
    "lpt9.txt",
    "COM\u00b9",
    "lpt\u00b3.txt",
    "CONIN$",
    "conout$",
    "NUL/x",
    "sub/NUL/../a.txt",
    # Trailing dots and spaces, which are dropped
    "a.txt.",
    "a.txt ",
    "a.txt. .",
    "sub./b.txt",
    "sub /b.txt",
    "...",
    ".. /secret.txt",
    "... /secret.txt",
    " ",
    # Alternate data streams, and characters no name has
    "a.txt::$DATA",
    "a.txt:stream",
    "a*.txt",
    "a?.txt",
    'a".txt',
    "<a>.txt",
    "a|b",
    "a\nb",
    "a\x1fb",
]


@pytest.mark.parametrize("name", SPECIAL)
def test_s04_refused_on_windows(name: str) -> None:
    assert split_file_name(name, windows=True) is None


@pytest.mark.parametrize("name", SPECIAL)
def test_s04_ordinary_elsewhere_and_still_below(name: str) -> None:
    segments = split_file_name(name, windows=False)
    assert segments is not None
    assert ".." not in segments


@pytest.mark.parametrize(
    "name",
    [
        "a.txt",
        "sub/b.txt",
        "CONSOLE",
        "con-fig.txt",
        "COM10",
        "NULL",
        "a.b.c",
        ".hidden",
        "é.txt",
        "a b.txt",
        "(1).txt",
    ],
)
def test_s04_ordinary_names_are_taken(name: str) -> None:
    assert split_file_name(name, windows=True) == name.split("/")


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("name", ["/", "/etc/passwd", "//server/share", "..", "../a", "a/../../a", "a\0", "\0", "./.."])
def test_s04_refused_everywhere(name: str, windows: bool) -> None:
    assert split_file_name(name, windows=windows) is None
