"""Speed and memory of the rewards beside the packages used for the same metrics, measured in one run.

    pip install 'golong-eval[zh,stats]' rouge==1.0.1 pytrec-eval-terrier
    python bench/rewards.py --json rewards.json                 # all parts
    python bench/rewards.py --json rewards.json --only equal    # one part anew; the file keeps the others

Every side runs in a process of its own, which makes the same seeded texts (`rewards_workload.py`) before its clock
starts. Rounds alternate ours and the peers, each on fresh texts, so that no cache can know them. Ours reads whole
responses with their thinking, and golds in plain data. A peer has it easier: it gets the answer already extracted, in
the arrays or dictionaries that its function takes, in Chinese cut into words. "All in turn" is the sum of the peers
on a mixed step: each metric's fastest, with the ROUGE that is named. NDCG is compared twice: as a formula on rankings
(`ndcg_of_places`), as the peers have it, and from text to score. Cold is the first step of a fresh process, with
imports and the start of workers; warm is every later one. Numbers are medians, with their range.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import json
import logging
import os
import re
import resource
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

from rewards_workload import GROUP, SHARES, Rollout, groups_of, step

HAN = re.compile("[\u4e00-\u9fff]")
CHOICE = re.compile(r"(?:(?i:answer is|choice is|option)|boxed|^)\W{0,4}([A-J]|yes|no)\b", re.MULTILINE)
Calls = list[tuple[Any, ...]]


@cache
def _get(name: str) -> Any:
    """Import a function: when it is first called, so that the first call pays for it."""
    module, _, function = name.rpartition(".")
    return getattr(import_module(module), function)


@cache
def _rouge_scorer(chinese: bool) -> Any:
    words = type("Words", (), {"tokenize": staticmethod(str.split)})()
    return _get("rouge_score.rouge_scorer.RougeScorer")(["rougeL"], tokenizer=words if chinese else None)


def _sets(function: str, gold: Sequence[Any], answer: Sequence[Any]) -> Any:
    # Another label, since with a single one the rows would be no multilabel data and sample averages an error.
    rows = _get("sklearn.preprocessing.MultiLabelBinarizer")().fit_transform([gold, answer, ["another"]])
    return _get(f"sklearn.metrics.{function}")(rows[:1], rows[1:2], average="samples", zero_division=0)


def _math(gold: str, answer: str) -> Any:
    parse = _get("math_verify.parse")
    return _get("math_verify.verify")(parse(rf"\boxed{{{gold}}}"), parse(rf"\boxed{{{answer}}}"))


def _pairs(gold: Sequence[str], answer: Sequence[str]) -> Any:
    place = {item: i for i, item in enumerate(answer)}
    pairs = list(combinations(gold, 2))
    return sum(place.get(a, len(place)) < place.get(b, -1) for a, b in pairs) / max(1, len(pairs))


def _rouge(golds: Sequence[str], answer: str) -> Any:
    scorer = _get("rouge.Rouge")(metrics=["rouge-l"])
    return max(scorer.get_scores(answer, gold)[0]["rouge-l"]["f"] for gold in golds)


def _rouge_score(golds: Sequence[str], answer: str) -> Any:
    scorer = _rouge_scorer(bool(HAN.search(golds[0])))
    return max(scorer.score(gold, answer)["rougeL"].fmeasure for gold in golds)


def _plain(rollouts: Sequence[Rollout], _together: int) -> Calls:
    return [(rollout.target, rollout.answer) for rollout in rollouts]


def _words(rollouts: Sequence[Rollout], _together: int) -> Calls:
    def cut(text: str) -> str:
        return " ".join(_get("jieba.cut")(text)) if HAN.search(text) else text

    return [(tuple(map(cut, rollout.target)), cut(rollout.answer)) for rollout in rollouts]


def _arrays(rollouts: Sequence[Rollout], together: int) -> Calls:
    """Return gains and scores by label, and the cut-off: ndcg_score takes one a call, so rollouts of one gold.

    Its value differs where gold items were not answered, which it ranks, tied, behind the others.
    """
    import numpy as np

    calls: Calls = []
    for part in (rollouts[i : i + together] for i in range(0, len(rollouts), together)):
        n = len(part[0].target)
        labels = dict.fromkeys((*part[0].target, *(item for rollout in part for item in rollout.answer), "another"))
        place = {item: i for i, item in enumerate(labels)}
        scores = np.zeros((len(part), len(labels)))
        for row, rollout in zip(scores, part, strict=True):
            row[[place[item] for item in rollout.answer]] = range(len(rollout.answer), 0, -1)
        calls.append((np.tile(np.maximum(n - np.arange(len(labels)), 0), (len(part), 1)), scores, n))
    return calls


def _runs(rollouts: Sequence[Rollout], together: int) -> Calls:
    def gains(items: Sequence[str], kind: type) -> dict[str, Any]:
        return {item: kind(len(items) - i) for i, item in enumerate(items)}

    calls: Calls = []
    for part in (rollouts[i : i + together] for i in range(0, len(rollouts), together)):
        golds = {str(i): gains(rollout.target, int) for i, rollout in enumerate(part)}
        answers = {str(i): gains(rollout.answer, float) for i, rollout in enumerate(part)}
        calls.append((golds, answers, {f"ndcg_cut_{len(golds['0'])}" if together == 1 else "ndcg"}))
    return calls


def _places(rollouts: Sequence[Rollout], _together: int) -> Calls:
    """Return each distinct answered item's place in the gold order, which is what the peers' arrays say too."""
    calls: Calls = []
    for rollout in rollouts:
        order = {item: place for place, item in enumerate(rollout.target)}
        calls.append(([order.get(item) for item in dict.fromkeys(rollout.answer)], len(order)))
    return calls


def _ndcg(gains: Any, scores: Any, k: int) -> Any:
    return _get("sklearn.metrics.ndcg_score")(gains, scores, k=k)


def _pytrec(golds: Any, answers: Any, measures: set[str]) -> Any:
    return _get("pytrec_eval.RelevanceEvaluator")(golds, measures).evaluate(answers)


# What is called, by its printed name: its metric, what makes its arguments (not timed) for how many rollouts a call.
PEERS: dict[str, tuple[str, Callable[..., Calls], int, Callable[..., Any]]] = {
    "str.strip ==": ("exact_match", _plain, 1, lambda gold, answer: answer.strip() == gold.strip()),
    "re.findall": ("accuracy", _plain, 1, lambda gold, answer: CHOICE.findall(answer)[-1:] == [gold]),
    "sklearn.metrics.f1_score": ("f1", _plain, 1, lambda gold, answer: _sets("f1_score", gold, answer)),
    "math_verify.parse, .verify": ("math_verify", _plain, 1, _math),
    "sklearn.metrics.jaccard_score": ("iou", _plain, 1, lambda gold, answer: _sets("jaccard_score", gold, answer)),
    "a loop": ("sub_em", _plain, 1, lambda gold, answer: sum(item in answer for item in gold) / len(gold)),
    "sklearn.metrics.ndcg_score": ("ndcg", _arrays, 1, _ndcg),
    "pytrec_eval.RelevanceEvaluator": ("ndcg", _runs, 1, _pytrec),
    "itertools.combinations": ("pairwise_accuracy", _plain, 1, _pairs),
    "rouge.Rouge.get_scores": ("rouge_l", _words, 1, _rouge),
    "rouge_score.RougeScorer.score": ("rouge_l", _words, 1, _rouge_score),
    "sklearn.metrics.ndcg_score, a call a gold": ("ndcg, batch", _arrays, GROUP, _ndcg),
    "pytrec_eval.RelevanceEvaluator, one call": ("ndcg, batch", _runs, 1 << 30, _pytrec),
    # Ours, where only the formula is compared and no text is read.
    "ndcg_of_places": ("", _places, 1, lambda places, n: _get("golong_eval.rewards.ndcg.ndcg_of_places")(places, n)),
}


def _peers(metric: str) -> list[str]:
    return [name for name, peer in PEERS.items() if peer[0] == metric.removesuffix(", Chinese")]


def _serve(side: str, workers: int) -> None:
    """Time one side on each step that is asked for: a line of JSON in, a line out."""
    warnings.simplefilter("ignore")
    logging.disable()
    texts = 0
    for line in sys.stdin:
        rollouts = step(**json.loads(line))
        calls = PEERS[side][1](rollouts, PEERS[side][2]) if side in PEERS else []
        texts = texts or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        gc.collect()
        start = time.perf_counter()
        failed = _call(PEERS[side][3], calls) if side in PEERS else _score(side, rollouts, workers)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        memory = f"{peak} MB ({texts} MB before the first step), of children {_children()} MB"
        print(json.dumps({"seconds": seconds, "n": len(rollouts), "failed": failed, "memory": memory}), flush=True)
        del rollouts, calls  # before the next are made, for the peak


def _call(function: Callable[..., Any], calls: Calls) -> Counter[str]:
    failed = Counter[str]()
    for call in calls:
        try:
            function(*call)
        except Exception as error:  # noqa: BLE001  # counted; the published code takes it for 0
            failed[type(error).__name__] += 1
    return failed


def _score(side: str, rollouts: Sequence[Rollout], workers: int) -> Counter[str]:
    from golong_eval.rewards import ScoreRequest, score, score_batch

    if side == "score":
        results = [score(r.metric, r.response, r.gold) for r in rollouts]
    else:
        accepts = workers and "workers" in inspect.signature(score_batch).parameters
        options: dict[str, Any] = {"workers": workers} if accepts else {}
        results = score_batch([ScoreRequest(r.metric, r.response, r.gold) for r in rollouts], **options)
    return Counter(result.status for result in results if result.value is None)


def _children() -> list[int]:
    """Return the peaks in MB of all living descendants, where the system has /proc."""
    found, peaks, level = {}, [], [os.getpid()]
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in path.read_text().splitlines())
        except OSError:  # it has ended
            continue
        found[int(fields["Pid"])] = int(fields["PPid"]), int(fields.get("VmHWM", "0 kB").split()[0]) // 1024
    while level := [pid for pid, (parent, _) in found.items() if parent in level]:
        peaks += [found[pid][1] for pid in level]
    return peaks


class Sides:
    """The processes of the sides, each started when it is first needed."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.running: dict[tuple[str, str], subprocess.Popen[str]] = {}

    def time(self, side: str, process: str, **order: Any) -> dict[str, Any]:
        """Time a side on a step, in a process that a name tells apart."""
        if (side, process) not in self.running:
            command = [sys.executable, __file__, "--serve", side, "--workers", str(self.workers)]
            pipe = subprocess.PIPE
            self.running[side, process] = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        child = self.running[side, process]
        print(json.dumps(order), file=child.stdin, flush=True)
        return dict(json.loads(child.stdout.readline() if child.stdout else ""))

    def close(self) -> None:
        """End all processes, by the end of their input."""
        for child in self.running.values():
            child.communicate()
        self.running.clear()


# Parts: each gives a row for every round, of what was done, ours, the peer, and theirs.

Rows = Iterator[tuple[str, dict[str, Any], str, dict[str, Any] | None]]
BASE = "import pydantic"
ALL = "all in turn, with "


def _imports(options: argparse.Namespace, _sides: Sides) -> Rows:
    code = f"{BASE}; pydantic.BaseModel"
    for number in range(5 * options.rounds + 1):
        taken = []
        for command in (code, f"{code}; import golong_eval.rewards"):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", command], check=True)
            taken.append({"seconds": time.perf_counter() - start, "n": 1})
        if number:  # the first round warms the disk cache
            yield f"{BASE}, golong_eval.rewards", taken[1], BASE, taken[0]


def _answers(options: argparse.Namespace, sides: Sides, metric: str, count: int, words: int) -> Rows:
    """Time answers without thinking, one call each and as a batch."""
    peers = {"score": _peers(metric), "score_batch": _peers(f"{metric}, batch") or _peers(metric)}
    if metric == "ndcg":
        peers["ndcg_of_places"] = [*peers["score"], *peers["score_batch"]]
    for number in range(options.rounds + 1):
        order = {"key": f"{options.seed}/answers/{number}", "groups": {metric: count}, "words": words, "bare": True}
        wanted = dict.fromkeys(s for side, found in peers.items() for s in (side, *found))
        done = {side: sides.time(side, "answers", **order) for side in wanted}
        for side, found in peers.items() if number else ():  # the first round is cold
            for peer in found:
                yield f"{metric}, answers alone, {side}", done[side], peer, done[peer]


def _mixed(options: argparse.Namespace, sides: Sides, shares: str) -> Rows:
    """Time warm mixed steps, and each metric's part of them beside its peers, in processes of their own."""
    groups, english = (groups_of(shares, options.rollouts, chinese) for chinese in (0.1, 0))
    for number in range(options.rounds + 1):
        key, taken = f"{options.seed}/{shares}/{number}", {}
        whole = sides.time("score_batch", f"{shares}, mixed", key=key, groups=groups)
        latin = sides.time("score_batch", f"{shares}, mixed", key=f"{key}/en", groups=english)
        for metric, count in groups.items():
            ours = sides.time("score_batch", f"{shares}, by metric", key=key, groups={metric: count})
            order = {"key": key, "groups": {metric: count if number else 1}}  # the first round is cold
            taken[metric] = {peer: sides.time(peer, shares, **order) for peer in _peers(metric)}
            for peer, theirs in taken[metric].items() if number and shares == "equal" else ():
                yield metric, ours, peer, theirs
        for rouge in _peers("rouge_l") if number else ():
            best = [done.get(rouge, min(done.values(), key=lambda r: r["seconds"])) for done in taken.values()]
            total = {"seconds": sum(reply["seconds"] for reply in best)}
            yield f"mixed step, {shares} shares", whole, f"{ALL}{rouge}", total
        if number:
            yield f"mixed step, {shares} shares, all English", latin, "", None


def _cold(options: argparse.Namespace, sides: Sides) -> Rows:
    """Time first steps of fresh processes: mixed, and metric by metric beside the peers."""
    for number in range(options.rounds):
        order = {"key": f"{options.seed}/cold/{number}"}
        for shares in SHARES:
            whole = sides.time("score_batch", "cold", **order, groups=groups_of(shares, options.rollouts))
            yield f"mixed step, {shares} shares, cold", whole, "", None
            sides.close()
        for metric, count in groups_of("equal", options.rollouts).items() if not number else ():
            for peer in _peers(metric):
                done = [sides.time(s, "cold", **order, groups={metric: count}) for s in ("score_batch", peer)]
                yield f"{metric}, cold", done[0], peer, done[1]
                sides.close()


PARTS: dict[str, Callable[[argparse.Namespace, Sides], Rows]] = {
    "import": _imports,
    "rouge_l": lambda options, sides: _answers(options, sides, "rouge_l", 1, 1000),
    "ndcg": lambda options, sides: _answers(options, sides, "ndcg", 32, 0),
    "equal": lambda options, sides: _mixed(options, sides, "equal"),
    "released": lambda options, sides: _mixed(options, sides, "released"),
    "cold": _cold,
}
# What is done, beside what, and how many times faster ours has to be, or in how many seconds more or in all.
TARGETS = [
    ("rouge_l, answers alone, score", "rouge_score.RougeScorer.score", "x", 300),
    ("rouge_l, answers alone, score_batch", "rouge_score.RougeScorer.score", "x", 300),
    ("ndcg, answers alone, ndcg_of_places", "sklearn.metrics.ndcg_score", "x", 5),
    ("ndcg, answers alone, ndcg_of_places", "sklearn.metrics.ndcg_score, a call a gold", "x", 5),
    *(("mixed step, equal shares", f"{ALL}{rouge}", "x", 30) for rouge in _peers("rouge_l")),
    *((f"mixed step, {shares} shares", f"{ALL}rouge.Rouge.get_scores", "s", 2) for shares in SHARES),
    (f"{BASE}, golong_eval.rewards", BASE, "s more", 0.1),
]


def _shown(values: Sequence[float]) -> str:
    middle = f"{median(values):.3g}" if values else ""
    return f"{middle} ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else middle


def _report(saved: dict[str, list[dict[str, Any]]]) -> None:
    """Print all rows and targets as Markdown."""
    table: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in (row for part in PARTS for row in saved.get(part, ())):
        table.setdefault((row["what"], row["peer"]), []).append(row)
    print("| what | rollouts | ours, s | ours, a second | peer | peer, s | times faster | peer failed |")
    print("|---|--:|--:|--:|---|--:|--:|---|")
    reached, memory = {}, {}
    for (what, peer), rows in table.items():
        ours, theirs = [row["ours"] for row in rows], [row["theirs"] for row in rows if row["theirs"]]
        ratios = [row["theirs"] / row["ours"] for row in rows if row["theirs"]]
        failed = sum((Counter(row["failed"]) for row in rows), Counter[str]())
        cells = [what, f"{rows[0]['n']}", _shown(ours), f"{rows[0]['n'] / median(ours):,.0f}", peer]
        cells += [_shown(theirs), _shown(ratios), ", ".join(f"{count} {name}" for name, count in failed.items())]
        print(f"| {' | '.join(cells)} |")
        if theirs:
            reached[what, peer] = {"x": median(ratios), "s": median(ours), "s more": median(ours) - median(theirs)}
        memory[what] = (
            f"peak {rows[-1]['memory']}; scorer errors in {len(rows)} rounds: {sum(r['errors'] for r in rows)}"
        )
    print("\n| target | reached | |\n|---|--:|---|")
    for what, peer, unit, limit in TARGETS:
        if (what, peer) in reached:
            value = reached[what, peer][unit]
            asked = f"at least {limit} x {peer}" if unit == "x" else f"under {limit} {unit}"
            print(f"| {what}: {asked} | {value:.3g} | {'pass' if (value >= limit) == (unit == 'x') else 'FAIL'} |")
    print("\n" + "\n".join(f"{what}: {said}" for what, said in memory.items() if what.startswith("mixed")))


def main() -> None:
    """Run the parts, save each round, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument(
        "--workers", type=int, default=2, help="for score_batch, where it takes them; 0: its own choice"
    )
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(options.serve, options.workers)
        return
    saved = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    for part in options.only or PARTS:
        sides, saved[part] = Sides(options.workers), []
        for what, ours, peer, theirs in PARTS[part](options, sides):
            row = {"what": what, "n": ours["n"], "ours": ours["seconds"], "memory": ours.get("memory"), "peer": peer}
            row |= {"theirs": theirs and theirs["seconds"], "failed": (theirs or {}).get("failed", {})}
            saved[part].append(row | {"errors": sum(ours.get("failed", {}).values())})
        sides.close()
        if options.json:
            options.json.write_text(json.dumps(saved, indent=1))
        print(f"{part}: done", file=sys.stderr)
    _report(saved)


if __name__ == "__main__":
    main()
