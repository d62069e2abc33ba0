"""Fetching against a real HTTP server on loopback, folders, and what users are told."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from tests.data.http_server import (
    CONTENT,
    SHA256,
    Behaviour,
    Server,
    dead_url,
    good,
    send,
    serving,
    stall,
    status,
    truncated,
    wrong,
)

from lalbench.data.fetch import File, Patience, all_mirrors, default_cache, fetch
from lalbench.errors import DownloadError, UserError

QUICK = Patience(attempts=3, connect=2.0, read=0.5, pause=0.01)
FILE_PATH = "uci/table one.p"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("LALBENCH_MIRROR", raising=False)
    monkeypatch.setenv("LALBENCH_CACHE", str(tmp_path / "default cache"))


def file(*urls: str) -> File:
    return File(path=FILE_PATH, pin=f"sha256:{SHA256}", urls=urls)


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# One place


def test_a_good_file_is_stored_once(server: Server, tmp_path: Path) -> None:
    url = server.on("/f", good)
    path = fetch(file(url), cache=tmp_path / "cache", patience=QUICK)

    assert path == tmp_path / "cache" / FILE_PATH
    assert path.read_bytes() == CONTENT
    assert server.headers[0]["Accept-Encoding"] == "identity"
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()  # readable as any other file
    assert fetch(file(url), cache=tmp_path / "cache", patience=QUICK) == path
    assert server.asked == ["/f"]  # the second time it came from the cache
    assert everything_below(tmp_path / "cache") == [FILE_PATH]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("behaviour", "answer", "attempts"),
    [
        (wrong, "wrong file (sha256", 1),
        (send(b""), "wrong file (sha256 e3b0c44298fc…", 1),
        (send(CONTENT[:-1000]), "wrong file (sha256", 1),
        (truncated, "broke off before the end (3 attempts)", 3),
        (status(404), "HTTP 404", 1),
        (status(403), "HTTP 403", 1),
        (status(500), "HTTP 500 (3 attempts)", 3),
        (status(503), "HTTP 503 (3 attempts)", 3),
        (stall(1.5), "timed out (3 attempts)", 3),
    ],
)
def test_a_bad_answer_leaves_nothing_behind(
    server: Server, tmp_path: Path, behaviour: Behaviour, answer: str, attempts: int
) -> None:
    url = server.on("/f", behaviour)
    with pytest.raises(DownloadError) as caught:
        fetch(file(url), cache=tmp_path, patience=QUICK)

    assert f"{url}: {answer}" in str(caught.value)
    assert "LALBENCH_MIRROR" in str(caught.value)
    assert SHA256 in str(caught.value)
    assert len(server.asked) == attempts
    assert everything_below(tmp_path) == []


@pytest.mark.parametrize("first", [truncated, status(500), status(429), stall(1.0)])
def test_a_passing_failure_is_tried_again(server: Server, tmp_path: Path, first: Behaviour) -> None:
    url = server.on("/f", first, good)
    assert fetch(file(url), cache=tmp_path, patience=QUICK).read_bytes() == CONTENT
    assert len(server.asked) == 2
    assert everything_below(tmp_path) == [FILE_PATH]


def test_a_slow_but_steady_server_is_waited_for(server: Server, tmp_path: Path) -> None:
    # in all longer than the longest silence that is allowed
    url = server.on("/f", send(CONTENT, pause=0.15))
    started = time.monotonic()
    assert fetch(file(url), cache=tmp_path, patience=QUICK).read_bytes() == CONTENT
    assert time.monotonic() - started > 2 * QUICK.read
    assert len(server.asked) == 1


def test_no_connection(tmp_path: Path) -> None:
    url = dead_url()
    with pytest.raises(DownloadError, match=r"no connection \(3 attempts\)"):
        fetch(file(url), cache=tmp_path, patience=QUICK)


def test_a_certificate_that_is_not_trusted_will_not_be_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(url: str, **_: object) -> None:
        asked.append(url)
        raise requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED")

    monkeypatch.setattr(requests, "get", refuse)
    url = "https://localhost/f"
    with pytest.raises(DownloadError) as caught:
        fetch(file(url), cache=tmp_path, patience=QUICK)
    assert f"  {url}: its certificate is not trusted" in str(caught.value).splitlines()
    assert asked == [url]
    assert everything_below(tmp_path) == []


def test_retries_wait_longer_each_time(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("lalbench.data.fetch.time.sleep", waits.append)
    url = server.on("/f", status(500))
    with pytest.raises(DownloadError):
        fetch(file(url), cache=tmp_path, patience=Patience(attempts=4, pause=0.5))
    assert waits == [0.5, 1.0, 2.0]


# Several places


def test_places_are_asked_in_order(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LALBENCH_MIRROR", f"{tmp_path / 'none'}{os.pathsep}{server.base}/second")
    source = server.on("/source", good)
    path = fetch(
        file(source), mirrors=[f"{server.base}/first/"], cache=tmp_path / "c", patience=QUICK
    )
    assert path.read_bytes() == CONTENT
    assert server.asked == ["/first/uci/table%20one.p", "/second/uci/table%20one.p", "/source"]


def test_the_next_place_is_asked_and_the_wrong_file_reported(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    (folder / FILE_PATH).parent.mkdir(parents=True)
    (folder / FILE_PATH).write_bytes(b"other")
    server.on("/m/uci/table%20one.p", wrong)
    source = server.on("/source", good)
    with caplog.at_level(logging.INFO, logger="lalbench"):
        path = fetch(
            file(source),
            mirrors=[str(folder), str(tmp_path / "none"), f"{server.base}/m"],
            cache=tmp_path / "cache",
            patience=QUICK,
        )
    assert path.read_bytes() == CONTENT
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 3
    assert str(folder) in warnings[0]
    assert "wrong file" in warnings[0]
    assert "no such folder" in warnings[1]
    assert f"{server.base}/m: wrong file" in warnings[2]
    assert (folder / FILE_PATH).read_bytes() == b"other"


def test_the_message_lists_what_every_place_answered(server: Server, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    gone, dead = server.on("/gone", status(404)), dead_url()
    with pytest.raises(DownloadError) as caught:
        fetch(
            file(gone, dead),
            mirrors=[str(tmp_path / "empty"), f"{server.base}/m"],
            cache=tmp_path / "cache",
            patience=QUICK,
        )
    lines = str(caught.value).splitlines()
    assert lines[:5] == [
        f"{FILE_PATH} could not be had:",
        f"  {tmp_path / 'empty'}: no such file",
        f"  {server.base}/m: HTTP 404",
        f"  {gone}: HTTP 404",
        f"  {dead}: no connection (3 attempts)",
    ]


def test_a_folder_is_used_in_place_without_a_cache(tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    (folder / FILE_PATH).parent.mkdir(parents=True)
    (folder / FILE_PATH).write_bytes(CONTENT)
    path = fetch(file(), mirrors=[str(folder)], cache=tmp_path / "cache")
    assert path == folder / FILE_PATH
    assert not (tmp_path / "cache").exists()


def test_a_damaged_cache_is_reported_and_replaced(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.on("/f", good)
    path = fetch(file(url), cache=tmp_path, patience=QUICK)
    path.write_bytes(CONTENT[:-1])
    assert fetch(file(url), cache=tmp_path, patience=QUICK).read_bytes() == CONTENT
    assert "wrong file" in caplog.text
    assert len(server.asked) == 2


def test_many_at_once_leave_one_whole_file(server: Server, tmp_path: Path) -> None:
    url = server.on("/f", send(CONTENT, pause=0.01))
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(fetch, file(url), cache=tmp_path, patience=QUICK) for _ in range(8)]
        assert {job.result().read_bytes() for job in jobs} == {CONTENT}
    assert everything_below(tmp_path) == [FILE_PATH]


# Pins and alternatives


@pytest.mark.parametrize(
    "pin",
    ["", SHA256, f"sha256:{SHA256[:-1]}", f"md5:{SHA256}", f"sha1:{SHA256}", "md5:" + "G" * 32],
)
def test_a_pin_names_its_algorithm(pin: str) -> None:
    with pytest.raises(ValueError, match="is no hash"):
        File(path=FILE_PATH, pin=pin)


def test_a_file_pinned_by_md5(server: Server, tmp_path: Path) -> None:
    md5 = hashlib.md5(CONTENT).hexdigest()
    bad, url = server.on("/bad", wrong), server.on("/f", good)
    pinned = File(path=FILE_PATH, pin=f"md5:{md5}", urls=(bad, url))
    assert fetch(pinned, cache=tmp_path, patience=QUICK).read_bytes() == CONTENT
    assert server.asked == ["/bad", "/f"]
    with pytest.raises(
        DownloadError, match=rf"wrong file \(md5 [0-9a-f]{{12}}…, not {md5[:12]}…\)"
    ):
        fetch(File(FILE_PATH, pinned.pin, (bad,)), cache=tmp_path / "other", patience=QUICK)


OTHER = b"the same in another packing"
OTHER_FILE = File("uci/other.p", f"sha256:{hashlib.sha256(OTHER).hexdigest()}")


def test_an_alternative_is_asked_for_at_every_place(server: Server, tmp_path: Path) -> None:
    server.on("/two/uci/other.p", send(OTHER))
    source = server.on("/source", good)
    wanted = File(FILE_PATH, f"sha256:{SHA256}", (source,), (OTHER_FILE,))
    mirrors = [f"{server.base}/one", f"{server.base}/two"]
    path = fetch(wanted, mirrors=mirrors, cache=tmp_path, patience=QUICK)
    assert path == tmp_path / "uci" / "other.p"
    assert path.read_bytes() == OTHER
    places = [
        f"/{mirror}/uci/{name}"
        for mirror in ("one", "two")
        for name in ("table%20one.p", "other.p")
    ]
    assert server.asked == places
    assert fetch(wanted, mirrors=mirrors, cache=tmp_path, patience=QUICK) == path
    assert server.asked == places  # the second time it came from the cache
    path.unlink()
    assert fetch(wanted, cache=tmp_path, patience=QUICK).read_bytes() == CONTENT


def test_an_alternative_has_a_pin_of_its_own(server: Server, tmp_path: Path) -> None:
    server.on("/m/uci/other.p", good)
    wanted = File(FILE_PATH, f"sha256:{SHA256}", (), (OTHER_FILE,))
    with pytest.raises(DownloadError) as caught:
        fetch(wanted, mirrors=[f"{server.base}/m"], cache=tmp_path, patience=QUICK)
    lines = str(caught.value).splitlines()
    assert lines[1] == f"  {server.base}/m: HTTP 404"
    assert lines[2].startswith(
        f"  {server.base}/m (uci/other.p): wrong file (sha256 {SHA256[:12]}…"
    )
    assert f"{FILE_PATH} with sha256 {SHA256} or uci/other.p with sha256 " in lines[3]
    assert everything_below(tmp_path) == []


# Settings


@pytest.mark.parametrize("mirror", ["ftp://host/data", "file:///data", "s3://bucket"])
def test_other_mirrors_are_refused(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(UserError, match="mirrors"):
        fetch(file(), mirrors=[mirror], cache=tmp_path)


@pytest.mark.skipif(os.pathsep != ":", reason="the separator is no part of URLs here")
@pytest.mark.parametrize(
    ("variable", "places"),
    [
        ("", []),
        ("/data/a", ["/data/a"]),
        ("/data/a:/data/b", ["/data/a", "/data/b"]),
        ("https://host/x:/data", ["https://host/x", "/data"]),
        ("/data:http://127.0.0.1:8000/x", ["/data", "http://127.0.0.1:8000/x"]),
        ("http://host:80:https://other:/b", ["http://host:80", "https://other", "/b"]),
        ("http://[::1]:8000/m:rel/dir", ["http://[::1]:8000/m", "rel/dir"]),
        ("::/data::/data:", ["/data"]),
    ],
)
def test_the_variable_holds_a_list(
    monkeypatch: pytest.MonkeyPatch, variable: str, places: list[str]
) -> None:
    monkeypatch.setenv("LALBENCH_MIRROR", variable)
    assert all_mirrors() == places
    assert all_mirrors(["/first"]) == ["/first", *places]


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LALBENCH_CACHE", str(tmp_path / "here"))
    assert default_cache() == tmp_path / "here"
    monkeypatch.delenv("LALBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache().name == "lalbench"


def test_a_cache_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    url = server.on("/f", good)
    with pytest.raises(UserError, match="LALBENCH_CACHE"):
        fetch(file(url), cache=tmp_path / "file", patience=QUICK)


# Progress


def test_a_bar_on_a_terminal_only(
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = server.on("/f", good)
    fetch(file(url), cache=tmp_path / "a", patience=QUICK)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    fetch(file(url), cache=tmp_path / "b", patience=QUICK)
    assert "table one.p" in capsys.readouterr().err


def test_a_line_now_and_then_in_a_log(
    server: Server,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lalbench.data.fetch._SECONDS_BETWEEN_LINES", 0.1)
    url = server.on("/f", send(CONTENT, pause=0.1))
    fetch(file(url), cache=tmp_path, patience=QUICK)
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 8
    assert all(line.startswith(f"{FILE_PATH} from {url}: 0.") for line in lines)
    assert all(line.endswith(" of 0.3 MB") for line in lines)


@pytest.mark.parametrize(
    "mirror",
    [
        "$(touch canary)",
        "~nobody-here/x",
        "x" * 5000,
        "a\nb",
        "\x1b[31m",
        "http://[",
    ],
)
def test_mirrors_that_are_none_are_told_in_lines(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DownloadError) as caught:
        fetch(file(), mirrors=[mirror], cache=tmp_path / "cache", patience=QUICK)
    first, told, last = str(caught.value).splitlines()
    assert first.endswith("could not be had:")
    assert "no such folder" in told or mirror.startswith("http")
    assert last.startswith("Set LALBENCH_MIRROR")
    assert all(line.isprintable() for line in (first, told, last))
    assert not list(tmp_path.rglob("canary"))
