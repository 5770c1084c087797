"""The whole of `aiohttp.web.__all__` by introspection: what `framework.web` lacks is in missing.txt, with a reason.

Compared are names, call signatures, base classes, and the public attributes of classes by their kind. Behaviour is the
matter of the other files.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import BuiltinFunctionType, ClassMethodDescriptorType, MethodDescriptorType, WrapperDescriptorType
from typing import Any

import aiohttp.web
import pytest
from aiohttp.test_utils import make_mocked_request as make_aiohttp_request

import framework.web
from framework.test_utils import make_mocked_request

aiohttp_web: Any = aiohttp.web
framework_web: Any = framework.web

MISSING = Path(__file__).with_name("missing.txt")

#: A default that is told apart by its value. Others (loggers, classes, functions, sentinels) need only be there.
SIMPLE = (type(None), bool, int, float, str, bytes, tuple, frozenset)

#: Special methods that a program uses by syntax.
PROTOCOLS = (
    "__aiter__",
    "__anext__",
    "__await__",
    "__bool__",
    "__call__",
    "__contains__",
    "__delitem__",
    "__eq__",
    "__getitem__",
    "__iter__",
    "__len__",
    "__lt__",
    "__setitem__",
)


def differences(theirs: Any, ours: Any) -> Iterator[tuple[str, str]]:
    """The dotted names at which two modules differ, and how."""
    for name in theirs.__all__:
        if not hasattr(ours, name):
            yield name, "is missing"
        elif name not in ours.__all__:
            yield name, "is not in __all__"
        elif isinstance(getattr(theirs, name), type):
            yield from class_differences(name, getattr(theirs, name), getattr(ours, name))
        elif callable(getattr(theirs, name)):
            for text in call_differences(getattr(theirs, name), getattr(ours, name)):
                yield name, text
        elif getattr(theirs, name) != getattr(ours, name):
            yield name, f"is {getattr(ours, name)!r} where {getattr(theirs, name)!r} is expected"


def class_differences(name: str, theirs: type, ours: type) -> Iterator[tuple[str, str]]:
    for base in theirs.__mro__[1:-1]:
        # Ancestors that aiohttp keeps to itself are no part of the interface.
        expected = getattr(framework_web, base.__name__, None) if base.__module__.startswith("aiohttp") else base
        if isinstance(expected, type) and not issubclass(ours, expected):
            yield f"{name}.{base.__name__}", f"is no base class of {name}"
    if issubclass(theirs, enum.Enum):
        for member in theirs:
            if member.name not in ours.__members__:  # type: ignore[attr-defined]
                yield f"{name}.{member.name}", "is missing"
            elif ours[member.name].value != member.value:  # type: ignore[index]
                yield f"{name}.{member.name}", f"is {ours[member.name].value!r}, not {member.value!r}"  # type: ignore[index]
        return
    for text in call_differences(theirs, ours):
        yield f"{name}.__init__", text
    for attribute in dir(theirs):
        if attribute.startswith("_") and attribute not in PROTOCOLS:
            continue
        if attribute in PROTOCOLS and inspect.getattr_static(theirs, attribute) is getattr(object, attribute, None):
            continue
        if is_inherited(attribute, theirs, ours):
            continue
        for text in attribute_differences(attribute, theirs, ours):
            yield f"{name}.{attribute}", text


def is_inherited(name: str, theirs: type, ours: type) -> bool:
    """Whether a public base class has the attribute too, so that it is compared there."""
    for base in theirs.__mro__[1:]:
        same = getattr(framework_web, base.__name__, None) if base.__name__ in aiohttp_web.__all__ else None
        if isinstance(same, type) and hasattr(base, name):
            return inspect.getattr_static(base, name) is inspect.getattr_static(theirs, name) and (
                inspect.getattr_static(same, name, None) is inspect.getattr_static(ours, name, None)
            )
    return False


def attribute_differences(name: str, theirs: type, ours: type) -> Iterator[str]:
    if not hasattr(ours, name):
        if not any(name in vars(base).get("__annotations__", {}) for base in ours.__mro__):
            yield "is missing"
        return
    expected, found = kind(theirs, name), kind(ours, name)
    if expected != found:
        yield f"is a {found} where a {expected} is expected"
    elif expected == "value":
        value = getattr(theirs, name)
        if isinstance(value, (*SIMPLE, set)) and value != getattr(ours, name):
            yield f"is {getattr(ours, name)!r} where {value!r} is expected"
    elif expected == "method" and name not in PROTOCOLS:
        yield from call_differences(getattr(theirs, name), getattr(ours, name))


def kind(owner: type, name: str) -> str:
    """How a program uses an attribute: by calling it, by reading it of an instance, or as a constant."""
    attribute = inspect.getattr_static(owner, name)
    if isinstance(attribute, (staticmethod, classmethod, ClassMethodDescriptorType)):
        return "method"
    if inspect.isfunction(attribute):
        return "method"
    if isinstance(attribute, (MethodDescriptorType, WrapperDescriptorType, BuiltinFunctionType)):
        return "method"
    if hasattr(type(attribute), "__get__"):
        return "property"
    return "value"


def call_differences(theirs: Any, ours: Any) -> Iterator[str]:
    if inspect.iscoroutinefunction(theirs) != inspect.iscoroutinefunction(ours):
        yield "is a coroutine function on one side only"
    try:
        expected = inspect.signature(theirs).parameters
        found = inspect.signature(ours).parameters
    except (ValueError, TypeError):  # written in C, without a signature
        return
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    kinds = {parameter.kind for parameter in found.values()}
    order = [name for name, parameter in found.items() if parameter.kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD]
    for position, (name, parameter) in enumerate(expected.items()):
        if parameter.kind in variadic:
            if parameter.kind not in kinds:
                yield f"takes no {parameter}"
        elif name.startswith("_"):
            continue
        elif name not in found:
            yield f"has no parameter {name}"
        elif found[name].kind != parameter.kind:
            yield f"has the parameter {name} as {found[name].kind.description}, not {parameter.kind.description}"
        elif name in order and order.index(name) != position:
            yield f"has the parameter {name} at another place"
        else:
            yield from default_differences(parameter, found[name])
    for name, parameter in found.items():
        if name in expected or parameter.kind in variadic:
            continue
        if parameter.default is parameter.empty:
            yield f"has a parameter {name} of its own that is not optional"


def default_differences(expected: inspect.Parameter, found: inspect.Parameter) -> Iterator[str]:
    if (expected.default is expected.empty) != (found.default is found.empty):
        yield f"has the parameter {expected.name} {'with' if found.default is not found.empty else 'without'} a default"
    elif isinstance(expected.default, SIMPLE) and expected.default != found.default:
        yield f"has {found.default!r} for the parameter {expected.name}, not {expected.default!r}"


def exempt() -> dict[str, str]:
    """The lines of missing.txt: dotted name to reason."""
    lines = [line for line in MISSING.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return {name.strip(): reason.strip() for name, _, reason in (line.partition("#") for line in lines)}


DIFFERENCES: dict[str, list[str]] = {}
for dotted, text in differences(aiohttp_web, framework_web):
    DIFFERENCES.setdefault(dotted, []).append(text)


@pytest.mark.parametrize("name", aiohttp_web.__all__)
def test_name(name: str) -> None:
    """`framework.web` has the name, and everything about it that missing.txt does not exempt."""
    exemptions = exempt()
    lacking = {
        dotted: texts
        for dotted, texts in DIFFERENCES.items()
        if dotted.split(".")[0] == name and dotted not in exemptions
    }
    assert lacking == {}


def test_missing_is_still_missing() -> None:
    """A line whose subject has arrived is taken out of missing.txt."""
    assert [name for name in exempt() if name not in DIFFERENCES] == []


def test_missing_is_sorted_and_has_reasons() -> None:
    names = list(exempt())
    assert names == sorted(names)
    assert [name for name, reason in exempt().items() if not reason] == []


def made(web: Any, mocked: Any) -> Iterator[Any]:
    """Instances whose attributes are set by `__init__`."""
    yield web.Application()
    yield web.Application().router
    yield web.Response()
    yield web.HTTPFound("/")
    yield web.HTTPMethodNotAllowed("GET", ["POST"])
    yield web.HTTPRequestEntityTooLarge(1, 2)
    yield web.HTTPUnavailableForLegalReasons("/")
    yield web.RouteTableDef()
    yield web.get("/", web.View)
    yield web.View(None)
    yield web.PlainResource("/")
    yield web.DynamicResource("/{x}")
    yield web.CleanupError("", [])
    yield mocked("GET", "/")
    yield mocked("GET", "/").match_info


def test_instances() -> None:
    """What only instances have: attributes that no class mentions."""
    exemptions = exempt()
    pairs = zip(made(aiohttp_web, make_aiohttp_request), made(framework_web, make_mocked_request), strict=True)
    lacking = [
        f"{type(theirs).__name__}.{name}"
        for theirs, ours in pairs
        for name in dir(theirs)
        if not name.startswith("_") and not hasattr(type(theirs), name) and name not in dir(ours)
    ]
    assert [dotted for dotted in lacking if dotted not in exemptions] == []


def test_helpers_for_unit_tests() -> None:
    """`make_mocked_request` is where aiohttp has it, under the same signature."""
    assert list(call_differences(make_aiohttp_request, make_mocked_request)) == []
