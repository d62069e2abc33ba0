"""Data sets of the study "Learning Active Learning from Data" (Konyushkova et al. 2017)."""

from __future__ import annotations

from lalbench.data import checkerboards, gaussian_clouds, lal_files, readers, splice
from lalbench.data.entry import BY_FORMULA, NO_LICENCE, UCI_LICENCE, Entry
from lalbench.data.fetch import File

_LAL = (
    "https://raw.githubusercontent.com/ksenia-konyushkova/LAL/"
    "4484292e81743623f53463e59b758c94b454e416/data/"
)
# UCI has another format. This copy has that of OpenML's CSV export of its data set 46.
_SPLICE = (
    "https://raw.githubusercontent.com/AlCorreia/GeFs/"
    "9c888c4c29b8f7616546d99049360de9987e289d/data/splice.csv"
)
# KEEL offers zip archives only; this is a copy of the file in one.
_BANANA = (
    "https://raw.githubusercontent.com/taycerqueira/WangMendel-Banana/"
    "c57f49be2fb0eb1c95e4cddec60a28b8a52bddf6/banana.dat"
)
_CITATION = "Konyushkova, Sznitman, Fua (2017), Learning Active Learning from Data"


def _board(name: str, description: str) -> Entry:
    """A checkerboard made by rule."""
    return Entry(
        name=name,
        files=(),
        reader=checkerboards.generated(name),
        licence=BY_FORMULA,
        citation=_CITATION,
        description=description,
        options=checkerboards.OPTIONS,
        check=checkerboards.check_options,
    )


def _released_board(name: str, stem: str, train: str, test: str) -> Entry:
    """A checkerboard as the authors released it; ``train`` and ``test`` are sha256 sums."""
    return Entry(
        name=name,
        files=tuple(
            File(
                f"checkerboard/{stem}_{part}.npz",
                f"sha256:{pin}",
                (f"{_LAL}{stem}_{part}.npz",),
            )
            for part, pin in (("train", train), ("test", test))
        ),
        reader=checkerboards.released,
        licence="Apache-2.0",
        citation=_CITATION,
        description="the authors' points: 1,000 to train, 1,000 to test",
        options=checkerboards.RELEASED_OPTIONS,
        check=checkerboards.check_released_options,
    )


_ENTRIES = (
    Entry(
        name="gaussian_clouds",
        files=(),
        reader=gaussian_clouds.gaussian_clouds,
        licence=BY_FORMULA,
        citation=_CITATION,
        description="two Gaussian clouds in the plane, 400 points to train, 4,000 to test",
        options=gaussian_clouds.OPTIONS,
        check=gaussian_clouds.check_options,
    ),
    _board("checkerboard_2x2", "points on a board of 2 x 2, 1,000 to train, 1,000 to test"),
    _board("checkerboard_4x4", "points on a board of 4 x 4, 1,000 to train, 1,000 to test"),
    _board("rotated_checkerboard_2x2", "points on a board of 2 x 2 that is turned by 45 degrees"),
    _released_board(
        "checkerboard_2x2_released",
        "checkerboard2x2",
        "8548b425b06946c21ba0fbd4d053fccddd5c6ee567bb69b26a8342e2dc6a8788",
        "fe0e58d010ba8c9e0cb6ae57a96d78b1c89a579f6169ccdfdf0d78061b559bf1",
    ),
    _released_board(
        "checkerboard_4x4_released",
        "checkerboard4x4",
        "085c0ebc2ab864df095bdc5daed545a092be7515796e2ce746090f46152682b2",
        "13e3a41215e3854c65b64e52582cb0c4959dc6552c94eff9210120c222d55655",
    ),
    _released_board(
        "rotated_checkerboard_2x2_released",
        "rotated_checkerboard2x2",
        "87e574edd25a111abd7e118bb7e677d53717c5e09e3be6b34ee28f6cb847fa84",
        "2fb8b489c79aa3dd3c0177feaf59f726fcd70b91bba440a422b75192e12dd746",
    ),
    Entry(
        name="banana",
        files=(
            File(
                "banana/banana.dat",
                "sha256:b6f47aabfd475cee166dd9ba17c80884e52b39eac0556def71520169c6520428",
                (_BANANA,),
            ),
        ),
        reader=readers.keel_binary(("-1", "1")),
        licence=NO_LICENCE,
        citation="Alcala-Fdez et al. (2011), KEEL Data-Mining Software Tool: Data Set Repository",
        description="two banana-shaped classes in the plane",
    ),
    Entry(
        name="splice",
        files=(
            File(
                "splice/splice.csv",
                "sha256:d419519ea1c1bd625e4fadfca87346409d20c3a0677166f7771567a795485815",
                (_SPLICE,),
            ),
        ),
        reader=splice.splice,
        licence=UCI_LICENCE,
        citation="Towell, Noordewier, Shavlik (1991), Molecular Biology (Splice-junction Gene "
        "Sequences), UCI",
        description="60 bases around a boundary of exon and intron, or around none; four features "
        "per base",
        options=splice.OPTIONS,
        check=splice.check_options,
    ),
    Entry(
        name="striatum",
        files=(),
        reader=lal_files.segmentation(272),
        licence=NO_LICENCE,
        citation="Lucchi, Li, Smith, Fua (2012), Structured Image Segmentation Using Kernelized "
        "Features",
        description="mitochondria in electron micrographs of the striatum; files of the user's",
        options=lal_files.OPTIONS,
        check=lal_files.check_segmentation,
    ),
    Entry(
        name="mri",
        files=(),
        reader=lal_files.segmentation(188),
        licence="terms of BRATS",
        citation="Menze et al. (2014), The Multimodal Brain Tumor Image Segmentation Benchmark "
        "(BRATS)",
        description="brain tumours in magnetic resonance images; files of the user's",
        options=lal_files.OPTIONS,
        check=lal_files.check_segmentation,
    ),
    Entry(
        name="credit_card_fraud",
        files=(),
        reader=lal_files.credit_card_fraud,
        licence="DbCL 1.0",
        citation="Dal Pozzolo, Caelen, Johnson, Bontempi (2015), Calibrating Probability with "
        "Undersampling for Unbalanced Classification",
        description="card transactions, 0.17 % of them fraud; a file of the user's",
        options=lal_files.OPTIONS,
        check=lal_files.check_credit_card_fraud,
    ),
    Entry(
        name="higgs",
        files=(),
        reader=lal_files.higgs,
        licence="CC0",
        citation="ATLAS collaboration (2014), Dataset from the ATLAS Higgs Boson Machine Learning "
        "Challenge 2014, doi:10.7483/OPENDATA.ATLAS.ZBP2.M5T8",
        description="simulated collisions with or without a Higgs boson; a file of the user's",
        options=lal_files.HIGGS_OPTIONS,
        check=lal_files.check_higgs,
    ),
)

ENTRIES = _ENTRIES
"""For the catalogue; the hash of a job's code counts those in use of ``_ENTRIES``."""
