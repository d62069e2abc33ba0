"""The image sets of the catalogue."""

from __future__ import annotations

from lalbench.data import cifar, image_readers
from lalbench.data.entry import NO_LICENCE, Entry
from lalbench.data.fetch import File

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


_ENTRIES = (
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
        licence=NO_LICENCE,
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
        licence=NO_LICENCE,
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
)

ENTRIES = _ENTRIES
"""For the catalogue; the hash of a job's code counts those in use of ``_ENTRIES``."""
