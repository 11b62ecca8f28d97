"""Score a checkpoint on the held-out samples with and without their documents, and test the difference by task.

    python training/study/evaluate.py --model training/study/checkpoints/supervised

The same samples and answers as `golong run --tasks held_out.jsonl` gives, faster: a budget fit for short answers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import transformers
from model import WORK
from report import as_table, ends
from run import evaluate
from samples import load_items

from golong_eval.statistics import paired_test


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--samples", type=Path, default=WORK / "held_out.jsonl")
    parser.add_argument("--show", type=int, default=0, help="answers to show, of each task")
    parser.add_argument("--limit", type=int, default=10**9, help="samples of each task")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    tokenizer = transformers.AutoTokenizer.from_pretrained(given.model)
    model = transformers.AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32)
    items = load_items(given.samples, tokenizer)
    taken: dict[str, int] = {}
    chosen = set()
    for item in items:
        taken[item.sample.task] = taken.get(item.sample.task, 0) + 1
        if taken[item.sample.task] <= given.limit:
            chosen.add(item.sample.id)
    found = {}
    for context in ("full", "none"):
        asked = [item for item in load_items(given.samples, tokenizer, context) if item.sample.id in chosen]
        found[context] = evaluate(model, tokenizer, asked, show=given.show if context == "full" else 0)["samples"]
    rows = []
    for task in sorted({each["task"] for each in found["full"].values()}):
        names = [name for name, each in found["full"].items() if each["task"] == task and name in found["none"]]
        full, none = ([found[context][name]["reward"] for name in names] for context in ("full", "none"))
        test = paired_test(none, full, [found["full"][name]["cluster"] for name in names])
        clear = test.low is not None and test.low > 0
        rows.append(
            (
                task,
                str(len(names)),
                f"{sum(full) / len(full):.3f}",
                f"{sum(none) / len(none):.3f}",
                f"{test.difference:+.3f} ({ends(test, '+')})",
                "yes" if clear else "no",
            )
        )
    print(as_table(("task", "n", "documents", "none", "difference (95 %)", "clear"), rows))


if __name__ == "__main__":
    main()
