"""Strategies by name, by import path, by the specification of a study."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from lalbench import protocols, strategies
from lalbench.config import StrategySpec
from lalbench.errors import UserError
from lalbench.strategies.base import Need, Selection
from lalbench.strategies.subsample import Subsample

DOCS = Path(__file__).resolve().parents[2] / "docs" / "strategies.md"


class Mine:
    """A user's strategy without a dataclass."""

    needs: ClassVar = frozenset({Need.PROBABILITIES})

    def __init__(self, power: float = 1.0) -> None:
        if power < 0:
            raise ValueError("power below 0")
        self.power = power

    def select(self, state: Any, budget: int, rng: Any) -> Selection:
        return Selection(np.arange(budget))


class WithoutNeeds:
    def select(self, state: Any, budget: int, rng: Any) -> Selection:
        return Selection(np.arange(budget))


class WithoutSelect:
    needs: ClassVar = frozenset()


class AnyOption:
    needs: ClassVar = frozenset()
    select = Mine.select

    def __init__(self, **options: Any) -> None:
        self.options = options


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])


def resolve(protocol: Any = protocols.CLEAN, **spec: Any) -> Any:
    return strategies.resolve(StrategySpec(**spec), protocol)


def test_every_name_leads_to_a_strategy() -> None:
    assert strategies.names() == list(dict.fromkeys(strategies.names()))
    for name in strategies.names():
        strategy = strategies.get(name)
        assert isinstance(strategy.needs, frozenset)
        assert hash(strategy) == hash(strategies.get(name))
        module = importlib.import_module(strategies.module_of(name))
        assert type(strategy).__module__ == module.__name__


def test_options_are_fields() -> None:
    assert strategies.get("cbal", penalty=2).penalty == 2
    assert strategies.get("cbal").penalty == 1.0


@pytest.mark.parametrize("protocol", protocols.PROTOCOLS.values(), ids=lambda p: p.name)
def test_options_of_the_protocols(protocol: Any) -> None:
    for name in strategies.names():
        strategy = resolve(protocol, name=name)
        for option, value in protocol.strategies.get(name, {}).items():
            assert getattr(strategy, option) == value


def test_the_study_has_the_last_word() -> None:
    strategy = resolve(protocols.PUBLISHED, name="hal_gauss", options={"delta": "median"})
    assert strategy.delta == "median"
    assert strategy.directions == "released"
    assert resolve(name="hal_gauss").directions == "method"


def test_subsample() -> None:
    strategy = resolve(name="margin", subsample=50)
    assert strategy == Subsample(strategies.get("margin"), 50)


def test_a_users_class() -> None:
    strategy = resolve(name="x", **{"class": "mine:Mine"}, options={"power": 2.0})
    assert isinstance(strategy, Mine)
    assert strategy.power == 2.0
    assert isinstance(strategies.get("mine:Mine"), Mine)
    assert strategies.get("mine:AnyOption", whatever=3).options == {"whatever": 3}
    spec = StrategySpec(name="x", **{"class": "mine:Mine"})
    assert strategies.module_of(spec) == strategies.module_of("mine:Mine") == "mine"
    # protocols set nothing for a class of the user's that is called like one of ours
    spec = {"name": "hal_gauss", "class": "mine:Mine"}
    assert resolve(protocols.PUBLISHED, **spec).power == 1.0


def test_modules_of_names() -> None:
    assert strategies.module_of("hal_gauss") == "lalbench.strategies.hal"
    assert strategies.module_of(StrategySpec(name="oracle")) == "lalbench.strategies.oracle"
    assert strategies.module_of("unknown") == ""
    adapted = strategies.module_of("skactiveml.pool:CoreSet")
    assert adapted == "lalbench.strategies.scikit_activeml"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("entrpy", {}, r'^name: unknown strategy "entrpy"; did you mean "entropy"\?$'),
        ("zzz", {}, r"^name: .*choose one of albl, .* or name its class: package.module:Class"),
        ("cbal", {"penality": 1}, r"^options\.penality: .*did you mean \"penalty\""),
        (
            "lal_independent",
            {"step_trees": [5]},
            '^options.step_trees: LalIndependent has no option "step_trees"; it is an option of '
            "lal_iterative, leave it out or use that$",
        ),
        ("entropy", {"beta": 1}, "it is an option of vaal, leave"),
        ("random", {"p_exploit": 1}, "it is an option of hal_uniform and hal_gauss, leave"),
        ("random", {"ties": "first"}, r'^options\.ties: RandomSampling has no option "ties"'),
        ("margin", {"ties": "frist"}, r'^options\.ties: cannot use "frist"; did you mean "first"'),
        ("cbal", {"variant": None}, r"^options\.variant: cannot use None; choose one of"),
        ("cbal", {"penalty": -1}, r"^options\.penalty: cannot use -1; .*greater than or equal"),
        ("cbal", {"penalty": "2"}, r'^options\.penalty: cannot use "2"; .*valid number'),
        ("entropy", {"epsilon": float("nan")}, r"^options\.epsilon: cannot use nan; .*finite"),
        ("oracle", {"engine": "gpu"}, r'^options\.engine: cannot use "gpu"; choose one of'),
        ("neural_process", {"epochs": 0}, r"^options\.epochs: cannot use 0"),
        ("no_such_module:Class", {}, r'^class: cannot import "no_such_module"'),
        ("mine:Nothing", {}, r'^class: "mine" has no "Nothing"'),
        ("mine:Mine", {"pwoer": 1}, r"^options\.pwoer: .*did you mean \"power\""),
        ("mine:Mine", {"power": -1}, r"^options: Mine refused them \(power below 0\)"),
        ("mine:WithoutNeeds", {}, r"^class: WithoutNeeds has no needs"),
        ("mine:WithoutNeeds", {"a": 1}, r"^options\.a: .*it has no options"),
        ("mine:WithoutSelect", {}, r"^class: WithoutSelect has no select"),
        ("mine:DOCS", {}, r"^class: .* is no class"),
    ],
)
def test_errors_name_the_place_and_the_remedy(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        strategies.get(name, **options)


def test_naming_a_strategy_imports_nothing_heavy() -> None:
    code = (
        "import sys; from lalbench import protocols, strategies;"
        "from lalbench.config import StrategySpec;"
        "[strategies.resolve(StrategySpec(name=name), p)"
        " for name in strategies.names() for p in protocols.PROTOCOLS.values()];"
        "print([m for m in ('sklearn', 'scipy', 'torch', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_example_of_the_page_runs_in_a_trial() -> None:
    names: dict[str, Any] = {"__name__": "documented_trial"}
    for block in re.findall(r"```python\n(.*?)```", DOCS.read_text(), flags=re.DOTALL):
        exec(compile(block, "documented", "exec", dont_inherit=True), names)
    records = names["records"]
    assert records["step"].tolist() == [0, 1, 2]
    assert records["strategy"].tolist() == ["NearestToRare"] * 3


def test_the_study_of_the_page_resolves() -> None:
    pytest.importorskip("skactiveml")
    import yaml

    (block,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    entries = [e for e in yaml.safe_load(block)["strategies"] if e != "random"]
    made = [resolve(**entry) for entry in entries if not entry.get("class", "").startswith("my")]
    assert made[0].p_exploit == 0.7
    assert made[1].size == 1000
    assert made[2].options == {"k": 10}
