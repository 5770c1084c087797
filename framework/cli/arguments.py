"""Types of command line arguments, for argparse."""

from __future__ import annotations

import argparse
import math

from framework.serving.import_strings import ImportStringError, check_import_string

__all__ = ["import_string", "port", "seconds", "workers"]


def import_string(text: str) -> str:
    """`module:attribute`, or `module` alone."""
    try:
        check_import_string(text)
    except ImportStringError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None
    return text


def port(text: str) -> int:
    """The number of a TCP port; 0 for a free one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: they go from 1 to 65535, and 0 means a free one")
    return number


def workers(text: str) -> int:
    """How many processes, at least one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("there must be at least 1")
    return number


def seconds(text: str) -> float:
    """A length of time."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no length of time; write seconds, such as 30 or 0.5")
    return number
