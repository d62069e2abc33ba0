"""LAL: a regression from the state of a classifier to what a label is worth.

Konyushkova, Sznitman and Fua (2017). Episodes are simulated on labelled data
(:mod:`.collection`), states do not know the features of a point (:mod:`.states`), a forest learns
the improvements (:mod:`.regressor`); :mod:`.cold_start` does so on synthetic data,
:mod:`.warm_start` on the labelled points of a task.
"""

from lalbench.learners.lal.cold_start import ColdStart, parts
from lalbench.learners.lal.collection import MonteCarlo, RegressionData, Task, viewpoints
from lalbench.learners.lal.regressor import Regressor, RegressorOptions, fit_regressor, grid, search
from lalbench.learners.lal.states import columns_of, states
from lalbench.learners.lal.warm_start import WarmStart

__all__ = [
    "ColdStart",
    "MonteCarlo",
    "RegressionData",
    "Regressor",
    "RegressorOptions",
    "Task",
    "WarmStart",
    "columns_of",
    "fit_regressor",
    "grid",
    "parts",
    "search",
    "states",
    "viewpoints",
]
