"""What a strategy is in a comparison: the baseline, a strategy, a learned one, or a bound."""

from __future__ import annotations

from typing import Literal

from lalbench import protocols
from lalbench.config import Study
from lalbench.strategies.base import Need

Role = Literal["baseline", "strategy", "learned", "bound"]

RANDOM = "random"
HIDDEN = frozenset({Need.TEST_SET, Need.POSTERIOR})
LEARNED = frozenset({Need.LEARNED, Need.PRETRAINED})


def roles(study: Study) -> dict[str, Role]:
    """The role of each strategy of the study by label, in the study's order.

    ``baseline``: random. ``bound``: reads test labels or true class probabilities, or scores
    candidates by their hidden labels on the reward set; no real annotator can do that. ``learned``:
    trained on episodes or synthetic data. The "AL average" of the relative curves is over
    ``strategy`` alone (Bakker et al. 2023, Fig. 3).
    """
    from lalbench import strategies

    protocol = protocols.get(study.protocol)
    found: dict[str, Role] = {}
    for spec in study.strategies:
        needs = strategies.resolve(spec, protocol).needs
        if spec.name == RANDOM and spec.class_path is None:
            found[spec.label] = "baseline"
        elif needs & HIDDEN or {Need.LABEL_ORACLE, Need.REWARD_SET} <= needs:
            found[spec.label] = "bound"
        else:
            found[spec.label] = "learned" if needs & LEARNED else "strategy"
    return found


def baseline(found: dict[str, Role]) -> str | None:
    """The label of the baseline, or None where the study has none."""
    return next((label for label, role in found.items() if role == "baseline"), None)
