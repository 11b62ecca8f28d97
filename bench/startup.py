"""How long ``golong --help`` takes, beside bare Python and, where it is installed, ``lm_eval --help``.

    python bench/startup.py [--runs 15]

Each round runs every command once, in turn, so that a slow moment of the machine hits all of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import typer'": [sys.executable, "-c", "import typer"],
    "golong --help": [sys.executable, "-m", "golong_eval", "--help"],
    "golong run --help": [sys.executable, "-m", "golong_eval", "run", "--help"],
    "import golong_eval.rewards": [sys.executable, "-c", "import golong_eval.rewards"],
}
if importlib.util.find_spec("lm_eval"):
    COMMANDS["lm_eval --help"] = [sys.executable, "-m", "lm_eval", "--help"]


def main() -> None:
    """Print the median and the range of each command's wall time, and its ratio to bare Python."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs + 1):  # the first round warms the disk cache
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)
    bare = statistics.median(seconds["python -c pass"][1:])
    print(f"{'command':28} {'median s':>9} {'min':>7} {'max':>7} {'x python':>9}")
    for name, values in seconds.items():
        counted = values[1:]
        median = statistics.median(counted)
        print(f"{name:28} {median:9.3f} {min(counted):7.3f} {max(counted):7.3f} {median / bare:9.1f}")


if __name__ == "__main__":
    main()
