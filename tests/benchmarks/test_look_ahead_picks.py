"""What look-ahead asked about, against the hidden labels."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import look_ahead_picks
from lalbench.problems import build_problem
from lalbench.trials import run_trial


@pytest.fixture(scope="module")
def problem():
    return build_problem("waveform_generator", "imbalanced", data_seed=1, seed=1)


def test_shares_are_those_of_the_hidden_labels(problem):
    made = {
        name: run_trial(problem, classifier="logistic_regression", strategy=name, steps=4)
        for name in ("look_ahead", "entropy")
    }
    found = look_ahead_picks.picks(pd.concat(made.values(), ignore_index=True))
    shown = look_ahead_picks.table(found).iloc[0]
    labels = {
        name: [int(problem.y[problem.row_ids == ids[0]][0]) for ids in one["acquired"].iloc[1:]]
        for name, one in made.items()
    }
    q = [
        json.loads(one)["expected_labels"][0] for one in made["look_ahead"]["selection_details"][1:]
    ]
    rarest = int(np.argmin(made["look_ahead"]["class_counts"].iloc[0]))
    assert shown["rarest"] == np.mean(np.array(labels["look_ahead"]) == rarest)
    assert shown["rarest, entropy"] == np.mean(np.array(labels["entropy"]) == rarest)
    assert shown["surest"] == pytest.approx(np.mean(np.max(q, axis=1)))
    assert shown["expected"] == np.mean(np.argmax(q, axis=1) == labels["look_ahead"])
