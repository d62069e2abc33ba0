"""Networks behind scikit-learn's conventions: signals, storage, weights, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone as sklearn_clone

from lalbench import classifiers
from lalbench.classifiers.networks.classifier import NetworkClassifier
from lalbench.data.images import Images
from lalbench.errors import UserError

Made = tuple[Images, NDArray[np.int64]]
NAMES = ("resnet18", "small_cnn", "mlp")
EVERY = pytest.mark.parametrize("name", NAMES)


def build(name: str, quick: dict[str, Any], **options: Any) -> NetworkClassifier:
    width = {"resnet18": 4, "small_cnn": 8, "mlp": 32}[name]
    found: NetworkClassifier = classifiers.get(name, **{"width": width, **quick, **options})
    return found


@EVERY
def test_it_learns_what_can_be_learned(
    name: str, quick: dict[str, Any], make_images: Callable[..., Made]
) -> None:
    train, test = make_images(200, seed=1), make_images(200, seed=2)
    fitted = build(name, quick, epochs=12).fit(*train)
    assert (fitted.predict(test[0]) == test[1]).mean() > 0.95


@EVERY
def test_signals_are_those_of_the_network_in_evaluation_mode(
    name: str, quick: dict[str, Any], images: Made
) -> None:
    X, y = images
    fitted = build(name, quick, pixel_mean=[90.0], pixel_scale=[60.0]).fit(X, y)
    standardised = torch.from_numpy((X.take().transpose(0, 3, 1, 2) - 90.0) / 60.0).float()
    with torch.no_grad():
        wanted = fitted.network_.eval()(standardised)
    found = fitted.signals(X, stages=True)
    np.testing.assert_allclose(found.logits, wanted.logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.embeddings, wanted.embedding, rtol=1e-4, atol=1e-4)
    assert found.stages is not None
    for stage, average in zip(found.stages, wanted.stages, strict=True):
        np.testing.assert_allclose(stage, average, rtol=1e-4, atol=1e-4)
    softmax = torch.softmax(wanted.logits.double(), dim=1)
    np.testing.assert_allclose(fitted.predict_proba(X), softmax, rtol=1e-3, atol=1e-5)
    assert np.array_equal(fitted.predict(X), found.logits.argmax(axis=1))


@EVERY
def test_signals_change_nothing_and_do_not_depend_on_the_company(
    name: str, quick: dict[str, Any], images: Made
) -> None:
    X, y = images
    fitted = build(name, quick).fit(X, y)
    before = {key: value.clone() for key, value in fitted.network_.state_dict().items()}
    random_state = torch.get_rng_state()
    whole = fitted.signals(X)
    for key, value in fitted.network_.state_dict().items():  # batch-norm buffers among them
        assert torch.equal(value, before[key]), key
    assert torch.equal(random_state, torch.get_rng_state())
    part = fitted.signals(X[[7, 3]])
    np.testing.assert_allclose(part.logits, whole.logits[[7, 3]], rtol=1e-4, atol=1e-5)


@EVERY
def test_every_fit_begins_with_the_same_weights(
    name: str, quick: dict[str, Any], images: Made
) -> None:
    X, y = images
    one = build(name, quick).fit(X, y)
    again = one.fit(X[:30], y[:30]).fit(X, y)
    other = build(name, quick).fit(X, y)
    for key, value in again.arrays().items():
        assert np.array_equal(value, other.arrays()[key]), key
    different = build(name, quick, random_state=6).fit(X, y)
    assert not np.array_equal(different.arrays()["network.head.weight"], value)


@pytest.mark.parametrize("loss_head", [False, True])
def test_stored_networks_come_back_bit_for_bit(
    quick: dict[str, Any], images: Made, loss_head: bool
) -> None:
    X, y = images
    fitted = build("small_cnn", quick, loss_head=loss_head).fit(X, y)
    arrays = {name: np.array(array) for name, array in fitted.arrays().items()}
    assert not any(array.dtype.hasobject for array in arrays.values())
    back = build("small_cnn", quick, loss_head=loss_head).restore(arrays)
    one, other = fitted.signals(X), back.signals(X)
    assert np.array_equal(one.logits, other.logits)
    assert np.array_equal(one.embeddings, other.embeddings)
    if loss_head:
        assert one.losses is not None
        assert other.losses is not None
        assert np.array_equal(one.losses, other.losses)
    with pytest.raises(UserError, match="stored weights do not fit"):
        build("mlp", quick, loss_head=loss_head).restore(arrays)


def test_the_loss_head_finds_the_images_with_wrong_labels(
    quick: dict[str, Any], make_images: Callable[..., Made]
) -> None:
    # Bright images carry random labels, dark ones true labels: the loss of bright ones stays high.
    X, y = make_images(400, seed=3)
    pixels, labels = X.take(), y.copy()
    rng = np.random.default_rng(0)
    noisy = np.arange(400) % 2 == 0
    pixels[noisy, 0, 0] = 255
    pixels[~noisy, 0, 0] = 0
    labels[noisy] = rng.integers(0, 3, size=noisy.sum())
    options = {"epochs": 15, "loss_head": True}
    fitted = build("mlp", quick, **options).fit(Images(pixels), labels)
    predicted = fitted.signals(Images(pixels)).losses
    assert predicted is not None
    assert predicted.shape == (400,)
    assert predicted.dtype == np.float64
    assert np.median(predicted[noisy]) > np.quantile(predicted[~noisy], 0.9)


def test_the_head_leaves_the_initial_weights_of_the_network_alone(
    quick: dict[str, Any], images: Made
) -> None:
    X, y = images
    options = {"loss_weight": 1e-12, "loss_detach_at": 0.0}
    one = build("small_cnn", quick).fit(X, y)
    other = build("small_cnn", quick, loss_head=True, **options).fit(X, y)
    np.testing.assert_allclose(one.signals(X).logits, other.signals(X).logits, rtol=1e-4, atol=1e-5)


def test_weights_move_the_decision(quick: dict[str, Any], make_images: Callable[..., Made]) -> None:
    rng = np.random.default_rng(0)
    X = Images(rng.integers(0, 255, size=(300, 8, 8, 1)).astype(np.uint8))  # nothing to learn
    y = rng.integers(0, 2, size=300)
    share = []
    for weights in ([1.0, 1.0], [1.9, 0.1], [0.1, 1.9]):
        fitted = classifiers.fit(build("small_cnn", quick), X, y, weights)
        share.append((fitted.predict(X) == 1).mean())
    assert share[1] < share[0] < share[2]


def test_missing_classes(quick: dict[str, Any], images: Made) -> None:
    X, y = images
    kept = y != 1
    fitted = build("small_cnn", quick).fit(X[kept], y[kept])
    assert fitted.classes_.tolist() == [0, 2]
    assert fitted.signals(X).logits.shape == (60, 2)
    found = classifiers.probabilities(fitted, X, 4)
    assert (found[:, [1, 3]] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert set(fitted.predict(X)) <= {0, 2}


def test_half_precision_when_asked(quick: dict[str, Any], images: Made) -> None:
    X, y = images
    full = build("small_cnn", quick).fit(X, y).signals(X)
    half = build("small_cnn", quick, half_signals=True).fit(X, y).signals(X)
    assert full.embeddings.dtype == np.float32
    assert half.embeddings.dtype == np.float16
    np.testing.assert_allclose(full.embeddings, half.embeddings, rtol=1e-3, atol=1e-3)


def test_bfloat16_trains_as_well(quick: dict[str, Any], make_images: Callable[..., Made]) -> None:
    train, test = make_images(200, seed=1), make_images(200, seed=2)
    options = {"epochs": 12, "precision": "bfloat16"}
    fitted = build("small_cnn", quick, **options).fit(*train)
    assert fitted.network_.head.weight.dtype == torch.float32
    assert (fitted.predict(test[0]) == test[1]).mean() > 0.95


def test_own_statistics_of_the_training_images(quick: dict[str, Any], images: Made) -> None:
    X, y = images
    fitted = build("mlp", quick).fit(X[:20], y[:20])
    pixels = X[:20].take().astype(np.float64)
    np.testing.assert_allclose(fitted.mean_, pixels.mean())
    np.testing.assert_allclose(fitted.scale_, pixels.std())
    black = Images(np.zeros((6, 4, 4, 3), dtype=np.uint8))
    assert build("mlp", quick).fit(black, np.arange(6) % 2).scale_.tolist() == [1.0, 1.0, 1.0]


def test_views_and_arrays_are_the_same(quick: dict[str, Any], images: Made) -> None:
    X, y = images
    one = build("small_cnn", quick).fit(X[10:40], y[10:40])
    other = build("small_cnn", quick).fit(X.take()[10:40], y[10:40])
    assert np.array_equal(one.signals(X).logits, other.signals(X.take()).logits)


def test_scikit_learn_can_clone_it(quick: dict[str, Any]) -> None:
    made = build("small_cnn", quick, epochs=4)
    assert sklearn_clone(made).get_params() == made.get_params()
    assert classifiers.clone(made) is not made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "fsat"}, 'recipe: cannot use "fsat"; did you mean "fast"'),
        ({"augmentation": "flip"}, 'augmentation: cannot use "flip"'),
        ({"precision": "float16"}, 'precision: cannot use "float16"'),
        ({"epochs": 0}, "epochs: cannot use 0"),
        ({"width": 2.5}, "width: cannot use 2.5"),
        ({"loss_detach_at": 2}, "loss_detach_at: cannot use 2"),
        ({"depth": 3}, 'has no option "depth"'),
    ],
)
def test_bad_options_are_refused_before_any_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        classifiers.get("small_cnn", **options)


def test_bad_data_is_refused(quick: dict[str, Any], images: Made) -> None:
    X, y = images
    made = build("small_cnn", quick)
    with pytest.raises(UserError, match=r"cannot take \(60, 64\) float64"):
        made.fit(np.zeros((60, 64)), y)
    with pytest.raises(UserError, match="1 class among 60 labels"):
        made.fit(X, np.zeros(60, dtype=int))
    with pytest.raises(UserError, match="one int per image"):
        made.fit(X, y[:-1])
    with pytest.raises(UserError, match="sample_weight"):
        made.fit(X, y, sample_weight=np.full(60, -1.0))
    fitted = made.fit(X, y)
    with pytest.raises(UserError, match="give images of shape"):
        fitted.predict(np.zeros((2, 9, 9, 1), dtype=np.uint8))


def test_a_batch_of_one_image_is_left_out_of_no_epoch(
    quick: dict[str, Any], make_images: Callable[..., Made]
) -> None:
    # 129 images leave a last batch of one, of which batch norm has no deviation.
    X, y = make_images(129)
    for name in NAMES:
        fitted = build(name, quick).fit(X, y)
        assert np.isfinite(fitted.signals(X).logits).all()


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_embeddings_are_not_rounded_to_bfloat16(
    name: str, quick: dict[str, Any], make_images: Callable[..., Made]
) -> None:
    X, y = make_images(60, (16, 16, 1))
    found = build(name, quick, precision="bfloat16").fit(X, y).signals(X)
    rounded = torch.from_numpy(found.logits).bfloat16().float().numpy()
    assert (rounded != found.logits).mean() > 0.9
    if name != "mlp":  # whose embedding is no average
        embeddings = torch.from_numpy(found.embeddings)
        assert (embeddings.bfloat16().float() != embeddings).float().mean() > 0.3


def test_an_unfitted_network_says_so(quick: dict[str, Any], images: Made) -> None:
    with pytest.raises(UserError, match="is not fitted; call fit first"):
        build("small_cnn", quick).predict(images[0])


@pytest.mark.parametrize("value", ["x", [float("nan")], [-1.0]])
def test_statistics_that_are_none(value: Any) -> None:
    with pytest.raises(UserError, match="pixel_mean: cannot use"):
        classifiers.get("small_cnn", pixel_mean=value)
