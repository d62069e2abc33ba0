"""Hashes of what computes a result: the code that a stage runs, and the numerical libraries.

Snakemake does not notice that an imported module changed. Each rule therefore has the hash of its
stage's code among its parameters: the syntax trees, without docstrings and comments, of all modules
that the stage's module imports, directly or not, at the top or inside functions; with them the
templates and other files beside these modules that they name.

Three things keep the hash from saying too much. Modules that registries load by name are given by
the caller, so that a strategy's code counts for its own cells alone. Of a registry only the entries
in use count, so that a new strategy or data set reruns nothing. And plumbing does not count: what
it passes on stands in the parameters of the rules.

Modules of the user's count like those of the package; those of installed packages by version.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections.abc import Collection, Sequence
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from lalbench.source_facts import store_of

PACKAGE = "lalbench"
ROOT = Path(__file__).resolve().parent
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "numba")

PLUMBING = frozenset(
    f"{PACKAGE}{name}"
    for name in (
        "",
        ".codehash",
        ".compute",
        ".config",
        ".errors",
        ".grid",
        ".interrupts",
        ".network_cost",
        ".pretraining",
        ".progress",
        ".provenance",
        ".safe_names",
        ".source_facts",
    )
)
"""Modules that decide which jobs there are and how they report, but compute nothing."""


def stage_hash(
    module: str, extra: Sequence[str] = (), names: Collection[str] = (), root: Path = ROOT
) -> str:
    """sha256 over the code of ``module``, of ``extra`` and of all that they import.

    Args:
        module: dotted name of the stage's module.
        extra: modules loaded by name, of the package, of the user's or installed.
        names: names of the entries of registries (:data:`lalbench.source_facts.REGISTRIES`) in use.
        root: folder of the package.

    Raises:
        ModuleNotFoundError: ``module``, or a module of the package in ``extra``, does not exist.
    """
    return _stage_hash(module, tuple(extra), frozenset(names), root)


@cache
def _stage_hash(module: str, extra: tuple[str, ...], names: frozenset[str], root: Path) -> str:
    state, store = hashlib.sha256(), store_of(root)
    for name in sorted(closure([module, *extra], root)):
        path = _file(name, root)
        if path is None:
            code = _installed_version(name.partition(".")[0])
        else:
            code = store.code_hash(path, names)
        state.update(f"{name}\n{code}\n".encode())
        for resource in _resources(path, root) if path and path.is_relative_to(root) else ():
            state.update(f"{name}/{resource.name}\n".encode() + resource.read_bytes())
    store.save()
    return state.hexdigest()


def closure(modules: Sequence[str], root: Path = ROOT) -> set[str]:
    """``modules`` and every module of the same packages that they import, directly or not.

    Followed are imports of the package itself and, from a user's module, those of the user's own
    modules. Parent packages are imported with their modules and count too. Plumbing and imports for
    type checkers do not count.
    """
    todo = list(modules)
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in found or name in PLUMBING:
            continue
        found.add(name)
        if _file(name, root) is not None:
            todo.extend(_imports(name, root))
        if "." in name:
            todo.append(name.rpartition(".")[0])
    return found


def own_sources(modules: Sequence[str], root: Path = ROOT) -> dict[str, Path]:
    """The user's modules among ``modules`` and those of the user's that they import, by name."""
    found = {name: _file(name, root) for name in sorted(closure(modules, root))}
    return {
        name: path
        for name, path in found.items()
        if path is not None and not path.is_relative_to(root)
    }


def is_users(top: str) -> bool:
    """Whether a top-level module or package is neither installed nor part of Python."""
    folder = _users_folder(top)
    return folder is not None and not {"site-packages", "dist-packages"} & {*folder.parts}


def software_versions() -> dict[str, str]:
    """Versions of what may change a number; ``absent`` for a library that is not installed."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "absent"
    return found


def software_hash() -> str:
    """sha256 of :func:`software_versions`."""
    return hashlib.sha256(repr(sorted(software_versions().items())).encode()).hexdigest()


@cache
def _resources(path: Path, root: Path = ROOT) -> tuple[Path, ...]:
    """Files beside a module of the package that it names, such as a template."""
    texts = store_of(root).texts(path)
    named = [file for file in path.parent.iterdir() if file.name in texts and file.suffix != ".py"]
    return tuple(sorted(file for file in named if file.is_file()))


@cache
def _imports(name: str, root: Path) -> tuple[str, ...]:
    path = _file(name, root)
    assert path is not None
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = store_of(root).imports(path, package)
    followed = [each for each in found if _is_followed(each.partition(".")[0])]
    return tuple(each for each in followed if _find(each, root) is not None)


def _is_followed(top: str) -> bool:
    return top == PACKAGE or _users_folder(top) is not None


def _file(name: str, root: Path) -> Path | None:
    """The source of a module; None for one of an installed package, which counts by version."""
    path = _find(name, root)
    if path is None and name.partition(".")[0] == PACKAGE:
        raise ModuleNotFoundError(f"no module {name}")
    return path


@cache
def _find(name: str, root: Path) -> Path | None:
    top, *rest = name.split(".")
    folder = root.parent if top == PACKAGE else _users_folder(top)
    if folder is None:
        return None
    base = folder.joinpath(top if top != PACKAGE else root.name, *rest)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _users_folder(top: str) -> Path | None:
    """The folder on the import path that holds a module that nobody installed, found unimported."""
    if top in sys.stdlib_module_names:
        return None
    spec = PathFinder.find_spec(top)
    if spec is None or not (spec.submodule_search_locations or spec.has_location):
        return None
    place = Path([*(spec.submodule_search_locations or []), str(spec.origin)][0]).resolve()
    installed = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")}
    return None if any(place.is_relative_to(folder) for folder in installed) else place.parent


@cache
def _installed_version(top: str) -> str:
    for distribution in _distributions().get(top, []):
        return f"{distribution} {version(distribution)}"
    return "absent"


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
