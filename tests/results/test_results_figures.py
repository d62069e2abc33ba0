"""Figures: what their lines show, the same bytes every time, one look per strategy."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from lalbench.config import Study
from lalbench.results import curve_figures, overall, overview_figures, style
from lalbench.results.analysis import Analysis
from lalbench.results.figures import all_figures, write_figures
from lalbench.results.roles import Role
from lalbench.results.standing import leader

Write = Callable[..., Path]
NewStudy = Callable[..., Study]
PLACE = ("svm", "mushrooms", "imbalanced")


def panel_lines(figure: object, row: int, column: int, columns: int) -> dict[str, np.ndarray]:
    """y values of the drawn lines of one panel by colour and style."""
    axes = figure.axes[row * columns + column]  # type: ignore[attr-defined]
    return {
        f"{line.get_color()} {line.get_linestyle()} {line.get_marker()}": line.get_ydata()
        for line in axes.get_lines()
    }


def curve(analysis: Analysis, strategy: str) -> np.ndarray:
    """(runs, steps + 1) straight from the rows, sorted by seeds."""
    rows = analysis.records.trials
    for column, value in zip(("classifier", "dataset", "setting"), PLACE, strict=True):
        rows = rows[rows[column] == value]
    mine = rows[rows["strategy"] == strategy].sort_values(["data_seed", "seed", "step"])
    return mine["objective"].to_numpy().reshape(9, -1)


def has_line(lines: dict[str, np.ndarray], expected: np.ndarray) -> bool:
    return any(len(y) == len(expected) and np.allclose(y, expected) for y in lines.values())


def test_figures_are_the_same_bytes_every_time(
    tmp_path: Path, new_study: NewStudy, write: Write
) -> None:
    study = new_study(
        tmp_path,
        datasets=["waveform"],
        settings=["imbalanced"],
        classifiers=["svm"],
        strategies=["random", "entropy", "oracle", "neural_process"],
        figures={"formats": ["svg", "png"], "dpi": 60},
    )
    folder = write(study)
    for name in ("one", "two"):
        write_figures(study, folder, tmp_path / name)
    first = {path.name: path.read_bytes() for path in sorted((tmp_path / "one").iterdir())}
    second = {path.name: path.read_bytes() for path in sorted((tmp_path / "two").iterdir())}
    assert first == second
    kinds = {Path(name).stem.split("-")[0] for name in first}
    assert kinds == {
        "standing",
        "curves",
        "relative",
        "versus_random",
        "ranks",
        "multi_comparison",
        "penalty",
        "relative_overview",
        "class_balance",
        "balance",
        "training",
    }
    assert {Path(name).suffix for name in first} == {".svg", ".png"}
    for content in (text.decode() for name, text in first.items() if name.endswith(".svg")):
        assert "<dc:date>" not in content
        assert "Matplotlib v" not in content
        assert not re.search(r'(href|src)="http', content)


def test_formats_follow_the_study(tmp_path: Path, new_study: NewStudy, write: Write) -> None:
    study = new_study(
        tmp_path,
        datasets=["waveform"],
        settings=["balanced"],
        classifiers=["svm"],
        strategies=["random", "entropy"],
        figures={"formats": ["svg"]},
    )
    write_figures(study, write(study), tmp_path / "out")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".svg"}


def test_learning_curves_are_means_over_runs(whole: Analysis) -> None:
    with style.drawing():
        figure = curve_figures.score_curves(whole, "svm", "objective")
    lines = panel_lines(figure, 1, 1, 2)
    for strategy in whole.strategies:
        assert has_line(lines, curve(whole, strategy).mean(axis=0))


def test_relative_curves_follow_the_papers_definition(whole: Analysis) -> None:
    with style.drawing():
        figure = curve_figures.relative_curves(whole, "svm")
    lines = panel_lines(figure, 1, 1, 2)
    members = ["entropy", "k_center_greedy", "hal_gauss"]  # not random, bounds, learned
    average = np.mean([curve(whole, name) for name in members], axis=0)
    for strategy in ("random", "oracle", "reward_oracle", "neural_process"):
        assert has_line(lines, (curve(whole, strategy) - average).mean(axis=0))
    best = max(members, key=lambda name: np.trapezoid(curve(whole, name).mean(axis=0)))
    assert has_line(lines, (curve(whole, best) - average).mean(axis=0))
    others = [name for name in members if name != best]
    assert not any(has_line(lines, (curve(whole, o) - average).mean(axis=0)) for o in others)
    texts = [text.get_text() for text in figure.axes[3].texts]
    assert f"AL average {np.trapezoid(average, axis=1).mean():.3f}" in texts
    assert f"oracle {np.trapezoid(curve(whole, 'oracle'), axis=1).mean():.3f}" in texts


def test_band_of_relative_curves_is_two_standard_errors(whole: Analysis) -> None:
    with style.drawing():
        figure = curve_figures.relative_curves(whole, "svm")
    members = ["entropy", "k_center_greedy", "hal_gauss"]
    gap = curve(whole, "random") - np.mean([curve(whole, name) for name in members], axis=0)
    half = 2 * gap.std(axis=0, ddof=0) / 3
    low, high = gap.mean(axis=0) - half, gap.mean(axis=0) + half
    bands = [path.vertices for c in figure.axes[3].collections for path in c.get_paths()]
    found = [
        np.allclose(sorted(set(band[:, 1].round(9))), sorted({*low.round(9), *high.round(9)}))
        for band in bands
        if len(set(band[:, 1].round(9))) == len({*low.round(9), *high.round(9)})
    ]
    assert any(found)


def test_difference_to_random_leaves_out_bounds(whole: Analysis) -> None:
    with style.drawing():
        figure = curve_figures.random_curves(whole, "svm")
    lines = panel_lines(figure, 1, 1, 2)
    gap = curve(whole, "entropy") - curve(whole, "random")
    assert has_line(lines, gap.mean(axis=0))
    oracle = curve(whole, "oracle") - curve(whole, "random")
    assert not has_line(lines, oracle.mean(axis=0))


def test_the_first_over_all_panels_has_a_band_in_each(whole: Analysis) -> None:
    first = leader(whole, "svm")
    assert first not in (None, "random")
    color = to_rgb(style.looks(whole.roles)[str(first)].color)
    with style.drawing():
        figure = curve_figures.random_curves(whole, "svm")
    assert len(figure.axes) == 6
    for axes in figure.axes:
        bands = [tuple(each.get_facecolor()[0][:3]) for each in axes.collections]
        assert color in bands


def test_class_balance_is_the_rare_share_of_acquired_points(whole: Analysis) -> None:
    with style.drawing():
        figure = curve_figures.class_balance(whole, "svm")
    rows = whole.records.trials
    for column, value in zip(("classifier", "dataset", "setting"), PLACE, strict=True):
        rows = rows[rows[column] == value]
    mine = rows[rows["strategy"] == "oracle"].sort_values(["data_seed", "seed", "step"])
    rare = mine["class_counts"].map(lambda counts: counts[0]).to_numpy().reshape(9, -1)
    share = (rare[:, 1:] - rare[:, :1]) / np.arange(1, 11)
    assert has_line(panel_lines(figure, 1, 1, 2), share.mean(axis=0))


def test_al_average_takes_only_runs_that_all_members_have(part: Analysis) -> None:
    runs = part.at(("svm", "adult", "balanced"))
    assert runs is not None
    average = curve_figures.al_average(part, runs)
    assert average is not None
    assert len(average) == 9  # k-center never ran; the others did
    runs = part.at(("svm", "waveform", "balanced"))
    assert runs is not None
    average = curve_figures.al_average(part, runs)
    assert average is not None
    assert len(average) == 7  # one run of entropy is missing, another of HAL failed


def test_cells_without_runs_say_so(part: Analysis) -> None:
    whole_setting = part.study.model_copy(
        update={
            "settings": [
                *part.study.settings,
                part.study.settings[0].model_copy(update={"name": "new"}),
            ]
        }
    )
    analysis = Analysis(whole_setting, part.records, part.roles)
    with style.drawing():
        figure = curve_figures.score_curves(analysis, "svm", "objective")
    assert [text.get_text() for text in figure.axes[2].texts] == ["not run"]


def test_rank_bars_have_the_ranks_of_the_table(whole: Analysis) -> None:
    with style.drawing():
        figure = overview_figures.rank_bars(whole, "svm")
    table = overall.rank_table(whole)
    here = table[(table["classifier"] == "svm") & (table["setting"] == "imbalanced")]
    widths = [bar.get_width() for bar in figure.axes[1].patches]
    assert widths == pytest.approx(here["rank"].to_list())


def test_training_curves_are_drawn_for_first_and_last_step(whole: Analysis) -> None:
    with style.drawing():
        figure = overview_figures.training_loss(whole, "svm", "neural_process")
    assert figure is not None
    curves = whole.records.curves
    for column, value in zip(("classifier", "dataset", "setting"), PLACE, strict=True):
        curves = curves[curves[column] == value]
    last = curves[curves["step"] == 10].groupby("epoch")["loss"].mean()
    assert has_line(panel_lines(figure, 1, 1, 2), last.to_numpy())
    assert overview_figures.training_loss(whole, "svm", "entropy") is None


def test_every_strategy_has_its_own_look_in_every_figure() -> None:
    names: dict[str, Role] = {"random": "baseline", "oracle": "bound", "reward_oracle": "bound"}
    names |= {"neural_process": "learned", "np_once": "learned"}
    plain = ["entropy", "margin", "least_confident", "f_score", "k_center_greedy", "hal_uniform"]
    plain += ["hal_gauss", "cbal", "hal_uniform_correct", "hal_gauss_correct", "mine", "yours"]
    names |= dict.fromkeys(plain, "strategy")
    found = style.looks(names)
    assert len({(look.color, look.marker, str(look.linestyle)) for look in found.values()}) == 17
    fewer = style.looks({name: names[name] for name in ("cbal", "random", "entropy", "oracle")})
    assert all(fewer[name] == found[name] for name in fewer)


def test_looks_of_lal_do_not_depend_on_the_study() -> None:
    lal = ("lal_independent", "lal_iterative", "lal_warm_start")
    roles: dict[str, Role] = {"random": "baseline"} | dict.fromkeys(lal, "learned")
    roles |= dict.fromkeys(("quire", "kapoor", "albl", "mine"), "strategy")
    every = style.looks(roles)
    for label, role in roles.items():
        if label != "mine":
            others: dict[str, Role] = {"another": role, label: role, "neural_process": "learned"}
            assert style.looks(others)[label] == every[label]
    assert len({every[label].color for label in lal}) == 3
    # variants keep the colour and differ from each other; a learned one is no entropy
    names = ["lal_iterative", "lal_iterative_a", "lal_iterative_b", "entropy_net", "np"]
    found = style.looks(dict.fromkeys(names, "learned") | {"hal_gauss_a": "strategy"})
    assert len({(look.color, look.marker, str(look.linestyle)) for look in found.values()}) == 6
    assert {found[name].color for name in names[:3]} == {every["lal_iterative"].color}
    assert found["entropy_net"] == style.looks({"np": "learned"})["np"]


def test_looks_can_be_told_apart_without_colour() -> None:
    plain = ["entropy", "margin", "least_confident", "f_score", "k_center_greedy", "hal_uniform"]
    plain += ["hal_gauss", "cbal", "hal_uniform_correct", "hal_gauss_correct"]
    names: dict[str, Role] = {"random": "baseline", "oracle": "bound", "neural_process": "learned"}
    found = list(style.looks(names | dict.fromkeys(plain, "strategy")).values())
    weights = np.array([0.2126, 0.7152, 0.0722])
    for place, one in enumerate(found):
        for other in found[:place]:
            brightness = [np.array(to_rgb(look.color)) @ weights for look in (one, other)]
            if abs(brightness[0] - brightness[1]) < 0.15:
                assert (one.marker, one.linestyle) != (other.marker, other.linestyle)


def test_long_labels_are_not_cut(whole: Analysis) -> None:
    long = dict.fromkeys(whole.strategies, "a_strategy_with_a_rather_long_label")
    labels = {name: f"{text}_{place}" for place, (name, text) in enumerate(long.items())}
    for draw in (overview_figures.comparison_matrix, overview_figures.penalty_matrix):
        with style.drawing(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(overview_figures, "pretty", lambda name: labels.get(name, name))
            figure = draw(whole, "svm")
            figure.savefig(io.BytesIO(), format="png", dpi=100)
            box = figure.get_tightbbox()
        assert box.x0 > -0.02
        assert box.x1 < figure.get_size_inches()[0] + 0.02


def test_titles_and_captions_are_there(whole: Analysis) -> None:
    drawings = list(all_figures(whole))
    assert len({drawing.name for drawing in drawings}) == len(drawings) == 2 * 12 + 2
    assert all(drawing.caption.endswith(".") for drawing in drawings)
