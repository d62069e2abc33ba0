"""Gets a file of the catalogue from the cache, a mirror or its source, and checks its hash.

Places are asked in order: the cache, the mirrors (folders or URLs, as given, then those of
``LALBENCH_MIRROR``), the pinned sources. A place that has no file, or a wrong one, is reported and
the next is asked; only a file with the right hash is ever returned or stored.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from lalbench import files
from lalbench.errors import DownloadError, UserError, one_line
from lalbench.files import atomic

logger = logging.getLogger(__name__)

MIRROR_VARIABLE = "LALBENCH_MIRROR"
CACHE_VARIABLE = "LALBENCH_CACHE"

_CHUNK = 1 << 16  # bytes
_SECONDS_BETWEEN_LINES = 10.0
# A URL may hold the ':' that separates places on POSIX: after its scheme and before its port.
_PLACE_IN_LIST = re.compile(r"https?://[^/:\[]*(?:\[[^\]]*\])?(?::\d+)?(?:/[^:]*)?|[^:]+")
_PIN = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")
_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Args:
        path: where it lies below a mirror and in the cache, with ``/``.
        pin: hash of the whole file, ``sha256:`` and 64 digits; or ``md5:`` and 32 digits, where
            that is all that its makers published and the file itself was not at hand.
        urls: sources, pinned to a version where the host allows it.
        alternatives: other files with the same content in another packing, which the reader knows
            too; each place is asked for them after the file itself.

    Raises:
        ValueError: ``pin`` is no such hash.
    """

    path: str
    pin: str
    urls: tuple[str, ...] = ()
    alternatives: tuple[File, ...] = ()

    def __post_init__(self) -> None:
        if not _PIN.fullmatch(self.pin):
            raise ValueError(f"{self.path}: {self.pin!r} is no hash")

    @property
    def algorithm(self) -> Literal["sha256", "md5"]:
        """Of the pin."""
        return "md5" if self.pin.startswith("md5:") else "sha256"

    @property
    def hash(self) -> str:
        """Hexadecimal digits of the pin."""
        return self.pin.partition(":")[2]


@dataclass(frozen=True)
class Patience:
    """How long a URL is tried before the next place.

    Args:
        attempts: tries per URL; only failures that may pass are tried again.
        connect: seconds to wait for a connection.
        read: longest silence in seconds; a slow but steady download is never cut off.
        pause: seconds before the second attempt, doubled before each further one.
    """

    attempts: int = 3
    connect: float = 10.0
    read: float = 60.0
    pause: float = 1.0


def fetch(
    file: File,
    *,
    mirrors: Sequence[str] = (),
    cache: Path | None = None,
    patience: Patience | None = None,
) -> Path:
    """A local path of ``file``, or of one of its alternatives, with the right hash.

    A file in a mirror folder is verified and used in place; a download is stored in the cache.

    Args:
        file: what is wanted.
        mirrors: folders or http(s) URLs laid out as in docs/data.md, asked in order.
        cache: folder for downloads; default ``LALBENCH_CACHE`` or the user's cache folder.
        patience: time-outs and retries.

    Raises:
        DownloadError: no place had the right file; the message says what each one answered.
        UserError: a mirror is neither a folder nor an http(s) URL, or the cache is not writable.
    """
    folder = default_cache() if cache is None else cache
    wanted = (file, *file.alternatives)
    answers: list[tuple[str, str]] = []
    for kind, place, one in _places(wanted, mirrors, folder):
        cached = folder / one.path
        try:
            if kind == "cache":
                return _verified(cached, one)
            if kind == "folder":
                return _verified(Path(os.path.expanduser(place), one.path), one, Path(place))
            url = place if kind == "source" else f"{place.rstrip('/')}/{quote(one.path)}"
            return _download(url, one, cached, patience or Patience())
        except _NotHereError as answer:
            logger.log(answer.level, "%s: %s: %s", one.path, place, answer)
            answers.append((place if one is file else f"{place} ({one.path})", str(answer)))
    told = "".join(f"\n  {one_line(place)}: {one_line(answer)}" for place, answer in answers)
    known = " or ".join(f"{one.path} with {one.algorithm} {one.hash}" for one in wanted)
    raise DownloadError(
        f"{file.path} could not be had:{told}\n"
        f"Set {MIRROR_VARIABLE}, or the key mirrors of the study file, to a folder or URL that "
        f"holds {known}."
    )


def _places(
    wanted: Sequence[File], mirrors: Sequence[str], cache: Path
) -> list[tuple[str, str, File]]:
    """Where to ask for what, in order: kind of place, the place, the file."""
    kinds = [(_kind(mirror), mirror) for mirror in all_mirrors(mirrors)]
    return [
        *(
            ("cache", str(cache / file.path), file)
            for file in wanted
            if (cache / file.path).is_file()
        ),
        *((kind, place, file) for kind, place in kinds for file in wanted),
        *(("source", url, file) for file in wanted for url in file.urls),
    ]


def all_mirrors(mirrors: Sequence[str] = ()) -> list[str]:
    """``mirrors`` and then those of ``LALBENCH_MIRROR``, each once.

    The variable holds folders and URLs separated as in ``PATH``.
    """
    text = os.environ.get(MIRROR_VARIABLE, "")
    listed = _PLACE_IN_LIST.findall(text) if os.pathsep == ":" else text.split(os.pathsep)
    named = [place.strip() for place in listed]
    return list(dict.fromkeys([*(os.fspath(mirror) for mirror in mirrors), *filter(None, named)]))


def default_cache() -> Path:
    """``LALBENCH_CACHE``, or the user's cache folder of the system."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("lalbench"))


class _NotHereError(Exception):
    """What a place answered instead of the file; ``level`` says how surprising that is."""

    def __init__(self, answer: str, level: int = logging.WARNING, *, passing: bool = False) -> None:
        super().__init__(answer)
        self.level = level
        self.passing = passing


def _kind(mirror: str) -> str:
    scheme, separator, _ = mirror.partition("://")
    if not separator:
        return "folder"
    if scheme.lower() in ("http", "https"):
        return "url"
    raise UserError(
        "mirrors", f'"{mirror}" is no mirror', "write a folder or an http:// or https:// URL"
    )


def _verified(path: Path, file: File, folder: Path | None = None) -> Path:
    """``path`` if it is the wanted file."""
    if folder is not None and not os.path.isdir(os.path.expanduser(folder)):
        raise _NotHereError("no such folder")
    if not os.path.isfile(path):
        raise _NotHereError("no such file", logging.INFO)
    try:
        found = files.file_hash(path, file.algorithm)
    except OSError as error:
        raise _NotHereError(f"cannot be read ({error.strerror})") from error
    _check_hash(found, file)
    return path


def _check_hash(found: str, file: File) -> None:
    if found != file.hash:
        raise _NotHereError(f"wrong file ({file.algorithm} {found[:12]}…, not {file.hash[:12]}…)")


def _download(url: str, file: File, target: Path, patience: Patience) -> Path:
    """Stores the file behind ``url`` as ``target``, or nothing."""
    for attempt in range(1, patience.attempts + 1):
        try:
            _download_once(url, file, target, patience)
        except _NotHereError as answer:
            if not answer.passing:
                raise
            if attempt == patience.attempts:
                raise _NotHereError(f"{answer} ({attempt} attempts)") from answer
            logger.info("%s: %s, attempt %d", url, answer, attempt)
            time.sleep(patience.pause * 2 ** (attempt - 1))
        else:
            return target
    raise ValueError(f"attempts must be at least 1, not {patience.attempts}")


def _download_once(url: str, file: File, target: Path, patience: Patience) -> None:
    import pooch
    import requests

    remedy = f"set {CACHE_VARIABLE} to a writable folder with enough space"
    try:
        with atomic(target) as temporary, _progress(f"{file.path} from {url}") as bar:
            download = pooch.HTTPDownloader(
                progressbar=bar,
                chunk_size=_CHUNK,
                timeout=(patience.connect, patience.read),
                # A server that compresses on the way would change the bytes that are hashed
                headers={"Accept-Encoding": "identity"},
            )
            download(url, str(temporary), None)
            _check_hash(files.file_hash(temporary, file.algorithm), file)
    except UserError as error:
        raise UserError(error.key, error.problem, remedy) from error
    except (requests.RequestException, ValueError) as error:  # ValueError: no host can be so named
        raise _answer(error) from error
    except OSError as error:
        raise UserError(str(target.parent), f"cannot write here ({error})", remedy) from error


def _answer(error: Exception) -> _NotHereError:
    """What went wrong at a URL, in words, and whether it may pass."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        level = logging.INFO if status in (404, 410) else logging.WARNING
        return _NotHereError(f"HTTP {status}", level, passing=status in _RETRIED_STATUS)
    if isinstance(error, requests.exceptions.SSLError):
        return _NotHereError("its certificate is not trusted")
    # A stall in mid-file arrives as a ConnectionError around the time-out
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return _NotHereError("timed out", passing=True)
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return _NotHereError("broke off before the end", passing=True)
    if isinstance(error, requests.ConnectionError):
        return _NotHereError("no connection", passing=True)
    return _NotHereError(f"{type(error).__name__}: {error}")


@contextmanager
def _progress(what: str) -> Iterator[Any]:
    """A progress bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _ProgressLines(what)
        return
    from tqdm import tqdm

    # pooch sets the total; a bar without one has no truth value, and pooch asks for it
    with tqdm(desc=what, total=1, unit="B", unit_scale=True, leave=False) as bar:
        yield bar


class _ProgressLines:
    """What pooch asks of a progress bar, for logs."""

    def __init__(self, what: str) -> None:
        self.total = 0
        self._what = what
        self._done = 0
        self._said = time.monotonic()

    def update(self, n_bytes: int) -> None:
        self._done += n_bytes
        if time.monotonic() - self._said > _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            whole = f" of {self.total / 1e6:.1f}" if self.total else ""
            sys.stderr.write(f"{self._what}: {self._done / 1e6:.1f}{whole} MB\n")
            sys.stderr.flush()

    def reset(self) -> None:
        """Pooch starts over before it fills the bar; a log needs no such line."""
        self._done = 0
        self._said = time.monotonic()

    def close(self) -> None:
        """Nothing to tidy."""
