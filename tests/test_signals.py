"""Signals and the lists that freeze."""

from __future__ import annotations

from typing import Any

import pytest

from framework.signals import FrozenList, Signal


async def test_receivers_are_awaited_in_order_with_the_arguments() -> None:
    calls: list[Any] = []
    signal: Signal[Any] = Signal("owner")

    @signal
    async def first(*args: Any, **kwargs: Any) -> None:
        calls.append(("first", args, kwargs))

    async def second(*args: Any, **kwargs: Any) -> None:
        calls.append(("second", args, kwargs))

    signal.append(second)
    signal.freeze()
    await signal.send(1, a=2)
    assert calls == [("first", (1,), {"a": 2}), ("second", (1,), {"a": 2})]


async def test_a_signal_is_sent_after_it_was_frozen_only() -> None:
    with pytest.raises(RuntimeError, match="Cannot send non-frozen signal"):
        await Signal("owner").send()


async def test_a_failing_receiver_stops_the_others() -> None:
    calls = []
    signal: Signal[Any] = Signal("owner")

    async def fail() -> None:
        raise LookupError

    async def after() -> None:
        calls.append(True)

    signal.extend([fail, after])
    signal.freeze()
    with pytest.raises(LookupError):
        await signal.send()
    assert calls == []


def test_a_frozen_list_refuses_every_change() -> None:
    items = FrozenList([1, 2])
    items.freeze()
    changes: list[Any] = [
        lambda: items.append(3),
        lambda: items.insert(0, 3),
        lambda: items.extend([3]),
        items.pop,
        lambda: items.remove(1),
        items.clear,
        items.reverse,
        lambda: items.__setitem__(0, 3),
        lambda: items.__delitem__(0),
        lambda: items.__iadd__([3]),
    ]
    for change in changes:
        with pytest.raises(RuntimeError, match="frozen"):
            change()
    assert items == [1, 2]
    assert items.frozen


def test_an_open_list_is_a_list() -> None:
    items = FrozenList([1, 2])
    items[0] = 3
    del items[1]
    items.append(4)
    assert items == FrozenList([3, 4])
    assert items[0:1] == [3]
    assert len(items) == 2
    assert repr(items) == "<FrozenList(frozen=False, [3, 4])>"
    assert items != "a string"


def test_repr_of_a_signal_names_its_owner() -> None:
    assert repr(Signal("owner")) == "<Signal owner='owner', frozen=False, []>"
