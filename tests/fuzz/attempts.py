"""An attempt reads a file with fuzzed content: all but a value or one sentence is a find."""

from __future__ import annotations

import re
import signal
import sys
import traceback
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.targets import Target

from lalbench.errors import LalbenchError

RUNNING = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class"}
    | {"socket.connect", "os.spawn", "ctypes.dlopen"}
)
"""Audit events that no file may cause."""
LONGEST = 1300
"""Characters of a message."""
SECONDS = 10


class TooLongError(BaseException):
    """An attempt did not end."""


class Attempts:
    """Reads fuzzed content, again and again.

    Args:
        target: what is fuzzed.
        folder: where the file lies; after a process died, it still holds the last content.

    Attributes:
        finds: descriptions of what went wrong, with the content, each kind once.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self.target = target
        self.path = folder / f"manifest.json{target.suffix}".replace(".json.", ".")
        if not target.suffix:
            self.path = folder / "manifest.json"
        self.last = folder / "last"
        self.finds: dict[str, bytes] = {}
        self._ran: list[str] = []
        self._watching = False
        for seed in target.seeds():  # whatever is imported now is no event
            self(seed)
        self.finds.clear()
        sys.addaudithook(self._watch)
        signal.signal(signal.SIGALRM, _too_long)

    def __call__(self, content: bytes) -> str:
        """What became of the content: ``"read"``, the kind of refusal, or a find."""
        self.last.write_bytes(content)
        self.path.write_bytes(self.target.build(content))
        self._ran.clear()
        self._watching = True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = self._read()
        finally:
            self._watching = False
        if self._ran:
            found = f"find: ran {self._ran[0]}"
        if found.startswith("find"):
            self.finds.setdefault(found, content)
        return found

    def _read(self) -> str:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            self.target.read(self.path)
        except LalbenchError as error:
            text = str(error)
            fine = text.isprintable() and "; " in text and len(text) <= LONGEST
            return (
                f"refused {_kind(text)} {_place(error)}" if fine else f"find: message {text[:80]!r}"
            )
        except TooLongError:
            return f"find: no end after {SECONDS} s"
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            return f"find: {type(error).__name__} at {_place(error)}"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return "read"

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._watching and event in RUNNING:
            self._ran.append(f"{event} {arguments!r:.100}")


def _kind(text: str) -> str:
    """The beginning of a message without what it quotes."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|[^a-z ]+", "", text.partition(": ")[2])[:16]


def _place(error: BaseException) -> str:
    """Where in lalbench an error came from, and where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/lalbench/" in frame.filename]
    shown = [frame for frame in (ours[-1:] + frames[-1:]) if frame]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in shown)


def _too_long(_: int, __: FrameType | None) -> None:
    raise TooLongError
