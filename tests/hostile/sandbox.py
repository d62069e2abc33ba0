"""Runs commands of lalbench in children that are watched: what they run, write, take and say.

One process imports everything once and forks for each command, so that a case costs milliseconds.
A child has little memory and time, and an audit hook notes every program it starts, every pickle it
loads and every path outside of the results folder that it opens for writing or changes.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
RESULTS = "results"
"""The folder that commands may write to."""
RUNNING = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.startfile"}
    | {"os.fork", "os.forkpty", "pickle.find_class", "socket.connect", "webbrowser.open"}
)
"""Audit events that nothing hostile may cause."""
CHANGING = frozenset(
    {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
    | {"os.chmod", "os.chown", "shutil.rmtree", "shutil.move", "shutil.copyfile", "os.mkfifo"}
)
READ = "read:"
"""Begins the name of a function that is called instead of a command."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Outcome:
    """What became of a command.

    Attributes:
        code: exit code; minus the number of the signal that ended it.
        error: standard error.
        mebibytes: largest resident memory.
        seconds: of the processor.
        events: forbidden ones, as text.
    """

    code: int
    error: str
    mebibytes: float
    seconds: float
    events: tuple[str, ...]


class Sandbox:
    """The process that forks; close it at the end."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="lalbench-home-"))
        environment = os.environ | {
            "HOME": str(self._home),
            "XDG_CACHE_HOME": str(self._home),
            "TMPDIR": str(self._home),
            "LALBENCH_CACHE": f"{RESULTS}/cache",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.sandbox"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, arguments: Sequence[str], folder: Path, *, mebibytes: int = 200, seconds: int = 20
    ) -> Outcome:
        """What ``lalbench ARGUMENTS`` does in a folder.

        Args:
            arguments: of the command line; or :data:`READ` and a function as ``module:name``, and
                the path that it is called with.
            folder: that it runs in.
            mebibytes: address space that it may take beyond what it has.
            seconds: after which it is ended.
        """
        before = _listed(folder)
        question = [list(arguments), str(folder), mebibytes, seconds]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert _listed(folder) == before, "wrote outside of the results folder"
        assert not any(self._home.iterdir()), "wrote into the home folder"
        return Outcome(**(answer | {"events": tuple(answer["events"])}))

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()
        self._home.rmdir()


def _listed(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of everything in a folder but the results."""
    found = {}
    for place, folders, names in os.walk(folder):
        if Path(place) == folder and RESULTS in folders:
            folders.remove(RESULTS)
        for name in (*folders, *names):
            about = os.lstat(os.path.join(place, name))
            found[os.path.join(place, name)] = (about.st_size, about.st_mtime_ns)
    return found


def serve() -> None:
    """Answers questions on standard input until it ends."""
    from lalbench.__main__ import main

    _warm_up(main)
    gc.freeze()  # a child that looked for garbage here would copy every page
    for line in sys.stdin:
        arguments, folder, mebibytes, seconds = json.loads(line)
        with (
            tempfile.TemporaryFile("w+", dir="/tmp") as err,
            tempfile.TemporaryFile("w+", dir="/tmp") as seen,
        ):
            child = os.fork()
            if not child:
                _child(main, arguments, Path(folder), mebibytes, seconds, (err, seen))
            _, status, usage = os.wait4(child, 0)
            answer = {
                "code": os.waitstatus_to_exitcode(status),
                "error": _content(err),
                "mebibytes": usage.ru_maxrss / 2**10,
                "seconds": usage.ru_utime + usage.ru_stime,
                "events": _content(seen).splitlines(),
            }
        print(json.dumps(answer), flush=True)


def _warm_up(main: Callable[[list[str]], int]) -> None:
    """Imports what children would import, most of it by a study that is valid."""
    import pyarrow.compute
    import pyarrow.parquet
    import scipy.io
    from PIL import Image, JpegImagePlugin, PngImagePlugin

    import lalbench.archive.checking
    import lalbench.data.image_folder
    import lalbench.data.lal_files
    import lalbench.manifests

    assert all((pyarrow.compute, pyarrow.parquet, scipy.io, lalbench))
    assert all((Image, JpegImagePlugin, PngImagePlugin))
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        here = os.getcwd()
        os.chdir(made)
        rows = "".join(f"{i % 7},{i % 2}\n" for i in range(60))
        Path("mine.csv").write_text("a,label\n" + rows)
        Path("s.yaml").write_text(
            "{study: s, datasets: [{name: m, path: mine.csv, target: label}], settings: [balanced],"
            " classifiers: [svm, {name: f, class: sklearn.ensemble:RandomForestClassifier}],"
            " strategies: [oracle]}"
        )
        fetch = ["fetch", "--study", "s.yaml", "--dataset", "m", "--output", "m.npz"]
        with open(os.devnull, "w") as nowhere:
            sys.stdout = nowhere
            assert main(["plan", "s.yaml"]) == main(fetch) == 0
            sys.stdout = sys.__stdout__
        os.chdir(here)


def _child(
    main: Callable[[list[str]], int],
    arguments: list[str],
    folder: Path,
    mebibytes: int,
    seconds: int,
    files: tuple[TextIO, TextIO],
) -> None:
    code = 99
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(files[0].fileno(), 2)
        sys.path.insert(0, os.getcwd())
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + mebibytes * 2**20,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _watch(files[1].fileno(), folder / RESULTS)
        code = _read(*arguments) if arguments[0].startswith(READ) else main(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 98
    except BaseException:  # noqa: BLE001 - told by the code and the traceback
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _read(function: str, path: str) -> int:
    """Calls a reader as a command would."""
    from lalbench.errors import CorruptFileError, UserError

    module, _, name = function.removeprefix(READ).partition(":")
    try:
        getattr(importlib.import_module(module), name)(Path(path))
    except (CorruptFileError, UserError) as error:
        print(f"lalbench: {error}", file=sys.stderr)
        return 1 if isinstance(error, CorruptFileError) else 2
    return 0


def _watch(handle: int, results: Path) -> None:
    """Notes forbidden events in a file."""
    inside = os.path.realpath(results)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in RUNNING:
            os.write(handle, f"{event} {arguments!r:.200}\n".encode(errors="backslashreplace"))
        elif event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes) and isinstance(flags, int) and flags & _WRITES:
                note(event, path)
        elif event in CHANGING:
            note(event, arguments[0])

    def note(event: str, path: Any) -> None:
        place = os.path.realpath(os.fsdecode(path)) if isinstance(path, str | bytes) else repr(path)
        if place != os.devnull and place != inside and not place.startswith(inside + os.sep):
            os.write(handle, f"{event} {place!r}\n".encode(errors="backslashreplace"))

    sys.addaudithook(hook)


def _content(file: TextIO) -> str:
    file.seek(0)
    return file.buffer.read(1 << 16).decode(errors="backslashreplace")  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve()
