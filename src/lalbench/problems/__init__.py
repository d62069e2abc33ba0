"""Problems: one data set in one setting, split for one (data seed, seed).

A problem is what all strategies of a cell share: the annotated, pool, reward and test rows, the
scaled features, and the class weights (Bakker et al. 2023, section 4 and supplement). The two
protocols differ in who shuffles and how features are scaled (``docs/protocols.md``, rows 1 to 3).
"""

from lalbench.problems.build import build_problem
from lalbench.problems.problem import PARTS, Problem
from lalbench.problems.storage import load_problem, save_problems

__all__ = ["PARTS", "Problem", "build_problem", "load_problem", "save_problems"]
