"""All runs of the study, one after another: those whose record is there are skipped, so it can be stopped at any time.

python training/study/grid.py                       # all estimators, three seeds
python training/study/grid.py --seeds 0 --minutes 60
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from run import ESTIMATORS, HERE


def main() -> None:
    """Run what is missing: all estimators of a seed before the next seed, so that they can be compared early."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--estimators", default=",".join(ESTIMATORS))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no run after so many minutes")
    parser.add_argument("--records", type=Path, default=HERE / "records")
    given, more = parser.parse_known_args()
    started = time.monotonic()
    for seed in map(int, given.seeds.split(",")):
        for estimator in given.estimators.split(","):
            if complete(given.records / f"{estimator}-{seed}.json"):
                continue
            if time.monotonic() - started > 60 * given.minutes:
                return
            command = [sys.executable, str(HERE / "run.py"), "--estimator", estimator, "--seed", str(seed)]
            subprocess.run([*command, "--records", str(given.records), *more], check=True)


def complete(record: Path) -> bool:
    """Return whether a run's record is there and whole."""
    try:
        return "after" in json.loads(record.read_text())
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    main()
