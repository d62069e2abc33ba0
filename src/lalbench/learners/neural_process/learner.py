"""From scored episodes to a trained neural process that predicts improvements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lalbench import stored
from lalbench.compute import current
from lalbench.errors import CorruptFileError, UserError
from lalbench.learners.neural_process.inputs import FloatArray, InputScaler, IntArray
from lalbench.learners.neural_process.network import AttentiveNeuralProcess, check_sizes
from lalbench.learners.neural_process.problems import Problems, Shuffle
from lalbench.learners.neural_process.training import (
    TrainingOptions,
    limited_threads,
    train_many,
)

_CHUNK = 4096
"""Targets predicted at a time: the attention of a large pool stays at some megabytes."""


@dataclass(frozen=True)
class Points:
    """Points as the neural process sees them.

    Attributes:
        X: (n, d) float64 features, not scaled.
        extra: (n, e) float64 further features, used as they are; or None.
        rewards: (n,) float64 rewards of context points, or None.
        labels: (n,) int64 class labels of context points, or None.
    """

    X: FloatArray
    extra: FloatArray | None = None
    rewards: FloatArray | None = None
    labels: IntArray | None = None

    def features(self, scaler: InputScaler) -> NDArray[np.float32]:
        """(n, d + e) float32 inputs of the network."""
        parts = [scaler(self.X)] if self.extra is None else [scaler(self.X), self.extra]
        return np.concatenate(parts, axis=1).astype(np.float32)


@dataclass(frozen=True)
class Examples:
    """Scored episodes in terms of the annotated points.

    Attributes:
        X: (n, d) float64 features of the annotated points, not scaled.
        member: (G, n) bool, True for the points that play "annotated".
        improvements: (G, n) float64, read where ``member`` is False.
        extra: (G, n, e) float64 further features, or None.
        rewards: (G, n) float64 rewards, read where ``member`` is True; or None.
        labels: (n,) int64 class labels, or None.
    """

    X: FloatArray
    member: NDArray[np.bool_]
    improvements: FloatArray
    extra: FloatArray | None = None
    rewards: FloatArray | None = None
    labels: IntArray | None = None

    def problems(self, scaler: InputScaler, center: float, spread: float) -> Problems:
        """The same as tensors, with improvements ``(v - center) / spread``."""
        points = scaler(self.X)[None]
        if self.extra is not None:
            points = np.broadcast_to(points, (len(self.member), *points.shape[1:]))
            points = np.concatenate([points, self.extra], axis=2)
        targets = np.where(self.member, 0.0, (self.improvements - center) / spread)
        return Problems(
            points=_single(points),
            member=torch.from_numpy(self.member.copy()),
            improvements=_single(targets),
            rewards=None if self.rewards is None else _single(self.rewards / spread),
            labels=None if self.labels is None else torch.from_numpy(self.labels.copy())[None],
        )


@dataclass(frozen=True)
class LearnedNeuralProcess:
    """A trained neural process and all that it needs to predict.

    Attributes:
        weights: parameters by name, float32.
        scaler: of the features.
        center, spread: of the improvements: the network predicts ``(v - center) / spread``.
        n_features: d + e, inputs of the network.
        width: of the network.
        n_classes: labels that context points carry; 0 if they carry none.
        y_hidden: hidden units of the y-resizer.
        curve: (epochs,) float64 training loss per epoch, in nats of the improvements themselves.
    """

    weights: Mapping[str, NDArray[np.float32]]
    scaler: InputScaler
    center: float
    spread: float
    n_features: int
    width: int
    n_classes: int
    y_hidden: int
    curve: FloatArray

    def predict(self, context: Points, targets: Points) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the improvement of every target.

        Equal targets get equal numbers, and a target's numbers do not depend on its position.

        Args:
            context: annotated points, at least one.
            targets: candidates; only ``X`` and ``extra`` are read.

        Returns:
            (n_targets,) float64 each.

        Raises:
            UserError: the points have another number of features than those of the training.
        """
        compute = current()
        device = compute.torch_device()
        given = self._checked(context), self._checked(targets)
        distinct, position = _distinct(given[1])
        with limited_threads(compute.threads), torch.no_grad():
            network = self._network().to(device)
            context_x = torch.from_numpy(given[0]).to(device)[None]
            rewards, labels = self._context_tensors(context, device)
            parts = [
                torch.stack(network(context_x, chunk.to(device)[None], rewards, labels))[:, 0]
                for chunk in torch.from_numpy(distinct).split(_CHUNK)
            ]
            found = torch.cat(parts, dim=1).cpu().numpy().astype(np.float64)
        mu, sigma = found[:, position]
        return self.center + self.spread * mu, self.spread * sigma

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, to be stored without pickle."""
        arrays: dict[str, NDArray[Any]] = {f"weights.{k}": v for k, v in self.weights.items()}
        return arrays | {
            "shift": self.scaler.shift,
            "scale": self.scaler.scale,
            "improvement": np.array([self.center, self.spread]),
            "sizes": np.array(
                [self.n_features, self.width, self.n_classes, self.y_hidden], dtype=np.int64
            ),
            "curve": self.curve,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LearnedNeuralProcess:
        """The inverse of :meth:`to_arrays`.

        Raises:
            CorruptFileError: arrays are missing or have other shapes than the network.
        """
        prefix = "weights."
        try:
            weights = {
                name.removeprefix(prefix): stored.take(arrays, name, np.float32, *array.shape)
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            sizes = stored.take(arrays, "sizes", np.int64, 4).tolist()
            check_sizes(weights, *sizes)
            n_features, width, n_classes, y_hidden = sizes
            center, spread = stored.take(arrays, "improvement", np.float64, 2).tolist()
            shift = stored.take(arrays, "shift", np.float64, None)
            learned = cls(
                weights=weights,
                scaler=InputScaler(shift, stored.take(arrays, "scale", np.float64, *shift.shape)),
                center=center,
                spread=spread,
                n_features=n_features,
                width=width,
                n_classes=n_classes,
                y_hidden=y_hidden,
                curve=stored.take(arrays, "curve", np.float64, None, finite=False),
            )
            learned._network()
        except (*stored.DAMAGE, RuntimeError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise CorruptFileError(
                f"a stored neural process is damaged ({lines[0]}); delete it and run again"
            ) from error
        return learned

    def _checked(self, points: Points) -> NDArray[np.float32]:
        trained, extra = len(self.scaler.shift), self.n_features - len(self.scaler.shift)
        shape = points.X.shape[1], 0 if points.extra is None else points.extra.shape[1]
        if shape != (trained, extra):
            raise UserError(
                "learned",
                f"trained on {trained} + {extra} features, asked about {shape[0]} + {shape[1]}",
                "train it on this data set with these options",
            )
        return points.features(self.scaler)

    def _context_tensors(
        self, context: Points, device: torch.device
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        rewards, labels = None, None
        if context.rewards is not None:
            rewards = _single(context.rewards / self.spread).to(device)[None]
        if self.n_classes and context.labels is not None:
            labels = torch.from_numpy(context.labels.copy()).to(device)[None]
        return rewards, labels

    def _network(self) -> AttentiveNeuralProcess:
        # the weights drawn here are replaced; a generator of its own leaves the global one alone
        network = AttentiveNeuralProcess(
            self.n_features,
            self.width,
            n_classes=self.n_classes,
            y_hidden=self.y_hidden,
            generator=torch.Generator(),
        )
        network.load_state_dict(
            {name: torch.from_numpy(values.copy()) for name, values in self.weights.items()}
        )
        return network.eval()


@dataclass(frozen=True)
class LearnerOptions:
    """How to build and train the network.

    Attributes:
        width: of the network.
        n_classes: 0, or the number of classes whose labels context points carry.
        standardise: train on improvements with mean 0 and standard deviation 1 over all targets;
            undone in every prediction and in the curve.
        training: epochs, batch size, learning rate.
    """

    width: int = 32
    n_classes: int = 0
    standardise: bool = False
    training: TrainingOptions = field(default_factory=TrainingOptions)


@dataclass(frozen=True)
class LearningTask:
    """One neural process to train.

    Attributes:
        examples: scored episodes.
        scaler: of the features, from annotated and pool points.
        seed: draws the initial weights; below 2**63.
        shuffle: orders problems and batches in every epoch.
        start: the training starts from its weights instead of a draw; None draws.
    """

    examples: Examples
    scaler: InputScaler
    seed: int
    shuffle: Shuffle
    start: LearnedNeuralProcess | None = None


def fit_neural_process(
    examples: Examples,
    scaler: InputScaler,
    options: LearnerOptions,
    seed: int,
    shuffle: Shuffle,
    start: LearnedNeuralProcess | None = None,
) -> LearnedNeuralProcess:
    """:func:`fit_neural_processes` with one; its arguments are those of :class:`LearningTask`."""
    return fit_neural_processes([LearningTask(examples, scaler, seed, shuffle, start)], options)[0]


def fit_neural_processes(
    tasks: Sequence[LearningTask], options: LearnerOptions
) -> list[LearnedNeuralProcess]:
    """Trains a neural process per task, those of equal shapes at once on a GPU.

    Each equals the one trained alone, to the reordering of sums; on a CPU it is the same to the
    bit.

    Args:
        tasks: what to train on; each task has a ``shuffle`` of its own.
        options: of networks and training.

    Returns:
        in the order of the tasks.

    Raises:
        UserError: CUDA is asked for and absent, a training diverged, or the start of a task is a
            network of another shape.
        ValueError: an improvement of a target is not finite.
    """
    compute = current()
    device = compute.torch_device()
    prepared = [_Prepared.of(task, options, device) for task in tasks]
    shapes: dict[tuple[Any, ...], list[_Prepared]] = {}
    for each in prepared:
        shapes.setdefault(each.shape(), []).append(each)
    with limited_threads(compute.threads):
        for alike in shapes.values():
            curves = train_many(
                [each.network for each in alike],
                [each.problems for each in alike],
                options.training,
                [each.task.shuffle for each in alike],
            )
            for each, curve in zip(alike, curves, strict=True):
                each.curve[:] = curve
    return [each.learned() for each in prepared]


@dataclass(frozen=True)
class _Prepared:
    """A task as tensors, with its network."""

    task: LearningTask
    problems: Problems
    network: AttentiveNeuralProcess
    center: float
    spread: float
    curve: FloatArray

    @classmethod
    def of(cls, task: LearningTask, options: LearnerOptions, device: torch.device) -> _Prepared:
        examples = task.examples
        targets = examples.improvements[~examples.member]
        if not np.isfinite(targets).all():
            raise ValueError("an improvement is not finite")
        center, spread = 0.0, 1.0
        if options.standardise:
            center, spread = float(targets.mean()), float(targets.std()) or 1.0
        problems = examples.problems(task.scaler, center, spread).to(device)
        network = AttentiveNeuralProcess(
            problems.points.shape[-1],
            options.width,
            n_classes=options.n_classes,
            y_hidden=1 if examples.rewards is None and not options.n_classes else options.width,
            generator=torch.Generator().manual_seed(task.seed),
        ).to(device)
        if task.start is not None:
            _continue_from(task.start, network)
        curve = np.empty(options.training.epochs)
        return cls(task, problems, network, center, spread, curve)

    def shape(self) -> tuple[Any, ...]:
        """Tasks with equal shapes can be trained at once."""
        problems = self.problems
        own_points, given = len(problems.points) > 1, (problems.rewards, problems.labels)
        return problems.points.shape[1:], own_points, *(part is None for part in given)

    def learned(self) -> LearnedNeuralProcess:
        parts = self.network.state_dict().items()
        return LearnedNeuralProcess(
            {name: part.cpu().numpy().copy() for name, part in parts},
            self.task.scaler,
            self.center,
            self.spread,
            self.network.n_features,
            self.network.width,
            self.network.n_classes,
            self.network.y_hidden,
            self.curve + np.log(self.spread),
        )


def _distinct(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Distinct rows in an order that depends on them alone, and the place of every row among them.

    So rounding cannot break ties between equal candidates. The order is that of their bytes, which
    is found without comparing numbers one by one.
    """
    rows = np.ascontiguousarray(rows + 0.0)  # -0.0 becomes 0.0, which has other bytes
    whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).reshape(-1)
    _, first, position = np.unique(whole, return_index=True, return_inverse=True)
    return rows[first], position.reshape(-1)


def _continue_from(start: LearnedNeuralProcess, network: AttentiveNeuralProcess) -> None:
    """Gives ``network`` the weights of ``start``."""
    known = {name: torch.from_numpy(values.copy()) for name, values in start.weights.items()}
    shapes = {name: part.shape for name, part in network.state_dict().items()}
    if {name: part.shape for name, part in known.items()} != shapes:
        raise UserError(
            "start",
            "the neural process to start from has another shape",
            "start from one of the same data set and options",
        )
    network.load_state_dict(known)


def _single(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
