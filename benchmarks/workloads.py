"""What is measured: each workload is one request, the answer it must get, and the application that gives it.

`$n` stands for a number that is another one in every request, so that nobody is measured by a cache of whole paths.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

# More than any router's cache holds, few enough to build beforehand.
DISTINCT_REQUESTS = 5000

GREETING = "Hello, world!"

DISTINCT_PREFIX = "/resource{index}/{{id}}"
SHARED_PREFIX = "/{{tenant}}/resource{index}/{{id}}"

FORM = (
    "name=Ada+Lovelace&email=ada%40example.org&street=12+St+James%27s+Square&city=London&postcode=SW1Y+4JH"
    "&country=UK&phone=%2B44+20+0000+0000&newsletter=on&comment=A+note+on+number+$n&token=a1b2c3d4e5f6"
)


@dataclass(frozen=True)
class Workload:
    """One request and the answer it must get.

    A workload with `route_count` runs on an application of that many routes; `middlewares` on one with five middlewares
    that pass everything through; any other on one that has its own route only.
    """

    name: str
    title: str
    path: str
    answer: str
    method: str = "GET"
    query: str = ""
    body: str = ""
    content_type: str = ""
    answer_is_json: bool = False
    route_count: int = 0
    shared_prefix: bool = False

    @property
    def app_key(self) -> str:
        """Workloads with the same key run on the same application."""
        if self.route_count:
            return f"{self.route_count}-{'shared' if self.shared_prefix else 'distinct'}"
        return self.name

    @property
    def varies(self) -> bool:
        return "$n" in self.path + self.query + self.body

    def templates(self) -> list[str]:
        """The route templates of a workload that has `route_count`."""
        template = SHARED_PREFIX if self.shared_prefix else DISTINCT_PREFIX
        return [template.format(index=index) for index in range(self.route_count)]

    def target(self, number: int) -> str:
        """The request target: path and query."""
        target = self.path + ("?" + self.query if self.query else "")
        return target.replace("$n", str(number))

    def body_bytes(self, number: int) -> bytes:
        return self.body.replace("$n", str(number)).encode()

    def check(self, number: int, status: int, content_type: str, body: bytes) -> None:
        """Raises `AssertionError` unless this is the right answer to request `number`."""
        assert status == 200, f"{self.name}: status {status}, {body[:200]!r}"
        expected = self.answer.replace("$n", str(number))
        if self.answer_is_json:
            assert content_type.startswith("application/json"), f"{self.name}: content type {content_type!r}"
            assert json.loads(body) == json.loads(expected), f"{self.name}: {body[:200]!r}, not {expected!r}"
        else:
            assert content_type.startswith("text/plain"), f"{self.name}: content type {content_type!r}"
            assert body.decode() == expected, f"{self.name}: {body[:200]!r}, not {expected!r}"


def route_workload(count: int, shared_prefix: bool, last: bool) -> Workload:
    """One of `count` routes, with distinct prefixes or with one shared by all, asking for the first or the last."""
    index = count - 1 if last else 0
    prefix = "shared" if shared_prefix else "distinct"
    position = "last" if last else "first"
    return Workload(
        name=f"{prefix}-{count}-{position}",
        title=f"{position} of {count:,} routes, {prefix} prefix{'' if shared_prefix else 'es'}",
        path=f"/acme/resource{index}/$n" if shared_prefix else f"/resource{index}/$n",
        answer="$n",
        route_count=count,
        shared_prefix=shared_prefix,
    )


ECHO = '{"id":$n,"name":"Ada Lovelace","email":"ada@example.org","tags":["analyst","engine"],"active":true}'

WORKLOADS: tuple[Workload, ...] = (
    Workload("text", "plain text", "/", GREETING),
    Workload("json", "JSON out", "/json", json.dumps({"message": GREETING}), answer_is_json=True),
    Workload("params", "two path parameters", "/users/$n/posts/intro-$n", "$n intro-$n"),
    Workload("query", "two query parameters", "/search", "word$n 2", query="q=word$n&page=2"),
    Workload(
        "json-echo",
        "JSON in and out",
        "/echo",
        ECHO,
        method="POST",
        body=ECHO,
        content_type="application/json",
        answer_is_json=True,
    ),
    Workload("middlewares", "five middlewares", "/", GREETING),
    *(
        route_workload(count, shared_prefix, last)
        for count in (1_000, 10_000)
        for shared_prefix in (False, True)
        for last in (False, True)
    ),
    Workload(
        "form",
        "form of ten fields",
        "/form",
        "Ada Lovelace ada@example.org A note on number $n",
        method="POST",
        body=FORM,
        content_type="application/x-www-form-urlencoded",
    ),
)

SERVED = ("text", "json", "params", "json-echo", "form")


def find(name: str) -> Workload:
    """The workload of that name, route workloads of any count (`shared-10-last`) included."""
    for workload in WORKLOADS:
        if workload.name == name:
            return workload
    prefix, _, rest = name.partition("-")
    count, _, position = rest.partition("-")
    if prefix in ("distinct", "shared") and count.isdecimal() and position in ("first", "last"):
        return route_workload(int(count), prefix == "shared", position == "last")
    raise SystemExit(f"no workload {name!r}; there are: {', '.join(workload.name for workload in WORKLOADS)}")


def select(names: Sequence[str]) -> list[Workload]:
    """The workloads of these names; the first words of a name (`shared-1000`) stand for all that have them."""
    if not names:
        return list(WORKLOADS)
    chosen: list[Workload] = []
    for name in names:
        exact = [workload for workload in WORKLOADS if workload.name == name]
        found = exact or [workload for workload in WORKLOADS if workload.name.startswith(f"{name}-")] or [find(name)]
        chosen += [workload for workload in found if workload not in chosen]
    return chosen
