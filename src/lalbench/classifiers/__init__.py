"""Task classifiers: by name, any scikit-learn classifier by import path, or the user's own."""

from lalbench.classifiers.registry import clone, get, is_network, module_of, names, path_of
from lalbench.classifiers.signals import decision, fit, probabilities
from lalbench.classifiers.task import Answers, for_problem, inputs, takes_images

__all__ = [
    "Answers",
    "clone",
    "decision",
    "fit",
    "for_problem",
    "get",
    "inputs",
    "is_network",
    "module_of",
    "names",
    "path_of",
    "probabilities",
    "takes_images",
]
