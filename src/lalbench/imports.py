"""Objects named by import path: the user's own strategies, classifiers and objectives.

Importing a module runs it, so a study is as trustworthy as the modules it names. What nobody can
want is refused before it runs: Python's own library has no strategies or classifiers, but functions
that run commands, and a class is not called before it is known to have the methods of what it
should be. A function does not say what it returns, so only the user's own are called.
"""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

from lalbench.errors import UserError

_PATH = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)[:.]([^\W\d]\w*)")


def import_object(path: str, key: str) -> Any:
    """The object at ``package.module:Name`` (or ``package.module.Name``).

    Raises:
        UserError: the module or the name does not exist, the module cannot be imported or is part
            of Python; ``key`` says where the path stands.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise UserError(key, f'"{path}" is no import path', "write package.module:Name")
    module_name, name = found.groups()
    if module_name.partition(".")[0] in sys.stdlib_module_names:
        raise UserError(
            key,
            f'"{module_name}" is part of Python itself',
            "name a module of your own, called otherwise, or of a library",
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            key, f'cannot import "{module_name}" ({error})', "install it or correct the path"
        ) from error
    except (Exception, SystemExit) as error:  # whatever it does when it is imported
        raise UserError(
            key,
            f'"{module_name}" cannot be imported ({type(error).__name__}: {error})',
            "correct the module",
        ) from error
    if not hasattr(module, name):
        raise UserError(key, f'"{module_name}" has no "{name}"', "correct the name after the colon")
    return getattr(module, name)


def check_maker(make: Any, methods: tuple[str, ...], what: str) -> None:
    """Raises :class:`UserError` for what must not be called to get something with ``methods``.

    Args:
        make: a class, or a function of the user's that returns an object.
        methods: that the object has.
        what: it is, for messages.
    """
    title = getattr(make, "__name__", str(make))
    if not callable(make):
        raise UserError("class", f"{title} is no class", f"name a {what}'s class")
    if isinstance(make, type):
        missing = [name for name in methods if not hasattr(make, name)]
        if missing:
            raise UserError(
                "class", f"{title} has no {missing[0]}, so it is no {what}", "name another class"
            )
    elif not _is_users(getattr(make, "__module__", None) or ""):
        raise UserError(
            "class",
            f"{title} is a function of a library, which may do anything",
            f"name a {what}'s class, or a function in a module of your own",
        )


def _is_users(module: str) -> bool:
    """Whether a module is neither installed nor part of Python or of this package."""
    from lalbench import codehash

    top = module.partition(".")[0]
    return top != codehash.PACKAGE and codehash.is_users(top)
