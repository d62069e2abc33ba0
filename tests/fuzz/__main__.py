"""Fuzzes readers: ``python -m tests.fuzz csv npz --runs 100000``, or ``make test-fuzz``.

With atheris installed, changes are guided by the lines that they reach; else they are random, and
kept where they get a new answer. Each reader has a process of its own, so that one that dies is a
find, too; contents of finds are written to a folder.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

GIBIBYTES = 4
"""Memory of a process, beyond what it takes at its beginning."""


def main() -> int:
    given = _arguments()
    if given.child:
        _child(given)
        return 0
    from tests.fuzz.own_files import OWN
    from tests.fuzz.targets import READERS

    every = [*READERS, *OWN]
    wanted = given.readers or every
    unknown = sorted({*wanted} - {*every})
    if unknown:
        sys.exit(f"no reader {unknown[0]}; choose among {', '.join(every)}")
    total = sum(_fuzz(name, given) for name in wanted)
    print(f"{len(wanted)} readers, {total} kinds of finds")
    return int(total > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("readers", nargs="*", help="default: all")
    parser.add_argument("--runs", type=int, default=100_000, help="of each; default: 100,000")
    parser.add_argument("--seconds", type=int, default=180, help="at most, of each; default: 180")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("auto", "atheris", "mutation"), default="auto")
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"), help="folder for them")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _fuzz(name: str, given: argparse.Namespace) -> int:
    """Fuzzes one reader in a process of its own; returns how many kinds of finds there were."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=_quick_folder()) as made:
        folder = Path(made)
        command = [sys.executable, "-m", "tests.fuzz", name, "--child", str(folder)]
        for key in ("runs", "seconds", "seed", "engine"):
            command += [f"--{key}", str(getattr(given, key))]
        with (folder / "log").open("wb") as log:
            try:
                code = subprocess.run(
                    command, stdout=log, stderr=log, timeout=given.seconds + 300
                ).returncode
            except subprocess.TimeoutExpired:
                code = 124
        told: dict[str, Any] = dict.fromkeys(("runs", "read", "answers"), 0) | {"engine": "?"}
        told["finds"] = {}
        if (folder / "told.json").exists():
            told = json.loads((folder / "told.json").read_text())
        finds = {text: bytes.fromhex(content) for text, content in told["finds"].items()}
        if code:
            place = folder / "work" / "last"
            last = place.read_bytes() if place.exists() else b""
            tail = (folder / "log").read_text(errors="replace")[-300:]
            finds[f"find: the process ended with {code} ({tail!r})"] = last
    seconds = time.monotonic() - began
    print(
        f"{name:16} {told['engine']:9} {told['runs']:8} runs {seconds:6.0f} s "
        f"{told['read']:8} read {told['answers']:4} answers {len(finds)} finds",
        flush=True,
    )
    for text, content in finds.items():
        given.finds.mkdir(parents=True, exist_ok=True)
        file = given.finds / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
        file.write_bytes(content)
        print(f"    {text} -> {file}", flush=True)
    return len(finds)


def _quick_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _child(given: argparse.Namespace) -> None:
    engine = given.engine
    if engine == "auto":
        engine = "atheris" if importlib.util.find_spec("atheris") else "mutation"
    if engine == "atheris":
        import atheris

        with atheris.instrument_imports(
            include=["lalbench", "zipfile", "tarfile", "pickle", "yaml"]
        ):
            _import_all()
    from tests.fuzz.attempts import Attempts
    from tests.fuzz.own_files import OWN
    from tests.fuzz.targets import READERS

    folder: Path = given.child
    (folder / "work").mkdir()
    target = {**READERS, **OWN}[given.readers[0]]
    attempts = Attempts(target, folder / "work")
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + GIBIBYTES * 2**30,) * 2)
    session = _Session(attempts, folder, engine)
    if engine == "atheris":
        _with_atheris(session, given)
    else:
        _with_mutation(session, given)


class _Session:
    """Counts attempts and writes down what the parent wants to know."""

    def __init__(self, attempts: Any, folder: Path, engine: str) -> None:
        self.attempts, self.engine = attempts, engine
        self.runs = self.read = 0
        self.answers: set[str] = set()
        self._folder = folder
        self._said = time.monotonic()

    def attempt(self, content: bytes) -> str:
        """Reads a content."""
        answer: str = self.attempts(content)
        self.runs += 1
        self.read += answer == "read"
        if answer not in self.answers:
            self.answers.add(answer)
            self.tell()
        elif self.runs % 1000 == 0:
            self.tell()
        return answer

    def tell(self) -> None:
        """Writes it down."""
        told = {
            "engine": self.engine,
            "runs": self.runs,
            "read": self.read,
            "answers": len(self.answers),
            "finds": {text: content.hex() for text, content in self.attempts.finds.items()},
        }
        temporary = self._folder / "told.tmp"
        temporary.write_text(json.dumps(told))
        temporary.replace(self._folder / "told.json")


def _with_mutation(session: _Session, given: argparse.Namespace) -> None:
    from tests.fuzz.mutation import Mutation

    mutation = Mutation(session.attempts.target.seeds(), Random(given.seed))
    end = time.monotonic() + given.seconds
    while session.runs < given.runs and time.monotonic() < end:
        content = mutation.next()
        mutation.told(content, session.attempt(content))
    session.tell()


def _with_atheris(session: _Session, given: argparse.Namespace) -> None:
    import atheris

    corpus = given.child / "corpus"
    corpus.mkdir()
    for place, seed in enumerate(session.attempts.target.seeds()):
        (corpus / str(place)).write_bytes(seed)
    words = [
        *(f"-runs={given.runs}", f"-max_total_time={given.seconds}", f"-seed={given.seed + 1}"),
        *("-timeout=60", "-rss_limit_mb=0", "-max_len=65536", "-print_final_stats=0"),
        f"-artifact_prefix={given.child}/",
    ]

    def test_one_input(content: bytes) -> None:
        session.attempt(content)

    atheris.Setup([sys.argv[0], *words, str(corpus)], test_one_input)
    atheris.Fuzz()


def _import_all() -> None:
    """Imports what targets import when they run, so that it is instrumented."""
    import lalbench
    from lalbench import manifests, records, study
    from lalbench.archive import checking
    from lalbench.data import (
        cifar,
        image_folder,
        image_readers,
        lal_files,
        partly_labelled,
        splice,
        unpickler,
        user_files,
    )

    used = (lalbench, manifests, records, study, checking, cifar, image_folder, image_readers)
    assert all((*used, lal_files, partly_labelled, splice, unpickler, user_files))


if __name__ == "__main__":
    sys.exit(main())
