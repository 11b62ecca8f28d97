"""Fuzz the rewards: mutate answers, look for crashes, values out of range, slow items and broken promises.

    python tests/rewards/fuzz.py --minutes 10 [--seed 0] [--keep]

Inputs that reach a new outcome (status, reason, shape of the parts) join the population. `--keep` writes them to
``tests/rewards/corpus/seeds.jsonl``, which `test_fuzz.py` replays. Exit code 1 if anything was found; each finding is
printed as a line that can be added to the corpus.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from golong_eval.rewards import METRIC_NAMES, ScoreRequest, coerce_gold, render_gold, score, score_batch
from golong_eval.rewards.spec import OFFICIAL_ONLY
from golong_eval.text import HAN

CORPUS = Path(__file__).parent / "corpus" / "seeds.jsonl"
MAX_LENGTH = 200_000
SLOW_SECONDS = 1.0  # of this process; math_verify's own time is bounded elsewhere
JIEBA_SECONDS = 3e-5  # a Chinese character, which is what jieba takes

GOLDS: dict[str, list[Any]] = {
    "exact_match": ["e0", ["epsilon zero", "e0"], "委员会", "1.", "(b)"],
    "accuracy": ["B", "yes", "否", "Paris", ["A", "是"]],
    "choice": ["B", "The correct answer is (C)"],
    "f1": [["D1", "D3", "D7"], ["none"], ["1. a", "2. b"], ["-", "D1", "d1"]],
    "sub_em": [["F1: D7", "F2: D3"], ["片段一：文档3"]],
    "ndcg": [["D2", "D1", "D9", "D4"], ["only"]],
    "pairwise_accuracy": [["A2", "A1", "A3"], ["only"]],
    "math_verify": ["42", "12%", "$3.5 million", "1/3", r"2\sqrt{3}", "x^2+1", "5 km", "(1, 2)", r"\{1,2\}", "3.5万元"],
    "iou": [{"columns": ["name", "year"], "data": [["a", 1], ["b", 2.5], [None, True]]}],
    "rouge_l": ["The cat sat on the mat. It slept.", "委员会在三月开会，发现那座桥不安全。", ["a b c", "c b a"]],
}
PIECES = [
    "[Answer]", "[答案]", "<answer>", "</answer>", "<think>", "</think>", "\n", "\n\n", " ", "\t", "\u200b", "\u3000",
    "- ", "* ", "1. ", "2) ", "（三）", "①", "**", "`", "```", "```json\n", '"', "“", "”", "。", ".", ",", "，", ":",
    "：",    "the answer is ", "The correct answer is (", ")",
    "答案是", "选", "not ", "不是", " or ", " and ", "和", "yes", "no",
    "A", "B", "(C)", "I", "\\boxed{", "}", "{", "\\frac{1}{2}", "\\sqrt{", "^{", "^", "!", "=", "≈", "<", "≥",
    "|", "\\pi", "42", "-", "−", "3.5", "1,234", "12%", "$", "€", " km", " million", "万", "亿", "½", "10³", "1e99",
    "9" * 30, "0.1", '{"columns": ["name", "year"], "data": [["a", 1]]}', "[[", "]]", "null", "NaN", "true",
    "\\u0000", "\\", "\ud800", "\x00", "\u202e", "е", "Ｄ", "🙂", "ß", "İ", "\r", "\u2028", "Σ", "a" * 50,
    "is wrong", "at least ", "∈",
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One response for one gold."""

    metric: str
    variant: str
    gold: Any
    response: str
    question: str | None = None

    @property
    def request(self) -> ScoreRequest:
        """The case as it is scored."""
        return ScoreRequest(self.metric, self.response, self.gold, self.variant, question=self.question)


def read_corpus() -> list[Case]:
    """Return the committed cases. Lone surrogates are written as JSON escapes."""
    return [Case(**json.loads(line)) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


def line_of(case: Case) -> str:
    """Return a case as a line of the corpus."""
    return json.dumps(asdict(case), ensure_ascii=True)


def first_cases() -> list[Case]:
    """Return every gold with its own answer, for both variants."""
    cases = []
    for metric, golds in GOLDS.items():
        for gold in golds:
            good = render_gold(coerce_gold(metric, gold))
            variants = ["official"] if metric in OFFICIAL_ONLY else ["strict", "official"]
            cases += [Case(metric, variant, gold, good) for variant in variants]
    return cases


def mutate(case: Case, others: list[Case], rng: Random) -> Case:
    """Return a case with its response changed in one to six ways."""
    text = case.response
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        at, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        way = rng.randrange(8)
        if way <= 2:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif way == 3:
            text = text[:at] + text[end:]
        elif way == 4:
            text = text[:at] + text[at:end] * rng.choice([2, 3, 50, 5000]) + text[end:]
        elif way == 5:
            other = rng.choice(others).response
            cut = rng.randrange(len(other) + 1)
            text = text[:at] + other[cut : cut + 200] + text[at:]
        elif way == 6:
            text = (
                text[:at]
                + chr(rng.choice([rng.randrange(128), rng.randrange(0x3100), rng.randrange(0x110000)]))
                + text[end:]
            )
        else:
            text = rng.choice(
                ["{}", "<think>x</think>{}", "[Answer]\n{}", "\\boxed{{{}}}", "**{}**", "The answer is {}."]
            ).format(text)
        text = text[:MAX_LENGTH]
    question = rng.choice([None, None, "What percentage?"])
    return replace(case, response=text, question=question)


def faults(case: Case) -> tuple[list[str], str, float]:
    """Score a case; return what is wrong with it, the shape of its outcome, and the seconds of this process."""
    started = time.process_time()
    try:
        result = score_batch([case.request])[0]
    except Exception as error:  # noqa: BLE001  # this is what is looked for
        return [f"raised {type(error).__name__}: {error}"], "", 0.0
    seconds = time.process_time() - started
    found = []
    too_long = result.reason == "too long for the published formula"
    if result.status not in ("ok", "empty", "unparsed") and not too_long:
        found.append(f"{result.status}: {result.reason}")
    if not too_long and not 0 <= (result.value or 0.0) <= 1:
        found.append(f"value {result.value}")
    if seconds > SLOW_SECONDS + JIEBA_SECONDS * len(HAN.findall(case.response)):
        found.append(f"took {seconds:.1f} s for {len(case.response)} characters")
    if len(case.response) < 5000:
        r = case.request
        again = score(r.metric, r.response, r.gold, variant=r.variant, question=r.question)
        if again != result:
            found.append("not the same twice")
        if case.variant == "strict" and "</think>" not in case.response and "<think>" not in case.response:
            thought = score(
                r.metric, f"<think>[Answer] 42</think>{r.response}", r.gold, variant="strict", question=r.question
            )
            if thought.value != result.value:
                found.append(f"thinking was read: {thought.value} for {result.value}")
    reason = re.sub(r"[0-9.]+|'.*'", "#", result.reason or "")[:60]
    shape = (
        f"{case.metric} {case.variant} {result.status} {reason} {round(4 * (result.value or 0))} {sorted(result.parts)}"
    )
    return found, shape, seconds


def fuzz(minutes: float, seed: int) -> tuple[list[tuple[Case, list[str]]], list[Case], str]:
    """Fuzz for a time; return the findings, the cases of all outcomes that were reached, and a summary."""
    rng = Random(seed)
    population = [*first_cases(), *(read_corpus() if CORPUS.exists() else [])]
    by_shape: dict[str, Case] = {}
    findings: list[tuple[Case, list[str]]] = []
    counts: Counter[str] = Counter()
    slowest = (0.0, "")
    end = time.monotonic() + 60 * minutes
    queue = list(population)
    while time.monotonic() < end or queue:
        metric = rng.choice(list(GOLDS))  # all alike, though some have more outcomes
        case = (
            queue.pop() if queue else mutate(rng.choice([c for c in population if c.metric == metric]), population, rng)
        )
        found, shape, seconds = faults(case)
        counts[f"{case.metric} {case.variant}"] += 1
        slowest = max(slowest, (seconds, f"{case.metric} {case.variant}, {len(case.response)} characters"))
        if found:
            findings.append((case, found))
            print("; ".join(found), line_of(case)[:2000], sep="\n", flush=True)  # noqa: T201  # a script
        elif shape not in by_shape or len(case.response) < len(by_shape[shape].response):
            if shape not in by_shape:
                population.append(case)
            by_shape[shape] = case
    summary = (
        f"{counts.total()} cases in {minutes:g} minutes, {len(by_shape)} outcomes, {len(findings)} findings; "
        f"slowest {slowest[0]:.2f} s ({slowest[1]}); fewest of a metric: {counts.most_common()[-1]}"
    )
    return findings, sorted(by_shape.values(), key=line_of), summary


def main() -> None:
    """Fuzz, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="write the shortest case of each outcome to the corpus")
    arguments = parser.parse_args()
    findings, cases, summary = fuzz(arguments.minutes, arguments.seed)
    if arguments.keep:
        CORPUS.write_text(
            "".join(line_of(case) + "\n" for case in cases if len(case.response) < 2000), encoding="utf-8"
        )
    print(summary)  # noqa: T201  # a script
    sys.exit(bool(findings))


assert set(GOLDS) == {*METRIC_NAMES, *OFFICIAL_ONLY}

if __name__ == "__main__":
    main()
