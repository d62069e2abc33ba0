"""Networks that follow scikit-learn's conventions: fit, predict, signals, plain arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench import compute
from lalbench.classifiers.estimator import Classifier
from lalbench.data.images import Images
from lalbench.errors import UserError, suggest
from lalbench.value_checks import is_count, is_number

if TYPE_CHECKING:
    from lalbench.classifiers.networks.network import Network
    from lalbench.classifiers.networks.recipes import Recipe
    from lalbench.classifiers.networks.signals import Signals

FloatArray = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
Shape = tuple[int, int, int]


class NetworkClassifier(Classifier):
    """A network trained from scratch by every :meth:`fit`, with the same initial weights.

    Takes :class:`~lalbench.data.images.Images` or (n, H, W, C) uint8 arrays. Runs on the device of
    :mod:`lalbench.compute`.

    Args:
        width: of the architecture; None for its default.
        recipe: ``published`` or ``fast`` (:data:`~lalbench.classifiers.networks.recipes.RECIPES`).
        epochs: instead of the recipe's.
        augmentation: ``none``, ``crop`` (by up to 4 pixels) or ``crop_flip``.
        precision: ``auto`` (bfloat16 where the hardware has units for it), ``float32`` or
            ``bfloat16``.
        half_signals: keep embeddings of the pool in float16.
        deterministic: refuse GPU operations whose result varies from run to run (slower). On a CPU
            training is always deterministic.
        loss_head: train a head that predicts losses; its pair loss moves the network, too.
        loss_margin, loss_weight, loss_detach_at: of that head
            (:class:`~lalbench.classifiers.networks.loss_head.LossTraining`).
        pixel_mean, pixel_scale: (C,) statistics by which pixels are standardised; None takes those
            of the training images. A trial sets those of its problem.
        random_state: seed of initial weights, order and moves.

    Attributes:
        classes_: (K,) int64 labels, ascending.
        shape_: (H, W, C) of the images.
        signal_seconds_: seconds spent in :meth:`signals` since the fit.
    """

    takes_images: ClassVar[bool] = True

    def __init__(
        self,
        *,
        width: int | None = None,
        recipe: str = "published",
        epochs: int | None = None,
        augmentation: str = "none",
        precision: str = "auto",
        half_signals: bool = False,
        deterministic: bool = False,
        loss_head: bool = False,
        loss_margin: float = 1.0,
        loss_weight: float = 1.0,
        loss_detach_at: float = 0.6,
        pixel_mean: ArrayLike | None = None,
        pixel_scale: ArrayLike | None = None,
        random_state: int | None = None,
    ) -> None:
        self.width = width
        self.recipe = recipe
        self.epochs = epochs
        self.augmentation = augmentation
        self.precision = precision
        self.half_signals = half_signals
        self.deterministic = deterministic
        self.loss_head = loss_head
        self.loss_margin = loss_margin
        self.loss_weight = loss_weight
        self.loss_detach_at = loss_detach_at
        self.pixel_mean = pixel_mean
        self.pixel_scale = pixel_scale
        self.random_state = random_state

    def fit(
        self,
        X: Images | ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        resume: Arrays | None = None,
    ) -> Self:
        """Trains from scratch.

        Args:
            X: (n, H, W, C) uint8 images.
            y: (n,) integer labels.
            sample_weight: (n,) weights of the losses; default 1.
            resume: what a stopped fit on the same data carried, to go on from there.

        Raises:
            UserError: fewer than two classes or images, wrong shapes, or bad weights.
            StoppedError: SIGTERM came; its ``progress`` is for ``resume``.
        """
        from lalbench.classifiers.networks.training import train

        self._validate_params()
        images = as_images(X)
        labels = np.asarray(y)
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
            raise UserError("y", f"{labels.shape} {labels.dtype} labels", "give one int per image")
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(
                "y", f"{len(self.classes_)} class among {len(labels)} labels", "give two or more"
            )
        self.shape_ = images.shape[1:]
        self.mean_, self.scale_ = self._statistics(images)
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float32)
        if weights is not None and not (
            weights.shape == labels.shape and np.isfinite(weights).all() and (weights >= 0).all()
        ):
            raise UserError("sample_weight", "does not fit the labels", "give one number ≥ 0 each")
        self.network_, self.loss_head_ = train(self, images, codes, weights, resume)
        self.signal_seconds_ = 0.0
        return self

    def signals(self, X: Images | ArrayLike, *, stages: bool = False) -> Signals:
        """Logits, embeddings and predicted losses of images, in one pass.

        Args:
            X: (n, H, W, C) uint8 images.
            stages: also the averaged outputs of the four stages.
        """
        from lalbench.classifiers.networks import precision
        from lalbench.classifiers.networks.batches import Batches
        from lalbench.classifiers.networks.inference import signals

        if not hasattr(self, "network_"):
            raise UserError(type(self).__name__, "is not fitted", "call fit first")
        images = as_images(X)
        if images.shape[1:] != self.shape_:
            raise UserError(
                "X", f"images of shape {images.shape[1:]}", f"give images of shape {self.shape_}"
            )
        device = next(self.network_.parameters()).device
        started = time.perf_counter()
        with compute.torch_threads():
            found = signals(
                self.network_,
                Batches(images, self.mean_, self.scale_, device),
                len(images),
                self.classes_,
                loss_head=self.loss_head_,
                stages=stages,
                half=self.half_signals,
                precision=precision.resolve(self.precision, device),  # type: ignore[arg-type]
            )
        self.signal_seconds_ += time.perf_counter() - started
        return found

    def predict(self, X: Images | ArrayLike) -> NDArray[np.int64]:
        """(n,) labels; the lowest of equally likely ones."""
        best = self.signals(X).logits.argmax(axis=1)
        found: NDArray[np.int64] = self.classes_[best]
        return found

    def predict_proba(self, X: Images | ArrayLike) -> FloatArray:
        """(n, K) float64 probabilities in the order of ``classes_``."""
        found = self.signals(X)
        return found.probabilities(int(self.classes_.max()) + 1)[:, self.classes_]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fitted network as plain arrays; :meth:`restore` is the way back, bit for bit."""
        found = {f"network.{k}": v.cpu().numpy() for k, v in self.network_.state_dict().items()}
        if self.loss_head_ is not None:
            state = self.loss_head_.state_dict()
            found |= {f"loss_head.{name}": value.cpu().numpy() for name, value in state.items()}
        about = {"classes": self.classes_, "shape": np.array(self.shape_)}
        return found | about | {"mean": self.mean_, "scale": self.scale_}

    def restore(self, arrays: Arrays) -> Self:
        """Becomes the fitted network whose :meth:`arrays` these are.

        Raises:
            UserError: they are those of another architecture.
        """
        from lalbench.classifiers.networks.training import load_state

        try:
            self.classes_ = np.asarray(arrays["classes"])
            height, width, channels = (int(length) for length in arrays["shape"])
            self.shape_ = (height, width, channels)
            self.mean_, self.scale_ = np.asarray(arrays["mean"]), np.asarray(arrays["scale"])
            self.network_, self.loss_head_ = load_state(self, arrays)
            self.signal_seconds_ = 0.0
        except (KeyError, RuntimeError) as error:
            raise UserError(
                type(self).__name__, f"stored weights do not fit ({error})", "train it anew"
            ) from error
        return self

    def build(self, shape: Shape, n_classes: int) -> Network:
        """The architecture with weights from torch's global generator.

        Args:
            shape: (C, H, W) of the images.
            n_classes: K.
        """
        raise NotImplementedError

    def resolved_recipe(self) -> Recipe:
        """The recipe with the number of epochs in force."""
        from dataclasses import replace

        from lalbench.classifiers.networks.recipes import RECIPES

        recipe = RECIPES[self.recipe]
        return recipe if self.epochs is None else replace(recipe, epochs=self.epochs)

    def _statistics(self, images: Images) -> tuple[FloatArray, FloatArray]:
        n_channels = images.shape[3]
        if self.pixel_mean is None or self.pixel_scale is None:
            pixels = images.take().reshape(-1, n_channels)
            mean, scale = pixels.mean(axis=0), pixels.std(axis=0)
            return mean, np.where(scale > 0, scale, 1.0)
        given = [np.asarray(part, dtype=np.float64) for part in (self.pixel_mean, self.pixel_scale)]
        mean, scale = (np.broadcast_to(part, (n_channels,)).copy() for part in given)
        return mean, scale

    def _validate_params(self) -> None:
        """Checks the values of the options, as far as they do not depend on data."""
        from lalbench.classifiers.networks.batches import Augmentation
        from lalbench.classifiers.networks.precision import Precision
        from lalbench.classifiers.networks.recipes import RECIPES

        for name, known in (
            ("recipe", tuple(RECIPES)),
            ("augmentation", get_args(Augmentation)),
            ("precision", get_args(Precision)),
        ):
            value = getattr(self, name)
            if value not in known:
                raise UserError(name, f'cannot use "{value}"', suggest(value, known))
        checks: dict[str, tuple[Callable[[Any], bool], str]] = {
            "width": (lambda value: value is None or is_count(value), "give an integer from 1"),
            "epochs": (lambda value: value is None or is_count(value), "give an integer from 1"),
            "half_signals": (_is_bool, "give true or false"),
            "deterministic": (_is_bool, "give true or false"),
            "loss_head": (_is_bool, "give true or false"),
            "loss_margin": (_is_positive, "give a number above 0"),
            "loss_weight": (lambda value: is_number(value) and value >= 0, "give a number from 0"),
            "loss_detach_at": (lambda value: is_number(value) and 0 <= value <= 1, "0 to 1"),
        }
        for name in ("pixel_mean", "pixel_scale"):
            checks[name] = (_are_statistics, "leave it out: a trial sets it")
        for name, (fits, remedy) in checks.items():
            if not fits(getattr(self, name)):
                raise UserError(name, f"cannot use {getattr(self, name)!r}", remedy)


class ResNet18(NetworkClassifier):
    """ResNet-18 in its CIFAR form; ``width`` 64 gives an embedding of 512."""

    def build(self, shape: Shape, n_classes: int) -> Network:
        """See :meth:`NetworkClassifier.build`."""
        from lalbench.classifiers.networks.resnet import resnet

        return resnet(shape, n_classes, width=self.width or 64)


class SmallCNN(NetworkClassifier):
    """Four convolutions; ``width`` 16 gives an embedding of 128."""

    def build(self, shape: Shape, n_classes: int) -> Network:
        """See :meth:`NetworkClassifier.build`."""
        from lalbench.classifiers.networks.small import small_cnn

        return small_cnn(shape, n_classes, width=self.width or 16)


class MLP(NetworkClassifier):
    """A perceptron with four hidden layers of ``width`` (256) units."""

    def build(self, shape: Shape, n_classes: int) -> Network:
        """See :meth:`NetworkClassifier.build`."""
        from lalbench.classifiers.networks.small import mlp

        return mlp(shape, n_classes, width=self.width or 256)


def as_images(X: Images | ArrayLike) -> Images:
    """``X`` as images; raises :class:`UserError` for anything but (n, H, W, C) uint8."""
    if isinstance(X, Images):
        return X
    array = np.asarray(X)
    if array.ndim != 4 or array.dtype != np.uint8 or not len(array):
        raise UserError(
            "X",
            f"a network cannot take {array.shape} {array.dtype}",
            "give (n, H, W, C) uint8 images",
        )
    return Images(array)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _are_statistics(value: Any) -> bool:
    """Whether ``value`` can be statistics of pixels: None, or finite numbers from 0."""
    if value is None:
        return True
    numbers = np.asarray(value)
    return numbers.dtype.kind in "iuf" and bool((np.isfinite(numbers) & (numbers >= 0)).all())


def _is_positive(value: Any) -> bool:
    return is_number(value) and 0 < value < float("inf")
