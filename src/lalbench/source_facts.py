"""What :mod:`lalbench.codehash` reads in a source file, kept on disk from one process to the next.

Parsing all modules of a stage takes a second, and every job of the workflow wants the hash of its
stage. So the facts of a file are kept in the package's ``__pycache__``, as Python keeps its byte
code: a file that has another time, size or inode is read again. The store is of one version of this
module and of Python; where it cannot be written, nothing is kept.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

REGISTRIES = frozenset({"_ENTRIES", "_REGISTRY"})
"""Names of the tables, at the top of modules, of which only the entries in use count."""


class Store:
    """Facts of the source files that a package's stages run.

    Args:
        root: folder of the package.
    """

    def __init__(self, root: Path) -> None:
        version = f"{sys.implementation.cache_tag}-{sys.hexversion:x}-{_own_hash()}"
        self._path = root / "__pycache__" / f"source_facts.{version}.json"
        self._kept = _load(self._path)
        self._checked: set[Path] = set()
        self._trees: dict[Path, ast.Module] = {}
        self._changed = False

    def imports(self, path: Path, package: str) -> tuple[str, ...]:
        """Names that may be modules which ``path``, a module of ``package``, imports."""
        facts = self._facts(path)
        if package not in facts["imports"]:
            visitor = _ImportVisitor(package)
            visitor.visit(self._tree(path))
            facts["imports"][package] = sorted(visitor.found)
            self._changed = True
        return tuple(facts["imports"][package])

    def texts(self, path: Path) -> frozenset[str]:
        """String constants that may name a file beside ``path``."""
        facts = self._facts(path)
        if facts["texts"] is None:
            constants = {
                _constant(node)
                for node in ast.walk(self._tree(path))
                if isinstance(node, ast.Constant)
            }
            facts["texts"] = sorted(each for each in constants if each and _may_be_file(each))
            self._changed = True
        return frozenset(facts["texts"])

    def code_hash(self, path: Path, names: Collection[str]) -> str:
        """sha256 of the syntax tree: no comments, positions, docstrings or unused entries.

        Args:
            path: source file.
            names: of the entries in use of its registry, where it has one.
        """
        facts = self._facts(path)
        hashes: dict[str, str] = facts["code"]
        if facts["registry"] is None:
            facts["registry"] = any(_is_registry(each) for each in self._tree(path).body)
            self._changed = True
        key = json.dumps(sorted(names)) if facts["registry"] else ""
        if key not in hashes:
            hashes[key] = _code_hash(self._tree(path), frozenset(names))
            self._changed = True
        return hashes[key]

    def save(self) -> None:
        """Keeps what was read since the last time."""
        if not self._changed:
            return
        self._changed = False
        with contextlib.suppress(OSError):  # it only makes the next process faster
            self._path.parent.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, suffix=".json")
            with os.fdopen(handle, "w") as file:
                json.dump(self._kept, file)
            Path(name).chmod(0o644)  # readable, as byte code is
            Path(name).replace(self._path)

    def _facts(self, path: Path) -> dict[str, Any]:
        """Those of the file as it is now: read once per process."""
        key = str(path)
        if path not in self._checked:
            self._checked.add(path)
            stamp = _stamp(path)
            if self._kept.get(key, {}).get("stamp") != stamp:
                self._kept[key] = {
                    "stamp": stamp, "imports": {}, "texts": None, "registry": None, "code": {},
                }  # fmt: skip
        return self._kept[key]

    def _tree(self, path: Path) -> ast.Module:
        if path not in self._trees:
            self._trees[path] = _without_docstrings(ast.parse(path.read_bytes()))
        return self._trees[path]


@cache
def store_of(root: Path) -> Store:
    """The store of the package in ``root``."""
    return Store(root)


def _load(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: entry for key, entry in found.items() if _is_entry(entry)}


def _is_entry(entry: Any) -> bool:
    """Whether it was written by this class; anything else counts as not there."""
    kinds = {"stamp": list, "imports": dict, "texts": list, "registry": bool, "code": dict}
    return isinstance(entry, dict) and all(
        isinstance(entry.get(name), kind | None) for name, kind in kinds.items()
    )


@cache
def _own_hash() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def _stamp(path: Path) -> list[int]:
    about = path.stat()
    return [about.st_mtime_ns, about.st_size, about.st_ino]


def _may_be_file(text: str) -> bool:
    return "." in text and len(text) < 100 and not {"/", "\n", " "} & {*text}


def _code_hash(tree: ast.Module, names: frozenset[str]) -> str:
    texts = [
        _entries(statement, names) if _is_registry(statement) else ast.dump(statement)
        for statement in tree.body
    ]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    tree.body = [*_without_texts(tree.body)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [*_without_texts(node.body)] or [ast.Pass()]
    return tree


def _without_texts(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements other than bare strings: docstrings, and the notes below attributes."""
    for statement in body:
        value = statement.value if isinstance(statement, ast.Expr) else None
        if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
            yield statement


def _is_registry(statement: ast.stmt) -> bool:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return any(isinstance(target, ast.Name) and target.id in REGISTRIES for target in targets)


def _entries(registry: ast.stmt, names: frozenset[str]) -> str:
    """The entries of a registry for ``names``, sorted: its order means nothing.

    An entry is an item of a dictionary, or a call in a tuple or list with the name as its first
    argument or as the argument ``name``.
    """
    texts = []
    for node in ast.walk(registry):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None and _constant(key) in names:
                    texts.append(f"{ast.dump(key)} {ast.dump(value)}")
        elif isinstance(node, ast.Tuple | ast.List):
            calls = [element for element in node.elts if isinstance(element, ast.Call)]
            texts += [ast.dump(call) for call in calls if _name_argument(call) in names]
    return "\n".join(sorted(texts))


def _name_argument(call: ast.Call) -> str | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "name"]
    return next((_constant(node) for node in [*named, *call.args[:1]]), None)


def _constant(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


class _ImportVisitor(ast.NodeVisitor):
    """Collects the names that may be imported modules, in functions too."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        names = {part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)}
        names |= {part.attr for part in ast.walk(node.test) if isinstance(part, ast.Attribute)}
        if "TYPE_CHECKING" not in names:
            self.generic_visit(node)
        for statement in node.orelse if "TYPE_CHECKING" in names else ():
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        self.found.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parts = self.package.split(".")
            above = ".".join(parts[: len(parts) - node.level + 1])
            base = f"{above}.{base}" if base else above
        self.found.add(base)
        self.found.update(f"{base}.{alias.name}" for alias in node.names)
