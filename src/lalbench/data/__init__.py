"""Data sets: a catalogue, files with checked hashes from mirrors, the user's own files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lalbench.config import DatasetSpec
from lalbench.data import catalogue
from lalbench.data.catalogue import CATALOGUE, names
from lalbench.data.dataset import Dataset
from lalbench.data.fetch import fetch as fetch_file
from lalbench.data.table import check_relabel, stacked, to_dataset
from lalbench.errors import UserError
from lalbench.memory import check_memory

__all__ = [
    "CATALOGUE",
    "Dataset",
    "check",
    "has_posterior",
    "holds_images",
    "input_files",
    "load",
    "names",
]


def load(
    spec: DatasetSpec | str, *, mirrors: Sequence[str] = (), cache: Path | None = None
) -> Dataset:
    """A data set of the catalogue, or of a file or a folder of images of the user's.

    Args:
        spec: entry of a study, or a name of the catalogue. The data set is called by its label.
        mirrors: folders or http(s) URLs asked before the sources; those of the environment
            variable ``LALBENCH_MIRROR`` are added.
        cache: folder for downloads; default ``LALBENCH_CACHE`` or the user's cache folder.

    Raises:
        UserError: an unknown name or option, or a file that cannot be used.
        DownloadError: no place had a file with the right hash.
    """
    spec = _spec(spec)
    if spec.path is not None and spec.format == "images":
        from lalbench.data.image_folder import read_image_folder

        table, where = read_image_folder(spec.path, spec.options), spec.path
    elif spec.path is not None:
        from lalbench.data.user_files import read_user_file

        _no_options(spec)
        table, where = read_user_file(spec.path, spec.format, str(spec.target)), spec.path
    else:
        entry = catalogue.get(spec.name)
        options = _options(spec)
        paths = tuple(fetch_file(file, mirrors=mirrors, cache=cache) for file in entry.files)
        if spec.draws is None:
            table = entry.reader(paths, options)
        else:
            seeds = range(options["seed"], options["seed"] + spec.draws)
            table = stacked([entry.reader(paths, {**options, "seed": seed}) for seed in seeds])
        where = entry.name
    return to_dataset(table, spec.label, spec.relabel, where)


def check(spec: DatasetSpec | str) -> None:
    """Raises :class:`UserError` for what is wrong with ``spec`` before anything is read.

    Of a user's file the names of its columns are read, of a folder of images the names of its
    files; nothing of the catalogue is fetched.
    """
    spec = _spec(spec)
    if spec.relabel is not None:
        check_relabel(spec.relabel)
    if spec.path is None:
        _options(spec)
        return
    if spec.format == "images":
        from lalbench.data.image_folder import check_image_folder

        check_image_folder(spec.path, spec.options)
        return
    from lalbench.data.user_files import check_user_file

    _no_options(spec)
    check_user_file(spec.path, spec.format, str(spec.target))


def input_files(spec: DatasetSpec) -> list[Path]:
    """Files of the user's that a data set is made of; of a folder all files below it, sorted.

    They are named by ``path``, or by the option ``path`` of a set of the catalogue.
    """
    place = spec.path if spec.path is not None else spec.options.get("path")
    if not isinstance(place, str):
        return []
    path = Path(place)
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def holds_images(spec: DatasetSpec) -> bool | None:
    """Whether a data set is made of images; None where only its file can tell (npz)."""
    if spec.path is None:
        return catalogue.get(spec.name).image_shape is not None
    if spec.format == "images":
        return True
    kind = spec.format or Path(spec.path).suffix.lower().removeprefix(".")
    return None if kind == "npz" else False


def has_posterior(spec: DatasetSpec) -> bool:
    """Whether the true class probabilities of the rows of a data set are known."""
    known = spec.path is None and catalogue.get(spec.name).has_densities
    return known and spec.relabel is None


def _spec(spec: DatasetSpec | str) -> DatasetSpec:
    return DatasetSpec(name=catalogue.get(spec).name) if isinstance(spec, str) else spec


def _options(spec: DatasetSpec) -> dict[str, Any]:
    """Complete options of a set of the catalogue; :class:`UserError` for what does not fit."""
    entry = catalogue.get(spec.name)
    options = entry.complete_options(spec.options)
    if spec.draws is not None and not entry.is_generator:
        raise UserError("draws", f'"{spec.name}" is no generator', "remove it")
    if spec.draws is not None and options["seed"] + spec.draws > 2**32:
        raise UserError("draws", "the last draw has a seed above 2³² - 1", "use a smaller seed")
    if spec.draws is not None:
        rows = sum(options.get(key, 0) for key in ("n", "n_test"))
        check_memory("draws", 8 * rows * spec.draws, copies=2)  # of one feature at least
    return options


def _no_options(spec: DatasetSpec) -> None:
    if spec.draws is not None:
        raise UserError("draws", "belongs to generators of the catalogue", "remove it")
    if spec.options:
        key = next(iter(spec.options))
        raise UserError("options", f'a file has no option "{key}"', "remove it")
