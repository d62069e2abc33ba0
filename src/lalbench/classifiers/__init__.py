"""Task classifiers: by name, any scikit-learn classifier by import path, or the user's own."""

from lalbench.classifiers.registry import clone, get, module_of, names
from lalbench.classifiers.signals import decision, fit, probabilities

__all__ = ["clone", "decision", "fit", "get", "module_of", "names", "probabilities"]
