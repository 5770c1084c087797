"""Import strings: `"module:attribute"`, for processes that load the application themselves.

A process that is started anew, for each worker or after each change of the source, can be handed a name and not an
object. What is wrong with a name is an `ImportStringError`, a line that says how to write it. What a module raises
while it is imported is the program's own matter and is let through as it is.
"""

from __future__ import annotations

import inspect
import re
import sys
from contextvars import ContextVar
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from framework.applications import Application

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator

__all__ = [
    "DEFAULT_NAMES",
    "ImportStringError",
    "check_import_string",
    "import_attribute",
    "load_application",
    "made_by",
    "module_being_imported",
]

#: What `load_application` looks for, in this order, in a module that is named without an attribute.
DEFAULT_NAMES = ("app", "make_app", "create_app")

_being_imported: ContextVar[str | None] = ContextVar("_being_imported", default=None)

_DOTTED_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class ImportStringError(ValueError):
    """An import string leads to no application. The message is one line and names the fix."""


def check_import_string(import_string: str) -> None:
    """Raise ImportStringError where `load_application` would do so without having looked at the module."""
    _split(import_string)


def import_attribute(import_string: str) -> object:
    """What `"module:attribute"` names. The attribute may have dots, as in `"shop.main:apps.public"`.

    Raises:
        ImportStringError: it is written in another way, or there is no such module or attribute.
        Exception: what the module raised while it was imported.
    """
    module_name, name = _split(import_string)
    if name is None:
        raise ImportStringError(
            f'"{import_string}" names a module and nothing in it; write "module:attribute", as in "{import_string}:app"'
        )
    return _attribute(_import(module_name), module_name, name)


def load_application(import_string: str) -> Application | Awaitable[Application]:
    """The application that `"module:attribute"` names, or one that a function of this name makes.

    The function is called without arguments. If it needs one, it gets an empty list: such a function is what
    `python -m aiohttp.web` calls with the arguments that are left on the command line. A coroutine function gives an
    awaitable, to be awaited in the loop that serves the application.

    `"module"` alone stands for the first that the module has of `DEFAULT_NAMES`.

    Raises:
        ImportStringError: as `import_attribute`, or what it names is neither; an awaitable raises it as well.
        Exception: what the module or the function raised.
    """
    module_name, name = _split(import_string)
    module = _import(module_name)
    if name is None:
        name = next((default for default in DEFAULT_NAMES if hasattr(module, default)), None)
    if name is None:
        one_of = " or ".join(f"{default}()" if default != "app" else default for default in DEFAULT_NAMES)
        raise ImportStringError(
            f'module "{module_name}" has no {one_of}; '
            + _say_applications(module, module_name, f'say which attribute, as in "{module_name}:main"')
        )
    found = _attribute(module, module_name, name)
    label = f'"{module_name}:{name}"'
    if isinstance(found, Application):
        return found
    if inspect.isawaitable(found):
        return _awaited(found, label)
    if not _makes_applications(found):
        raise ImportStringError(f"{label} is {_describe(found)}")
    return made_by(_call(found, label), label)


def made_by(made: object, label: str) -> Application | Awaitable[Application]:
    """``made``, which a function called ``label`` has returned, if it is an application or awaitable.

    Raises ImportStringError if it is neither; an awaitable raises it where that does not give an application.
    """
    if isinstance(made, Application):
        return made
    if inspect.isawaitable(made):
        return _awaited(made, f"{label} was awaited and")
    raise ImportStringError(_made_something_else(f"{label} was called and", made))


def _split(import_string: str) -> tuple[str, str | None]:
    module_name, colon, name = import_string.partition(":")
    # A drive letter, C:\shop\main.py, is no module.
    if "/" in import_string or "\\" in import_string or module_name.endswith(".py") or name.endswith(".py"):
        raise ImportStringError(_say_module_of_path(import_string))
    if module_name.startswith("."):
        raise ImportStringError(f'"{import_string}" is relative; write the full name of the module, without a dot')
    if not _DOTTED_NAME.fullmatch(module_name) or (colon and not _DOTTED_NAME.fullmatch(name)):
        raise ImportStringError(f'"{import_string}" is no import string; write "module:attribute", as in "hello:app"')
    return module_name, name if colon else None


def _say_module_of_path(import_string: str) -> str:
    path, colon, name = import_string.replace("\\", "/").rpartition(":")
    if not colon or "/" in name or name.endswith(".py"):
        path, name = import_string.replace("\\", "/"), "app"
    parts = PurePath(path).with_suffix("").parts
    if parts and parts[-1] == "__init__":
        parts = parts[:-1]
    if parts and all(part.isidentifier() for part in parts):
        return f'"{import_string}" is a path; write the name of the module, "{".".join(parts)}:{name or "app"}"'
    stem = PurePath(path).stem
    return (
        f'"{import_string}" is a path; write the name of the module, "{stem}:{name or "app"}", '
        f"in the folder that contains it"
    )


def module_being_imported() -> str | None:
    """The name of the module that is being imported for its application, to those whom it calls meanwhile."""
    return _being_imported.get()


def _import(module_name: str) -> Any:
    token = _being_imported.set(module_name)
    try:
        # importlib.import_module would leave its own frames in the tracebacks of what the module raises.
        __import__(module_name)
    except ModuleNotFoundError as exc:
        went_further = exc.__traceback__ is not None and exc.__traceback__.tb_next is not None
        if exc.name is None or went_further or not f"{module_name}.".startswith(f"{exc.name}."):
            # An import that failed within the module, or within its package.
            raise
        raise ImportStringError(_say_no_such_module(module_name, exc.name)) from None
    finally:
        _being_imported.reset(token)
    return sys.modules[module_name]


def _say_no_such_module(module_name: str, missing: str) -> str:
    package, _, last = missing.rpartition(".")
    complaint = f'there is no module "{missing}"'
    if package:
        path = getattr(sys.modules.get(package), "__path__", None)
        if path is None:
            return f'"{package}" is a module and no package; write "{package}:{last}"'
        near = _near(last, _modules_in(path))
        return complaint + (f'; did you mean "{package}.{near}"?' if near else f' in the package "{package}"')
    near = _near(missing, _modules_in(_program_folders()))
    if near:
        return f'{complaint}; did you mean "{near}{module_name[len(missing) :]}"?'
    return f"{complaint}; start in the folder that contains it, or put that folder on PYTHONPATH"


def _modules_in(path: Iterable[str]) -> Iterator[str]:
    import pkgutil

    return (module.name for module in pkgutil.iter_modules(path))


def _program_folders() -> list[str]:
    """The folders of `sys.path` that are neither the standard library's nor those of installed packages."""
    import sysconfig

    installed = set(sysconfig.get_paths().values())
    return [
        folder
        for folder in sys.path
        if folder not in installed and PurePath(folder).name not in {"site-packages", "dist-packages", "lib-dynload"}
    ]


def _near(name: str, others: Iterable[str]) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(name, list(others), 1)), None)


def _attribute(module: Any, module_name: str, name: str) -> object:
    found = module
    reached = module_name
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            owner = f'module "{module_name}"' if found is module else f'"{reached}"'
            near = _near(part, (other for other in dir(found) if not other.startswith("__")))
            if near:
                fix = f'did you mean "{reached}{":" if found is module else "."}{near}"?'
            else:
                fix = _say_applications(module, module_name, "look at what the module defines")
            raise ImportStringError(f'{owner} has no attribute "{part}"; {fix}') from None
        reached += f":{part}" if reached == module_name else f".{part}"
    return found


def _say_applications(module: Any, module_name: str, otherwise: str) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Application)]
    if not names:
        return otherwise
    return "its application is " + " or ".join(f'"{module_name}:{name}"' for name in names)


def _makes_applications(found: object) -> bool:
    """Whether it is a function or a class; another framework's application, which is callable too, is neither."""
    if inspect.isclass(found):
        return issubclass(found, Application)
    return inspect.isroutine(found) or (callable(found) and hasattr(found, "func"))


def _describe(found: object) -> str:
    kind = type(found)
    if any(base.__module__.partition(".")[0] == "aiohttp" and base.__name__ == "Application" for base in kind.__mro__):
        return "an application of aiohttp; import web from framework where the program imports it from aiohttp"
    named = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    if inspect.ismodule(found):
        return f'a module; write "{found.__name__}:app"'
    if inspect.isclass(found):
        return f"the class {found.__qualname__}; name a web.Application, or a function that makes one"
    if inspect.iscoroutinefunction(getattr(found, "__call__", None)):  # noqa: B004 (the function, not whether)
        return f"{named}, another ASGI application; serve it with an ASGI server, or mount it in a web.Application"
    return f"{named}; name a web.Application, or a function that makes one"


def _call(function: Any, label: str) -> object:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Written in C.
        return function()
    candidates: tuple[tuple[object, ...], ...] = ((), ([],))
    for arguments in candidates:
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return function(*arguments)
    raise ImportStringError(f"{label} needs arguments, {signature}; name a function that needs none")


async def _awaited(awaitable: Awaitable[object], label: str) -> Application:
    made = await awaitable
    if not isinstance(made, Application):
        raise ImportStringError(_made_something_else(label, made))
    return made


def _made_something_else(label: str, made: object) -> str:
    if made is None:
        return f"{label} gave None; end the function with return app"
    return f"{label} gave {_describe(made)}"
