"""Time and peak memory of building samples, by length: memory should follow the context, not the corpus.

    python bench/tasks_build.py /usr/share/doc
    python bench/tasks_build.py                   # pydoc, which fills up to about 110K tokens

Each length runs in a process of its own, so that its peak is its own. The last line says what a form that reads
the whole corpus first would hold in texts alone.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

LENGTHS = ("4k", "16k", "64k", "256k", "1M")


def main() -> None:
    """Run every length in a child process and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", nargs="?", default="pydoc")
    parser.add_argument("--lengths", default=",".join(LENGTHS))
    parser.add_argument("--per-task", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokenizer", default="embedded")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(_build(options))
        return
    print(f"{'length':>7} {'samples':>7} {'contexts':>8} {'read':>6} {'seconds':>8} {'peak MB':>8} {'fill':>6}")
    for length in options.lengths.split(","):
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--child", length], capture_output=True, text=True
        )
        print(done.stdout.rstrip() if done.returncode == 0 else f"{length:>7} {done.stderr.strip().splitlines()[-1]}")
    print(_whole_corpus(options.documents))


def _build(options: argparse.Namespace) -> str:
    from golong_eval.tasks import BUILDERS, build_samples, load_tasks, load_tokenizer, parse_length

    start = time.perf_counter()
    run = build_samples(
        options.documents,
        tasks=list(BUILDERS),
        length=parse_length(options.child),
        per_task=options.per_task,
        seed=options.seed,
        tokenizer=load_tokenizer(options.tokenizer),
        specs=load_tasks(),
    )
    samples = sum(1 for _ in run)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    fills = [task.fill for task in run.report.tasks if task.made]
    return (
        f"{options.child:>7} {samples:>7} {run.report.contexts:>8} {run.report.documents_read:>6} {seconds:>8.1f} "
        f"{peak:>8.0f} {sum(fills) / len(fills):>6.3f}"
    )


def _whole_corpus(documents: str) -> str:
    from golong_eval.tasks.builders.corpus import open_corpus

    corpus = open_corpus(documents)
    size = sum((corpus.root / name).stat().st_size for name in corpus.names) if corpus.root else 0
    if corpus.root is None:
        size = sum(len(found.text) for index in range(len(corpus.names)) if (found := corpus.read(index)))
    return f"the whole corpus: {len(corpus.names)} documents, {size / 2**20:.0f} MB as they lie on the disk"


if __name__ == "__main__":
    main()
