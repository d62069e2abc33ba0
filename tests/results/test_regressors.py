"""What the tables say of the regressors of LAL, against the regressors; some are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lalbench import files, pretraining
from lalbench.config import Study
from lalbench.errors import CorruptFileError
from lalbench.learners.lal import RegressionData, Regressor, RegressorOptions, fit_regressor
from lalbench.learners.lal.states import FOREST, PROBABILISTIC
from lalbench.results import regressor_figure, style
from lalbench.results.analysis import Analysis
from lalbench.results.figures import all_figures
from lalbench.results.regressors import read_learned, regressor_data, regressor_tables
from lalbench.results.report import write_report

Write = Callable[..., Path]
NewStudy = Callable[..., Study]
Known = dict[tuple[str, str], Regressor]
PAIRS = [
    ("svm", "lal_independent"),
    ("svm", "mine"),
    ("random_forest", "lal_independent"),
    ("random_forest", "mine"),
]


def fitted(columns: tuple[str, ...], seed: int) -> Regressor:
    """A regressor that has little to learn; its data end at 9 + ``seed`` labels."""
    rng = np.random.default_rng(seed)
    states = rng.random((80, len(columns)))
    states[:, columns.index("size")] = np.arange(80) % (8 + seed) + 2
    data = RegressionData(columns, states, states[:, 0] * (seed + 1) + rng.random(80))
    return fit_regressor(data, RegressorOptions(trees=40 + seed, max_depth=5), seed)


@pytest.fixture
def study(tmp_path: Path, new_study: NewStudy) -> Study:
    return new_study(
        tmp_path,
        datasets=["waveform"],
        settings=["balanced"],
        classifiers=["svm", "random_forest"],
        strategies=["random", "lal_independent", {"name": "lal_iterative", "label": "mine"}],
    )


@pytest.fixture
def known(study: Study, write: Write) -> Known:
    """Writes trials and regressors, and returns the latter."""
    write(study)
    found: Known = {}
    for number, each in enumerate(pretraining.needed(study)):
        columns = FOREST if each.classifier == "random_forest" else PROBABILISTIC
        regressor = found[each.classifier, each.strategy] = fitted(columns, number)
        files.write_npz(each.regressor, regressor.to_arrays())
    return found


def test_the_table_is_what_the_regressors_say(study: Study, known: Known) -> None:
    data = regressor_data(Analysis.of(study, study.folder))
    assert list(zip(data["classifier"], data["strategy"], strict=True)) == PAIRS
    assert list(data.columns[-8:]) == [f"importance_{name}" for name in FOREST]
    for row in data.to_dict("records"):
        regressor = known[row["classifier"], row["strategy"]]
        assert row["out_of_bag"] == regressor.out_of_bag
        assert row["trees"] == regressor.options.trees == regressor.forest.n_trees
        assert row["largest_size"] == regressor.largest_size
        for name in FOREST:
            if name in regressor.columns:
                place = regressor.columns.index(name)
                assert row[f"importance_{name}"] == regressor.importances[place]
            else:
                assert np.isnan(row[f"importance_{name}"])


def test_shown_rows_have_the_columns_of_their_classifier(study: Study, known: Known) -> None:
    (table,) = regressor_tables(Analysis.of(study, study.folder))
    assert [block.heading for block in table.blocks] == ["svm", "random_forest"]
    small, large = (block.shown for block in table.blocks)
    facts = ["strategy", "out-of-bag R²", "trees", "largest annotated set"]
    assert list(small.columns) == [*facts, "probability", "share", "size"]
    assert list(large.columns) == [*facts, *(name.replace("_", " ") for name in FOREST)]
    mine = known["svm", "mine"]
    assert small.iloc[1, 1] == f"{mine.out_of_bag:.3f}".replace("-", "−")
    assert small.iloc[1, 2:4].tolist() == [str(mine.options.trees), str(mine.largest_size)]
    assert small.iloc[1, 4:].tolist() == [f"{value:.3f}" for value in mine.importances]
    assert "R$^2$" in table.latex()
    assert "²" not in table.latex()


def test_bars_are_the_importances(study: Study, known: Known) -> None:
    analysis = Analysis.of(study, study.folder)
    with style.drawing():
        figure = regressor_figure.importance_bars(analysis)
    assert figure is not None
    look = style.looks(analysis.roles)
    for panel, classifier in zip(figure.axes, ("svm", "random_forest"), strict=True):
        groups = panel.containers
        assert len(groups) == 2
        for bars, strategy in zip(groups, ("lal_independent", "mine"), strict=True):
            regressor = known[classifier, strategy]
            assert [bar.get_width() for bar in bars] == pytest.approx(list(regressor.importances))
            assert panel.get_xlim()[1] > regressor.importances.max()
            color = style.looks(analysis.roles)[strategy].color
            assert bars[0].get_facecolor()[:3] == pytest.approx(
                [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
            )
        names = [label.get_text().replace(" ", "_") for label in panel.get_yticklabels()]
        assert tuple(names) == known[classifier, "mine"].columns
        assert panel.yaxis_inverted()  # the first column stands at the top
    # strategies that share a colour are told apart by their hatches
    same = look["lal_independent"].color == look["mine"].color
    hatches = [bars[0].get_hatch() or "" for bars in figure.axes[0].containers]
    assert (hatches[0] != hatches[1]) == same
    assert len(figure.legends[0].get_texts()) == 2


def test_a_missing_regressor_is_shown_as_such(study: Study, known: Known) -> None:
    first, *others = pretraining.needed(study)
    first.regressor.unlink()
    analysis = Analysis.of(study, study.folder)
    data = regressor_data(analysis).set_index(["classifier", "strategy"])
    assert len(data) == 4
    assert data.loc[(first.classifier, first.strategy)].isna().all()
    assert data["trees"].notna().sum() == 3
    (table,) = regressor_tables(analysis)
    assert "the file of the regressor is not there" in table.caption
    assert (table.blocks[0].shown == "–").to_numpy().any()
    for each in others:
        each.regressor.unlink()
    empty = Analysis.of(study, study.folder)
    assert len(regressor_tables(empty)) == 1
    assert regressor_figure.importance_bars(empty) is None


def test_a_regressor_without_splits_says_so(study: Study, known: Known) -> None:
    assert "Zeros alone" not in regressor_tables(Analysis.of(study, study.folder))[0].caption
    for each in [one for one in pretraining.needed(study) if one.classifier == "svm"]:
        data = RegressionData(PROBABILISTIC, np.ones((30, 3)), np.arange(30.0))
        files.write_npz(each.regressor, fit_regressor(data, RegressorOptions(40), 0).to_arrays())
    analysis = Analysis.of(study, study.folder)
    assert "Zeros alone: no tree has a split" in regressor_tables(analysis)[0].caption
    with style.drawing():
        figure = regressor_figure.importance_bars(analysis)
    assert figure is not None
    texts = [[text.get_text() for text in panel.texts] for panel in figure.axes]
    assert texts == [["no tree has a split"], []]
    assert all(panel.get_xlim()[0] == 0 for panel in figure.axes)


def test_predictions_no_better_than_the_mean_are_called_so(study: Study, known: Known) -> None:
    assert min(regressor.out_of_bag for regressor in known.values()) > 0
    assert "mostly chance" not in regressor_tables(Analysis.of(study, study.folder))[0].caption
    rng = np.random.default_rng(0)
    data = RegressionData(PROBABILISTIC, rng.random((80, 3)), rng.random(80))
    regressor = fit_regressor(data, RegressorOptions(trees=40), 0)
    assert regressor.out_of_bag < 0
    files.write_npz(pretraining.needed(study)[0].regressor, regressor.to_arrays())
    assert "mostly chance" in regressor_tables(Analysis.of(study, study.folder))[0].caption


def test_a_damaged_regressor_is_named(study: Study, known: Known, tmp_path: Path) -> None:
    path = pretraining.needed(study)[0].regressor
    arrays = files.read_npz(path)
    del arrays["importances"]
    files.write_npz(path, arrays)
    with pytest.raises(CorruptFileError, match=r"regressor\.npz.*importances.*delete it"):
        regressor_data(Analysis.of(study, study.folder))
    path.write_bytes(b"PK nothing")
    with pytest.raises(CorruptFileError, match=r"regressor\.npz.*delete it"):
        read_learned(path)


def test_the_trees_are_not_read(tmp_path: Path) -> None:
    regressor = fitted(PROBABILISTIC, 0)
    arrays = regressor.to_arrays()
    for name in regressor.forest.to_arrays():
        del arrays[name]
    files.write_npz(tmp_path / "head.npz", arrays)
    found = read_learned(tmp_path / "head.npz")
    assert found.importances == dict(
        zip(PROBABILISTIC, regressor.importances.tolist(), strict=True)
    )


def test_report_has_both(study: Study, known: Known) -> None:
    small = study.model_copy(update={"classifiers": study.classifiers[1:]})
    write_report(small, study.folder, study.folder / "report.html")
    text = (study.folder / "report.html").read_text()
    section = text.split('<h2 id="regressors">')[1].split("<h2 ")[0]
    assert "LAL asks a regressor that knows the state" in section
    assert ">Regressors of LAL</h3>" in section
    assert "<b>What the regressors of LAL look at.</b>" in section


def test_other_studies_have_none(whole: Analysis) -> None:
    assert regressor_data(whole).empty
    assert regressor_tables(whole) == []
    assert "regressor_importances" not in {drawing.name for drawing in all_figures(whole)}
