"""Injects faults into a small study until so many have happened: ``make test-faults``.

Each round clears the results, hurts one run after the other, and recovers as a person would; at the
end of the round every table must have the bytes of an undisturbed run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.faults.faults import FAULTS, recover
from tests.faults.laboratory import Laboratory, laboratory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=200, help="to inject; default: 200")
    parser.add_argument("--seed", type=int, default=0, help="of their kinds and moments")
    parser.add_argument("--only", choices=sorted(FAULTS), nargs="+", help="kinds")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, laboratory(Path(folder) / "lab") as lab:
        counts, deleted = inject(lab, given.faults, Random(given.seed), given.only or list(FAULTS))
    print(f"{sum(counts.values())} faults, every table as undisturbed")
    for kind, count in sorted(counts.items()):
        print(f"  {kind}: {count}")
    print(f"  damaged files that messages named: {deleted}")
    return 0


def inject(lab: Laboratory, wanted: int, rng: Random, kinds: list[str]) -> tuple[Counter[str], int]:
    """Rounds of faults until ``wanted`` have happened; how many of each kind, and deleted files.

    Raises:
        AssertionError: a table that differs, or a study that does not recover.
    """
    began = time.monotonic()
    recover(lab)
    seconds = time.monotonic() - began
    expected = lab.tables()
    counts: Counter[str] = Counter()
    deleted = 0
    while sum(counts.values()) < wanted:
        lab.clear()
        for _ in range(rng.randint(3, 8)):
            kind = rng.choice(kinds)
            happened = FAULTS[kind](lab, rng, seconds)
            lab.unlock()
            if happened:
                counts[kind] += 1
                print(f"{sum(counts.values()):4} {kind}: {happened}", flush=True)
            elif (lab.study / "manifest.json").exists():
                break  # the study is whole: a new round
        deleted += len(recover(lab))
        found = lab.tables()
        differing = [name for name in expected if found.get(name) != expected[name]]
        if differing or set(found) != set(expected):
            raise AssertionError(f"tables that differ: {differing or set(found) ^ set(expected)}")
    return counts, deleted


if __name__ == "__main__":
    sys.exit(main())
