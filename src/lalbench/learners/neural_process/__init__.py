"""The attentive neural process that predicts improvements (Bakker et al. 2023, section 3.2)."""

from lalbench.learners.neural_process.inputs import InputScaler, Refits
from lalbench.learners.neural_process.learner import (
    Examples,
    LearnedNeuralProcess,
    LearnerOptions,
    LearningTask,
    Points,
    fit_neural_process,
    fit_neural_processes,
)
from lalbench.learners.neural_process.network import AttentiveNeuralProcess
from lalbench.learners.neural_process.training import TrainingOptions

__all__ = [
    "AttentiveNeuralProcess",
    "Examples",
    "InputScaler",
    "LearnedNeuralProcess",
    "LearnerOptions",
    "LearningTask",
    "Points",
    "Refits",
    "TrainingOptions",
    "fit_neural_process",
    "fit_neural_processes",
]
