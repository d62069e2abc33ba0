"""What is in force while computing: defaults, nesting, bad values, and whether there is a GPU."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from lalbench import compute
from lalbench.compute import Compute, current, has_cuda, using
from lalbench.errors import UserError


def test_defaults():
    assert current() == Compute("auto", 256 * 2**20, 1, 1, None)
    with using() as inside:
        assert inside == Compute()


def test_blocks_change_what_they_name_and_keep_the_rest():
    with using(memory=1000, threads=3):
        with using(memory=2000, cache=Path("tables")) as inner:
            assert current() is inner
            assert (inner.memory, inner.threads, inner.cache) == (2000, 3, Path("tables"))
        assert (current().memory, current().cache) == (1000, None)
    assert current() == Compute()


def test_a_whole_value_replaces_what_is_in_force():
    with using(memory=1000), using(Compute(threads=2), processes=-1) as inner:
        assert inner == Compute(threads=2, processes=-1)


def test_an_error_inside_restores_what_was_in_force():
    with using(threads=2) as outer:
        with pytest.raises(RuntimeError, match="inside"), using(threads=5):
            raise RuntimeError("inside")
        assert current() is outer


def test_a_bad_change_changes_nothing():
    with using(threads=2) as outer:
        with pytest.raises(UserError), using(threads=0):
            pytest.fail("the block must not be entered")
        assert current() is outer


def test_a_new_thread_has_the_defaults():
    with using(threads=7), ThreadPoolExecutor(1) as pool:
        assert pool.submit(current).result() == Compute()


def test_values_cannot_be_changed():
    with pytest.raises(AttributeError):
        Compute().memory = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("device", "cude", "device: unknown value 'cude'; did you mean \"cuda\"?"),
        ("device", "gpu0", "device: unknown value 'gpu0'; choose one of auto, cpu, cuda"),
        ("device", None, "device: unknown value None; choose one of auto, cpu, cuda"),
        ("memory", 0, "memory: cannot use 0; give an integer ≥ 1"),
        ("memory", 1e9, "memory: cannot use 1000000000.0; give an integer ≥ 1"),
        ("memory", "1 GB", "memory: cannot use '1 GB'; give an integer ≥ 1"),
        ("threads", -1, "threads: cannot use -1; give an integer ≥ 1"),
        ("threads", True, "threads: cannot use True; give an integer ≥ 1"),
        ("processes", 0, "processes: cannot use 0; give 1, 2, … or -1"),
        ("processes", -2, "processes: cannot use -2; give 1, 2, … or -1"),
        ("processes", True, "processes: cannot use True; give 1, 2, … or -1"),
        ("processes", 1.5, "processes: cannot use 1.5; give 1, 2, … or -1"),
    ],
)
def test_bad_values(option, value, message):
    with pytest.raises(UserError) as caught:
        Compute(**{option: value})
    assert str(caught.value) == message
    assert caught.value.key == option


def pretend(monkeypatch, driver: bool, device: bool) -> None:
    monkeypatch.setattr(compute, "_has_driver", lambda: driver)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device)


@pytest.mark.parametrize(
    ("driver", "device", "auto"),
    [(True, True, "cuda"), (True, False, "cpu"), (False, True, "cpu"), (False, False, "cpu")],
)
def test_the_device_is_what_is_there(monkeypatch, driver, device, auto):
    pretend(monkeypatch, driver, device)
    assert has_cuda() == (auto == "cuda")
    assert Compute("cpu").torch_device().type == "cpu"
    assert Compute("auto").torch_device().type == auto
    if auto == "cuda":
        assert Compute("cuda").torch_device().type == "cuda"
    else:
        with pytest.raises(UserError, match="device: cuda is asked for, but torch finds no CUDA"):
            Compute("cuda").torch_device()


def test_a_driver_shows_in_a_file_or_as_a_program(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compute, "_DRIVER_PATHS", (tmp_path / "version",))
    assert not compute._has_driver()
    (tmp_path / "version").touch()
    assert compute._has_driver()
    (tmp_path / "version").unlink()
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    assert compute._has_driver()


def test_torch_is_not_imported_without_a_driver():
    code = (
        "import sys; from lalbench import compute; compute._has_driver = lambda: False; "
        "assert not compute.has_cuda(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
