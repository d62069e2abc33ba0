"""A download from a slow server on this machine, killed on its way."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import yaml
from tests.faults.laboratory import STUDY, Laboratory, kill_group, wait
from tests.loopback import SilentHandler, listening

from lalbench.data.fetch import CACHE_VARIABLE, MIRROR_VARIABLE, all_mirrors

FILE = "uci/waveform.p"
SECONDS = 2.0
"""How long the slow server takes for the file."""


@dataclass
class Server:
    """An HTTP server with one file.

    Attributes:
        url: where it is.
        slow: whether it takes ``SECONDS`` for it.
        begun: set when somebody has got the first bytes.
    """

    url: str
    slow: bool = False
    begun: threading.Event = field(default_factory=threading.Event)


@contextmanager
def server(content: bytes) -> Iterator[Server]:
    """Serves ``content`` as ``FILE`` on the loopback address until the end of the block."""

    class Answer(SilentHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            size = len(content) // 50 + 1
            for start in range(0, len(content), size):
                with suppress(OSError):  # who asked has been killed
                    self.wfile.write(content[start : start + size])
                found.begun.set()
                if found.slow:
                    time.sleep(SECONDS / 50)

    with listening(Answer) as url:
        found = Server(url)
        yield found


def download_killed(lab: Laboratory, rng: Random, seconds: float) -> str:
    """SIGKILL to a download, or to Snakemake with it; the same command then has the right file.

    The study is another one, of a data set that has to be downloaded; nothing happens where no
    mirror has the real file.
    """
    original = _original()
    if original is None:
        return ""
    content = original.read_bytes()
    (lab.folder / "download.yaml").write_text(
        yaml.safe_dump(STUDY | {"study": "download", "datasets": ["waveform"]})
    )
    cache = lab.folder / "downloads"
    shutil.rmtree(cache, ignore_errors=True)
    shutil.rmtree(lab.results / "download", ignore_errors=True)
    with server(content) as found:
        places = {MIRROR_VARIABLE: found.url, CACHE_VARIABLE: str(cache)}
        found.slow = True
        process = lab.start("download.yaml", "--until", "fetch", **places)
        while not found.begun.wait(0.05):
            if process.poll() is not None:
                raise AssertionError(f"nothing was downloaded:\n{lab.said()[-4000:]}")
        hurt = wait(process, rng.uniform(0, SECONDS))
        jobs = lab.jobs()
        if rng.random() < 0.5:
            kill_group(process)
        else:
            for job in jobs:
                with suppress(ProcessLookupError):
                    os.kill(job, signal.SIGKILL)
            lab.end(process)
        stored = cache / FILE
        if stored.exists() and stored.read_bytes() != content:
            raise AssertionError("a part of the file was stored as if it were whole")
        found.slow = False
        lab.unlock("download.yaml")
        if lab.end(lab.start("download.yaml", "--until", "fetch", **places)):
            raise AssertionError(f"the download did not recover:\n{lab.said()[-4000:]}")
    data = lab.results / "download" / "data" / "waveform.npz"
    undisturbed = lab.downloaded.setdefault("waveform", _hash(_read_again(lab, original)))
    if _hash(data) != undisturbed or stored.read_bytes() != content:
        raise AssertionError("the data differ from those of an undisturbed download")
    return "a download was killed" if hurt and jobs else ""


def _original() -> Path | None:
    files = [Path(place) / FILE for place in all_mirrors()]
    return next((path for path in files if path.is_file()), None)


def _read_again(lab: Laboratory, original: Path) -> Path:
    """The same data set, read from the mirror folder without any download."""
    shutil.rmtree(lab.results / "undisturbed", ignore_errors=True)
    content = yaml.safe_load((lab.folder / "download.yaml").read_text())
    (lab.folder / "undisturbed.yaml").write_text(yaml.safe_dump(content | {"study": "undisturbed"}))
    mirror = {MIRROR_VARIABLE: str(original.parents[1])}
    if lab.end(lab.start("undisturbed.yaml", "--until", "fetch", **mirror)):
        raise AssertionError(f"the data could not be read:\n{lab.said()[-4000:]}")
    return lab.results / "undisturbed" / "data" / "waveform.npz"


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
