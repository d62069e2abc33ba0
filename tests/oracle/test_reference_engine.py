"""The reference engine in one and several processes, with classifiers that misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import types
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from lalbench import compute, oracle
from lalbench.errors import LalbenchError, UserError
from lalbench.objectives import Scorer
from lalbench.oracle import processes

# Worker processes cannot import a module of tests, so its classes travel by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def problem(seed: int = 0, n: int = 30, n_evaluation: int = 40):
    rng = np.random.default_rng(seed)
    y = np.append([0, 1], rng.integers(2, size=n - 2))
    X = rng.normal(size=(n, 3)) + 1.0 * y[:, None]
    labels = np.append([0, 1], rng.integers(2, size=n_evaluation - 2))
    points = rng.normal(size=(n_evaluation, 3)) + 1.0 * labels[:, None]
    return X, y, Scorer(points, labels, [1.0, 1.0])


def table(classifier, n_processes, n=30, scored=None, scorer=None):
    X, y, own = problem(n=n)
    masks = np.random.default_rng(1).random((3, n)) < 0.4
    masks[:, :2] = True
    with compute.using(processes=n_processes):
        return oracle.refit_scores(classifier, X, y, masks, scorer or own, engine="reference")


class Nearest(BaseEstimator, ClassifierMixin):
    """Nearest class mean: what the hostile ones below do when they behave."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.means_ = np.array([X[y == label].mean(axis=0) for label in self.classes_])
        return self

    def predict(self, X):
        distances = ((X[:, None] - self.means_) ** 2).sum(axis=2)
        return self.classes_[distances.argmin(axis=1)]


class Raises(Nearest):
    def fit(self, X, y):
        if len(y) > 8:
            raise ZeroDivisionError("no more than 8 rows")
        return super().fit(X, y)


class UnpicklableError(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


class RaisesWhatCannotTravel(Nearest):
    def fit(self, X, y):
        raise UnpicklableError("this", "that")


class Dies(Nearest):
    """Kills its process at the first fit, unless that process is ``spared``."""

    def __init__(self, spared=0):
        self.spared = spared

    def fit(self, X, y):
        if os.getpid() != self.spared:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)


class Exits(Dies):
    def fit(self, X, y):
        if os.getpid() != self.spared:
            os._exit(3)
        return super().fit(X, y)


class Prints(Nearest):
    def fit(self, X, y):
        print("words " * 20_000)
        print("words " * 20_000, file=sys.stderr)
        return super().fit(X, y)


class UsesThreads(Nearest):
    def fit(self, X, y):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(np.linalg.svd, [np.asarray(X)] * 8))
        return super().fit(X, y)


class CountsThreads(Nearest):
    """Raises when BLAS or OpenMP may use more than one thread."""

    def fit(self, X, y):
        found = {library["num_threads"] for library in threadpool_info()}
        if found != {1}:
            raise RuntimeError(f"threads: {sorted(found)}")
        return super().fit(X, y)


class HoldsALock(Nearest):
    def __init__(self, lock=None):
        self.lock = lock

    def __sklearn_clone__(self):
        return self


@pytest.mark.parametrize(
    "classifier",
    [GaussianNB(), Prints(), UsesThreads(), MLPClassifier((4,), max_iter=3, random_state=0)],
    ids=lambda classifier: type(classifier).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_number_of_processes_changes_no_bit(classifier, capfd):
    one = table(classifier, 1)
    for n_processes in (2, 3):
        several = table(classifier, n_processes)
        assert several.scores.tobytes() == one.scores.tobytes()
        assert several.base_scores.tobytes() == one.base_scores.tobytes()
    assert np.ptp(one.improvements[~np.isnan(one.improvements)]) > 0


@pytest.mark.parametrize("n_processes", [1, 2])
def test_short_calls_say_nothing(n_processes, capfd):
    table(Nearest(), n_processes)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("n_processes", [1, 2])
def test_progress_counts_blocks(n_processes, monkeypatch):
    told = []

    def progress(items, what, total):
        for done, item in enumerate(items, start=1):
            told.append((what, done, total))
            yield item

    monkeypatch.setattr(processes, "progress", progress)
    table(Nearest(), n_processes)
    blocks = 16 * n_processes
    assert told == [("refits of Nearest", done, blocks) for done in range(1, blocks + 1)]


def test_large_evaluation_sets_are_mapped_and_score_the_same():
    scorer = problem(n_evaluation=60_000)[2]
    assert scorer.X.nbytes > 2**20
    one, two = (table(GaussianNB(), n, n=12, scorer=scorer) for n in (1, 2))
    assert two.scores.tobytes() == one.scores.tobytes()


@pytest.mark.parametrize("n_processes", [1, 2])
def test_an_exception_of_the_classifier_keeps_its_type_and_message(n_processes):
    with pytest.raises(ZeroDivisionError, match="no more than 8 rows"):
        table(Raises(), n_processes)


def test_an_exception_that_cannot_travel_still_says_what_it_said():
    with pytest.raises(UnpicklableError, match="this and that"):
        table(RaisesWhatCannotTravel(), 1)
    with pytest.raises(RuntimeError, match="UnpicklableError: this and that"):
        table(RaisesWhatCannotTravel(), 2)
    table(GaussianNB(), 2)  # the pool lives on


@pytest.mark.parametrize("kind", [Dies, Exits])
def test_a_killed_process_is_one_clear_error(kind):
    with pytest.raises(LalbenchError, match=f"{kind.__name__}: one of 2 processes was killed"):
        table(kind(spared=os.getpid()), 2)
    expected = table(Nearest(), 1)
    found = table(Nearest(), 2)  # a new pool takes its place
    assert found.scores.tobytes() == expected.scores.tobytes()


@pytest.mark.parametrize("n_processes", [1, 2])
def test_one_thread_per_process(n_processes):
    with threadpool_limits(4):
        table(CountsThreads(), n_processes)
        after = {library["num_threads"] for library in threadpool_info()}
    assert after != {1} or os.cpu_count() == 1  # what the caller had is back


def test_threads_of_torch_are_one_inside_and_as_before_after():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with processes.one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_classifier_that_cannot_be_sent():
    import threading

    classifier = HoldsALock(threading.Lock())
    assert np.isfinite(table(classifier, 1).base_scores).all()
    with pytest.raises(UserError, match="HoldsALock cannot be sent to other processes"):
        table(classifier, 2)


def test_a_classifier_that_other_processes_cannot_import():
    module = types.ModuleType("only_here")
    source = "from sklearn.naive_bayes import GaussianNB\nclass Own(GaussianNB): pass\n"
    exec(source, module.__dict__)
    sys.modules["only_here"] = module
    try:
        with pytest.raises(UserError, match=r"cannot be sent .*No module named 'only_here'"):
            table(module.Own(), 2)
    finally:
        del sys.modules["only_here"]


_SCRIPT = """
    import sys, time
    import numpy as np
    from sklearn.base import BaseEstimator, ClassifierMixin
    from lalbench import compute, oracle
    from lalbench.objectives import Scorer

    class Own(BaseEstimator, ClassifierMixin):
        def fit(self, X, y):
            time.sleep({seconds})
            self.label_ = int(np.bincount(y).argmax())
            return self
        def predict(self, X):
            return np.full(len(X), self.label_)

    if __name__ == "__main__":
        X, y = np.arange(12.0)[:, None], np.arange(12) % 2
        print("ready", flush=True)
        with compute.using(processes=2):
            found = oracle.improvements(Own(), X[:5], y[:5], X[5:], y[5:], Scorer(X, y, [1., 1.]))
        print(found.tolist())
"""


def script(seconds: float) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(_SCRIPT).format(seconds=seconds)]


def test_a_classifier_of_main():
    done = subprocess.run(script(0), capture_output=True, text=True, timeout=120, check=True)
    # rows 0 0 1 1 0 predict 0, which is half right, as is every other constant
    assert done.stdout.splitlines() == ["ready", str([0.0] * 7)]


def test_control_c_ends_the_pool():
    started = subprocess.Popen(
        script(60), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
        # a shell's background jobs, and what they start, ignore the interrupt
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert started.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 60
    while len(_alive_in_session(started.pid, patience=0)) < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(5)  # the workers are asleep in fit by now
    assert len(_alive_in_session(started.pid, patience=0)) >= 3
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does: to all processes of the session
    try:
        _, said = started.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        # it came while a module was loaded: press again, as one would
        os.killpg(started.pid, signal.SIGINT)
        _, said = started.communicate(timeout=120)
    assert started.returncode != 0
    assert "KeyboardInterrupt" in said
    assert not _alive_in_session(started.pid)


def _alive_in_session(session: int, patience: float = 10.0) -> list[str]:
    """Commands of the processes of a session that are still there after some patience."""
    deadline = time.monotonic() + patience
    while True:
        listed = subprocess.run(
            ["ps", "-o", "stat=,args=", "-s", str(session)], capture_output=True, text=True
        ).stdout
        left = [line for line in listed.splitlines() if not line.startswith("Z")]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)
