"""Writes the archive of a finished study; twice the same gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

from lalbench import files, manifests
from lalbench.archive import crate
from lalbench.archive.members import CHECKSUMS, METADATA, Content, members
from lalbench.config import Study
from lalbench.errors import UserError

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member: the first that zip knows."""
_COMPRESSED = (".png", ".npz", ".parquet")
"""Endings of files that would not get smaller."""


def write(study: Study, study_file: Path, output: Path) -> None:
    """Writes the archive.

    Args:
        study: a finished study.
        study_file: the file that describes it.
        output: zip file.

    Raises:
        UserError: the study has not finished, or its results are not those of its manifest.
    """
    if output.suffix != ".zip":
        raise UserError("output", f'"{output}" does not end in .zip', "name a zip file")
    _check_study(study)
    contents = dict(sorted(members(study, study_file).items()))
    _check_results(study, contents)
    finished = (study.folder / manifests.NAME).stat().st_mtime
    names = [*contents, CHECKSUMS]
    text = json.dumps(crate.metadata(study, names, finished), indent=2, sort_keys=True)
    contents[METADATA] = (text + "\n").encode()
    lines = [f"{_hash(content)}  {name}\n" for name, content in contents.items()]
    contents[CHECKSUMS] = "".join(sorted(lines, key=lambda line: line[66:])).encode()
    with files.atomic(output) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in contents.items():
            _add(archive, name, content)


def _check_study(study: Study) -> None:
    """The results are those of the study as its file says it now; where they lie does not count."""
    resolved = study.model_dump(mode="json", by_alias=True)
    made_from = dict(manifests.read(study.folder)["study"])
    differing = sorted(
        key
        for key in {*resolved, *made_from} - {"results"}
        if resolved.get(key) != made_from.get(key)
    )
    if differing:
        raise UserError(
            differing[0], "is not what the results were made from", "run the study again"
        )


def _check_results(study: Study, contents: dict[str, Content]) -> None:
    for name, value in manifests.read(study.folder)["files"].items():
        if name in contents and not _has_hash(contents[name], value):
            raise UserError(
                str(study.folder / name),
                "is not what the manifest says",
                manifests.remedy(study.folder, name),
            )


def _has_hash(content: Content, value: str) -> bool:
    return not (isinstance(content, Path) and not content.is_file()) and _hash(content) == value


def _add(archive: zipfile.ZipFile, name: str, content: Content) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix, whatever the machine
    info.external_attr = 0o644 << 16
    stored = name.endswith(_COMPRESSED)
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    if isinstance(content, bytes):
        archive.writestr(info, content)
        return
    info.file_size = content.stat().st_size
    with content.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _hash(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return files.file_hash(content)
