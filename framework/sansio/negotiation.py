"""Which content coding a client takes (RFC 9110, section 12.5.3).

What a client sends is read leniently, in one pass: a weight that is none counts as one, what is no coding is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence

from multidict import MutableMultiMapping

from framework import hdrs

__all__ = ("add_to_vary", "choose_coding", "vary_by_accept_encoding")

_IDENTITY = "identity"


def choose_coding(accept_encoding: str | None, available: Sequence[str]) -> str | None:
    """The coding to send, or None for none.

    Args:
        accept_encoding: the Accept-Encoding header, None where there is none.
        available: the codings that the server could send, in lower case, the preferred one first.

    Returns:
        The one that the client gives the greatest weight, of equal ones the first. None also where the client would
        rather have no coding at all than any of these.
    """
    if not accept_encoding:
        return None
    weights = _weights(accept_encoding)
    anything = weights.get("*", 0.0)
    chosen, best = None, weights.get(_IDENTITY, 0.0)
    for coding in available:
        weight = weights.get(coding, anything)
        # The first of equal ones, but any rather than `identity` with the same weight.
        if weight and (weight > best or (weight == best and chosen is None)):
            chosen, best = coding, weight
    return chosen


def _weights(accept_encoding: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in accept_encoding.lower().split(","):
        coding, _, parameters = item.partition(";")
        coding = coding.strip()
        if coding:
            # RFC 9110, section 8.4.1.3: an old name of the same coding.
            weights[coding.removeprefix("x-") if coding == "x-gzip" else coding] = _weight(parameters)
    return weights


def _weight(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    # RFC 9110, section 12.4.2: "0" or "1", with at most three digits behind the point.
    value = value.strip()
    digits = value.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and len(value) <= 5):
        return 1.0
    return min(float(value), 1.0)


def add_to_vary(vary: str | None, name: str) -> str:
    """The Vary header (RFC 9110, section 12.5.5) of a response that has ``vary`` and depends on ``name`` as well."""
    if not vary:
        return name
    names = {each.strip().lower() for each in vary.split(",")}
    return vary if "*" in names or name.lower() in names else f"{vary}, {name}"


def vary_by_accept_encoding(headers: MutableMultiMapping[str]) -> None:
    """Say in ``headers`` that the response depends on Accept-Encoding."""
    vary = ", ".join(headers.getall(hdrs.VARY, ()))
    headers[hdrs.VARY] = add_to_vary(vary, str(hdrs.ACCEPT_ENCODING))
