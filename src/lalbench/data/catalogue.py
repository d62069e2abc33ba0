"""Every data set that has a name: where its files come from, who made it, how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lalbench.data import cifar, generators, image_readers, readers
from lalbench.data.fetch import File
from lalbench.errors import UserError, suggest


def _accept(_: Mapping[str, Any]) -> None:
    """Most data sets have no options to check."""


@dataclass(frozen=True)
class Entry:
    """A data set of the catalogue.

    Args:
        name: what studies call it.
        files: what is fetched, in the order the reader wants; empty if nothing is.
        reader: makes a table of the files and the options.
        licence: terms of the data.
        citation: whom to cite.
        description: one line.
        image_shape: (H, W, C) where the data are images, else None.
        options: option names with their defaults.
        check: raises UserError for option values that do not fit.
    """

    name: str
    files: tuple[File, ...]
    reader: readers.Reader
    licence: str
    citation: str
    description: str
    image_shape: tuple[int, int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], None] = _accept

    def complete_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``given`` with defaults filled in.

        Raises:
            UserError: an unknown option, or a value that does not fit.
        """
        for key in given:
            if key not in self.options:
                remedy = suggest(key, self.options) if self.options else "remove it"
                raise UserError("options", f'"{self.name}" has no option "{key}"', remedy)
        options = {**self.options, **given}
        self.check(options)
        return options


_LAL_RL = (
    "https://raw.githubusercontent.com/ksenia-konyushkova/LAL-RL/"
    "6377fb0e5b6b64b62b0c3bc6e26ed4459138e1b8/dataUCI/"
)
_FASHION = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
    "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/"
)
# None of these hosts has versions; the hash pins the content.
_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_KMNIST = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
_CIFAR = "https://www.cs.toronto.edu/~kriz/"
_SVHN = "http://ufldl.stanford.edu/housenumbers/"
# In Latin letters, which every font of a figure has
_KMNIST_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_KMNIST_CITATION = (
    "Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha (2018), Deep Learning for Classical "
    "Japanese Literature"
)
_CIFAR_CITATION = "Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images"
_NO_LICENCE = "none stated"
_UCI_CITATION = (
    "Kelly, Longjohn, Nottingham: The UCI Machine Learning Repository; file of Konyushkova, "
    "Sznitman, Fua (2018), Discovering General-Purpose Active Learning Strategies"
)
_UCI_LICENCE = "CC BY 4.0"


def _uci(
    name: str,
    sha256: str,
    description: str,
    class_names: tuple[str, str] = ("0", "1"),
    stem: str = "",
) -> Entry:
    base = f"{stem or name}.p"
    return Entry(
        name=name,
        files=(File(f"uci/{base}", f"sha256:{sha256}", (_LAL_RL + base,)),),
        reader=readers.pickled_binary(class_names),
        licence=_UCI_LICENCE,
        citation=_UCI_CITATION,
        description=description,
    )


_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _idx(
    name: str,
    pins: tuple[str, str, str, str],
    sources: tuple[str, ...],
    class_names: tuple[str, ...],
    *,
    licence: str,
    citation: str,
    description: str,
) -> Entry:
    """Images in the four files of MNIST and the sets that took its place."""
    return Entry(
        name=name,
        files=tuple(
            File(f"{name}/{base}", pin, tuple(source + base for source in sources))
            for base, pin in zip(_IDX_FILES, pins, strict=True)
        ),
        reader=image_readers.idx_images(class_names),
        licence=licence,
        citation=citation,
        description=description,
        image_shape=(28, 28, 1),
    )


def _bundled(
    name: str,
    citation: str,
    description: str,
    image_shape: tuple[int, int, int] | None = None,
) -> Entry:
    read = readers.bundled if image_shape is None else image_readers.bundled_images
    return Entry(
        name=name,
        files=(),
        reader=read(f"load_{name}"),
        licence=_UCI_LICENCE,
        citation=citation,
        description=description,
        image_shape=image_shape,
    )


_ENTRIES = (
    _uci(
        "waveform",
        "61bbc0d45586e32a6bfdb500168477e3e1615a4e0d26d4eaba79ea761cdc7a45",
        "Breiman's waveforms, class 1 against 0 and 2; columns standardised",
        ("0 or 2", "1"),
    ),
    _uci(
        "mushrooms",
        "1ed4321af4f8b369c62a1a4015df644f320c28d50dc1fd1cfe69ce4f4f26a5d0",
        "edible or poisonous; letters as integer codes, one constant column",
        ("edible", "poisonous"),
    ),
    _uci(
        "adult",
        "8608a4e81a13e3509736e4476a7adafefaec343171a50a62ae40bbcb13727115",
        "income up to or above 50,000; 0/1 features (LIBSVM a1a), six constant columns",
        ("<=50K", ">50K"),
    ),
    _uci(
        "australian",
        "16a2362214f2e3042796d866b8e06b6a280dcd717379c7e4eb33475b9aab22a9",
        "Australian credit approval",
    ),
    _uci(
        "breast_cancer_ljubljana",
        "473c33ae91c741d7dff2cc03f3f26b3632c20ee4444d0cfba0aac2fa5a4c03d5",
        "breast cancer recurrence, Ljubljana (the file breast_cancer.p)",
        stem="breast_cancer",
    ),
    _uci(
        "diabetis",
        "8fa2c058386fd172777f7a1ed2c8f19c343a6cd295c34539402b14dc5d1b973a",
        "Pima Indians diabetes (spelt as the file is)",
    ),
    _uci(
        "flare_solar",
        "7aedc267e8ca3c3ef9452f30aadc62b1e70cea10f8e633a932647d6bdf0df79b",
        "solar flares",
    ),
    _uci(
        "german",
        "30c605ccc59e7ff3058ca609f9394fbf1d46abdb0f072b22d3640f9733d24d62",
        "German credit",
    ),
    _uci(
        "heart",
        "3b8681699714e674fec64ac2ec8d796ea9bab39d1868179e015cd960729b50c7",
        "Statlog heart disease",
    ),
    _uci(
        "wdbc",
        "e17d7763f39c7bcc24a3efb26e2fc3a4eb15d134a17b0ac44b13edcabaa67f2c",
        "Wisconsin diagnostic breast cancer; the same matrix as breast_cancer",
        ("malignant", "benign"),
    ),
    _idx(
        "mnist",
        (
            "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        _MNIST,
        tuple("0123456789"),
        licence="CC BY-SA 3.0",
        citation="LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to "
        "document recognition",
        description="handwritten digits, 28x28, 60,000 train and 10,000 test images",
    ),
    _idx(
        "fashion_mnist",
        (
            "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        (_FASHION,),
        (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        licence="MIT",
        citation="Xiao, Rasul, Vollgraf (2017), Fashion-MNIST",
        description="articles of clothing, 28x28, 60,000 train and 10,000 test images",
    ),
    _idx(
        "kmnist",
        (
            "md5:bdb82020997e1d708af4cf47b453dcf7",
            "md5:e144d726b3acfaa3e44228e80efcd344",
            "md5:5c965bf0a639b31b8f53240b1b52f4d7",
            "md5:7320c461ea6c1c855c0b718fb2a4b134",
        ),
        (_KMNIST,),
        _KMNIST_CLASSES,
        licence="CC BY-SA 4.0",
        citation=_KMNIST_CITATION,
        description="cursive hiragana, 28x28, 60,000 train and 10,000 test images",
    ),
    Entry(
        name="kmnist_7011",
        files=(
            File(
                "kmnist/kmnist-train-first7011.npz",
                "sha256:77d1030b4ba66e0fe40143462a1482eb75f5eaa9d6b106c1d1b9ada41dbf5c8d",
            ),
            File(
                "kmnist/kmnist-train-labels.npz",
                "sha256:a325c877035602cb9b9ba54f4194a2a1b5f718026a463db5b5e0cdc124c03720",
                (_KMNIST + "kmnist-train-labels.npz",),
            ),
            File(
                "kmnist/kmnist-test-imgs.npz",
                "sha256:692d824896bec8f3c357ebf7a0fe904ed67ac632ce953d0b58f7fbef7bb27d87",
                (_KMNIST + "kmnist-test-imgs.npz",),
            ),
            File(
                "kmnist/kmnist-test-labels.npz",
                "sha256:660f13a4705431ea2a6391c41ecbe384cd0d932c595a101ec4f3b8989e785046",
                (_KMNIST + "kmnist-test-labels.npz",),
            ),
        ),
        reader=image_readers.npz_images(_KMNIST_CLASSES),
        licence="CC BY-SA 4.0",
        citation=_KMNIST_CITATION,
        description="the first 7,011 train images of kmnist and all of its 10,000 test images; the "
        "excerpt is no file of its makers and lies in mirrors only",
        image_shape=(28, 28, 1),
    ),
    Entry(
        name="cifar10",
        files=(
            File(
                "cifar10/cifar-10-python.tar.gz",
                "md5:c58f30108f718f92721af3d95e74349a",
                (_CIFAR + "cifar-10-python.tar.gz",),
                # The same members in another packing
                alternatives=(
                    File(
                        "cifar10/cifar-10-batches-py.tar.xz",
                        "sha256:766818d03e8dd8be987823ffcbb349b90c5216ff614806a12bb006d4fbfaf8eb",
                    ),
                ),
            ),
        ),
        reader=cifar.cifar10,
        licence=_NO_LICENCE,
        citation=_CIFAR_CITATION,
        description="ten kinds of objects, 32x32 in colour, 50,000 train and 10,000 test images",
        image_shape=(32, 32, 3),
    ),
    Entry(
        name="cifar100",
        files=(
            File(
                "cifar100/cifar-100-python.tar.gz",
                "md5:eb9058c3a382ffc7106e4002c42a8d85",
                (_CIFAR + "cifar-100-python.tar.gz",),
            ),
        ),
        reader=cifar.cifar100,
        licence=_NO_LICENCE,
        citation=_CIFAR_CITATION,
        description="100 (or 20) kinds of objects, laid out as cifar10",
        image_shape=(32, 32, 3),
        options=cifar.LABELS_OPTIONS,
        check=cifar.check_labels_option,
    ),
    Entry(
        name="svhn",
        files=(
            File(
                "svhn/train_32x32.mat",
                "md5:e26dedcc434d2e4c54c9b2d4a06d8373",
                (_SVHN + "train_32x32.mat",),
            ),
            File(
                "svhn/test_32x32.mat",
                "md5:eb5a983be6a315427106f1b164d9cef3",
                (_SVHN + "test_32x32.mat",),
            ),
        ),
        reader=image_readers.svhn,
        licence="non-commercial use only",
        citation="Netzer, Wang, Coates, Bissacco, Wu, Ng (2011), Reading Digits in Natural Images "
        "with Unsupervised Feature Learning",
        description="house numbers, 32x32 in colour, 73,257 train and 26,032 test images",
        image_shape=(32, 32, 3),
    ),
    Entry(
        name="waveform_generator",
        files=(),
        reader=generators.waveform,
        licence="none (made by formula)",
        citation="Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees",
        description="Breiman's waveforms, any number of rows",
        options=generators.WAVEFORM_OPTIONS,
        check=generators.check_waveform_options,
    ),
    _bundled(
        "digits",
        "Alpaydin, Kaynak (1998), UCI",
        "handwritten digits, 8x8, values 0 to 16, with scikit-learn",
        image_shape=(8, 8, 1),
    ),
    _bundled(
        "breast_cancer",
        "Wolberg, Mangasarian, Street, Street (1995), UCI",
        "Wisconsin diagnostic breast cancer, with scikit-learn",
    ),
    _bundled("wine", "Aeberhard, Forina (1992), UCI", "three cultivars, with scikit-learn"),
    _bundled("iris", "Fisher (1936), UCI", "three species of iris, with scikit-learn"),
)

CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def names() -> list[str]:
    """Names of the data sets of the catalogue, sorted."""
    return sorted(CATALOGUE)


def get(name: str) -> Entry:
    """The entry called ``name``; :class:`UserError` if there is none."""
    if name not in CATALOGUE:
        raise UserError("name", f'unknown data set "{name}"', suggest(name, CATALOGUE))
    return CATALOGUE[name]
