"""Every data set that has a name: where its files come from, who made it, how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lalbench.data import generators, image_readers, image_sets, lal_sets, readers
from lalbench.data.entry import BY_FORMULA, UCI_LICENCE, Entry
from lalbench.data.fetch import File
from lalbench.errors import UserError, suggest

_LAL_RL = (
    "https://raw.githubusercontent.com/ksenia-konyushkova/LAL-RL/"
    "6377fb0e5b6b64b62b0c3bc6e26ed4459138e1b8/dataUCI/"
)
_UCI_CITATION = (
    "Kelly, Longjohn, Nottingham: The UCI Machine Learning Repository; file of Konyushkova, "
    "Sznitman, Fua (2018), Discovering General-Purpose Active Learning Strategies"
)


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
        licence=UCI_LICENCE,
        citation=_UCI_CITATION,
        description=description,
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
        licence=UCI_LICENCE,
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
    Entry(
        name="waveform_generator",
        files=(),
        reader=generators.waveform,
        licence=BY_FORMULA,
        citation="Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees",
        description="Breiman's waveforms, any number of rows",
        options=generators.WAVEFORM_OPTIONS,
        check=generators.check_waveform_options,
        has_densities=True,
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

CATALOGUE: Mapping[str, Entry] = MappingProxyType(
    {entry.name: entry for entry in (*_ENTRIES, *image_sets.ENTRIES, *lal_sets.ENTRIES)}
)


def names() -> list[str]:
    """Names of the data sets of the catalogue, sorted."""
    return sorted(CATALOGUE)


def get(name: str) -> Entry:
    """The entry called ``name``; :class:`UserError` if there is none."""
    if name not in CATALOGUE:
        raise UserError("name", f'unknown data set "{name}"', suggest(name, CATALOGUE))
    return CATALOGUE[name]
