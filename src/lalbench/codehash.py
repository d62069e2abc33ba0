"""Hashes of what computes a result: the code that a stage imports, and the numerical libraries.

Snakemake does not notice that an imported module changed. Each rule therefore has the hash of its
stage's code among its parameters: the syntax trees, without docstrings and comments, of all modules
of this package that the stage's module imports, directly or not, at the top or inside functions.
Modules that registries load by name are named by the caller.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "lalbench"
ROOT = Path(__file__).resolve().parent
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")


def stage_hash(module: str, extra: Sequence[str] = (), root: Path = ROOT) -> str:
    """sha256 over the code of ``module``, of ``extra`` and of all they import from the package.

    Args:
        module: dotted name of the stage's module.
        extra: modules loaded by name; those of other packages count by their version instead
            (:func:`software_versions`) and are left out here.
        root: folder of the package.

    Raises:
        ModuleNotFoundError: ``module``, or a module of the package in ``extra``, does not exist.
    """
    return _stage_hash(module, tuple(extra), root)


@cache
def _stage_hash(module: str, extra: tuple[str, ...], root: Path) -> str:
    state = hashlib.sha256()
    for name in sorted(closure([module, *extra], root)):
        state.update(f"{name}\n{_tree_text(_file(name, root))}\n".encode())
    return state.hexdigest()


def closure(modules: Sequence[str], root: Path = ROOT) -> set[str]:
    """``modules`` and every module of the package that they import, directly or not.

    Parent packages are imported with their modules and count too, except the package's own front
    door, which imports the others on demand. Imports for type checkers do not count.
    """
    todo = [name for name in modules if name.split(".")[0] == PACKAGE]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in found or name == PACKAGE:
            continue
        found.add(name)
        todo.extend(_imports(name, root))
        todo.append(name.rpartition(".")[0])
    return found


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
def _tree_text(path: Path) -> str:
    """The syntax tree as text: no comments, no positions, no docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [*_without_docstrings(node.body)] or [ast.Pass()]
    return ast.dump(tree)


def _without_docstrings(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements other than bare strings: docstrings, and the notes below attributes."""
    for statement in body:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not (is_text and isinstance(statement.value.value, str)):  # type: ignore[attr-defined]
            yield statement


@cache
def _imports(name: str, root: Path) -> tuple[str, ...]:
    path = _file(name, root)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    visitor = _ImportVisitor(package, root)
    visitor.visit(ast.parse(path.read_bytes()))
    return tuple(sorted(visitor.found))


class _ImportVisitor(ast.NodeVisitor):
    """Collects imports of the package's modules, in functions too."""

    def __init__(self, package: str, root: Path) -> None:
        self.package, self.root = package, root
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        names = {part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)}
        if "TYPE_CHECKING" not in names:
            self.generic_visit(node)
        for statement in node.orelse if "TYPE_CHECKING" in names else ():
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parts = self.package.split(".")
            above = ".".join(parts[: len(parts) - node.level + 1])
            base = f"{above}.{base}" if base else above
        self._add(base)
        for alias in node.names:
            self._add(f"{base}.{alias.name}")

    def _add(self, name: str) -> None:
        if name.split(".")[0] == PACKAGE and _find(name, self.root) is not None:
            self.found.add(name)


def _file(name: str, root: Path) -> Path:
    path = _find(name, root)
    if path is None:
        raise ModuleNotFoundError(f"no module {name}")
    return path


@cache
def _find(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None
