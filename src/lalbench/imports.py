"""Objects named by import path: the user's own strategies, classifiers and objectives."""

from __future__ import annotations

import importlib
from typing import Any

from lalbench.errors import UserError


def import_object(path: str, key: str) -> Any:
    """The object at ``package.module:Name`` (or ``package.module.Name``).

    Raises:
        UserError: the module or the name does not exist; ``key`` says where the path stands.
    """
    module_name, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    if not module_name or not name:
        raise UserError(key, f'"{path}" is no import path', "write package.module:Name")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            key, f'cannot import "{module_name}" ({error})', "install it or correct the path"
        ) from error
    if not hasattr(module, name):
        raise UserError(key, f'"{module_name}" has no "{name}"', "correct the name after the colon")
    return getattr(module, name)
