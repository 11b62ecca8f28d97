"""Show that the scorers are right: rows with scores derived by hand, and parity with the libraries that define them."""

from __future__ import annotations

import difflib
import importlib.util
import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue, ValidationError

from golong_eval.benchmarks.base import Benchmark
from golong_eval.benchmarks.registry import BENCHMARKS, benchmark_named
from golong_eval.benchmarks.scoring import AnswerToScore, judge_questions, score_answers
from golong_eval.errors import DataError, MissingExtraError, UnknownNameError
from golong_eval.faults import explain
from golong_eval.judges.question import Verdict
from golong_eval.rewards import ScoreRequest, score_batch
from golong_eval.schema import Frozen, Variant

__all__ = ["Check", "verify"]

_GOLDEN = Path(__file__).parent / "golden"
_TOLERANCE = 1e-6
_PAIRS = 300  # random cases of a parity check


class Check(Frozen):
    """What was checked, and what was wrong."""

    what: str
    cases: int = 0
    faults: tuple[str, ...] = ()
    skipped: str | None = None
    """Why it was not checked."""


class GoldenRow(Frozen):
    """A line of a golden file: an answer with the scores that the published and the strict rule give it, by hand."""

    columns: dict[str, JsonValue]
    """What the scorer reads of the row."""
    response: str
    verdict: Literal["right", "wrong"] | None = None
    """What a judge says, where one is asked."""
    official: float | None
    """None: no score, because a judge would have to decide."""
    strict: float | None
    why: str


def verify(benchmark: str | None = None, summaries: Path | None = None) -> list[Check]:
    """Check scorers against rows scored by hand and against the libraries that define the metrics.

    Args:
        benchmark: Only this one; None is all.
        summaries: A file of LongBench Pro's official summaries, whose numbers have to fit together.

    Raises:
        UnknownNameError: There is no such benchmark.
    """
    if benchmark is not None and benchmark not in BENCHMARKS:
        raise UnknownNameError("benchmark", benchmark, BENCHMARKS)
    names = [benchmark] if benchmark is not None else list(BENCHMARKS)
    checks = [_golden(benchmark_named(name)) for name in names if _file(name) is not None]
    checks += [check() for family, check in _PARITY if benchmark is None or benchmark.startswith(family)]
    return [*checks, *([] if summaries is None else [_summaries(summaries)])]


def _file(name: str) -> Path | None:
    file = _GOLDEN / f"{name}.jsonl"
    return file if file.is_file() else None


def golden_rows(name: str) -> Iterator[tuple[str, GoldenRow]]:
    """Yield the golden rows of a benchmark with their places.

    Raises:
        DataError: A line is malformed.
    """
    file = _GOLDEN / f"{name}.jsonl"
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                yield f"{file.name}:{number}", GoldenRow.model_validate_json(line)
            except ValidationError as error:
                raise DataError(explain(error, GoldenRow)[0], "restore the file", file=file, line=number) from None


def _golden(benchmark: Benchmark[Any]) -> Check:
    faults: list[str] = []
    cases = 0
    what = f"{benchmark.id}: scores derived by hand"
    try:
        for place, golden in golden_rows(benchmark.id):
            for variant, expected in (("official", golden.official), ("strict", golden.strict)):
                cases += 1
                value = golden_score(benchmark, golden, "official" if variant == "official" else "strict", place)
                if (value is None) != (expected is None) or abs((value or 0) - (expected or 0)) > _TOLERANCE:
                    faults.append(f"{place}: {variant} gives {value}, by hand {expected}: {golden.why}")
    except MissingExtraError as error:
        return Check(what=what, skipped=f"{error}; {error.hint}")
    return Check(what=what, cases=cases, faults=tuple(faults))


def golden_score(benchmark: Benchmark[Any], golden: GoldenRow, variant: Variant, place: str) -> float | None:
    """Return what a rule gives a golden row's answer, with the verdict that the row states."""
    one = benchmark.scored_as(variant).without_models()
    answer = AnswerToScore(golden.response, benchmark.row_of_columns(golden.columns, place))
    verdicts = {
        question.key: Verdict(key=question.key, judge="golden", outcome=golden.verdict)
        for question in judge_questions(one, [answer], (variant,))
        if golden.verdict is not None
    }
    (result,) = score_answers(one, [answer], verdicts=verdicts)
    return result.value


def _summaries(file: Path) -> Check:
    """Official summaries of LongBench Pro hold the identities of their aggregation."""
    from golong_eval.benchmarks.longbench_pro_summary import check_summaries

    count, faults = check_summaries(file)
    by_name: dict[str, list[str]] = {}
    for fault in faults:
        name, _, what = fault.partition(": ")
        by_name.setdefault(name, []).append(what)
    told = tuple(f"{name}: {'; '.join(found)}" for name, found in by_name.items())
    return Check(what=f"longbench_pro: the numbers of each summary in {file} fit together", cases=count, faults=told)


def _mrcr() -> Check:
    """The ratio of MRCR is CPython's difflib: arguments in the order (response, answer), with its autojunk."""
    draw = random.Random(0)
    words = ["river", "stone", "amber", "quiet", "lantern", "copper", "meadow", "thread", "hollow", "winter"]
    benchmark = benchmark_named("mrcr").scored_as("official")
    faults = []
    for case in range(_PAIRS):
        gold = " ".join(draw.choices(words, k=draw.randint(5, 80)))
        said = "".join(letter for letter in gold if draw.random() > draw.random() / 2) + " ".join(
            draw.choices(words, k=9)
        )
        columns = {"answer": f"a1B2c3D4e5{gold}", "random_string_to_prepend": "a1B2c3D4e5"}
        row = benchmark.row_of_columns(columns, f"case {case}")
        (result,) = score_answers(benchmark, [AnswerToScore(f"a1B2c3D4e5{said}", row)])
        expected = difflib.SequenceMatcher(None, said, gold).ratio()
        if result.value != expected:
            faults.append(f"case {case}: {result.value} instead of {expected}")
    return Check(what="mrcr: ratio of CPython's difflib, exactly", cases=_PAIRS, faults=tuple(faults))


def _ndcg() -> Check:
    """NDCG is trec_eval's, as pytrec_eval gives it."""
    what = "longbench_pro: NDCG by pytrec_eval"
    if importlib.util.find_spec("pytrec_eval") is None:
        return Check(what=what, skipped="pytrec_eval is not installed: pip install pytrec-eval-terrier")
    import pytrec_eval

    draw = random.Random(0)
    faults = []
    for case in range(_PAIRS):
        gold = draw.sample("abcdefghijklmnop", draw.randint(1, 10))
        said = draw.choices("abcdefghijklmnopqrst", k=draw.randint(1, 14))
        (result,) = score_batch([ScoreRequest("ndcg", "\n".join(said), gold, "official")])
        gains = {item: len(gold) - place for place, item in enumerate(gold)}
        run = {item: float(len(said) - place) for place, item in enumerate(said)}
        judged = pytrec_eval.RelevanceEvaluator({"q": gains}, {f"ndcg_cut.{len(gold)}"})
        expected = judged.evaluate({"q": run})["q"][f"ndcg_cut_{len(gold)}"]
        if result.value is None or not math.isclose(result.value, expected, abs_tol=1e-9):
            faults.append(f"case {case}: {result.value} instead of {expected}")
    return Check(what=what, cases=_PAIRS, faults=tuple(faults))


def _rouge() -> Check:
    """ROUGE-L of summaries is that of the package ``rouge`` 1.0.1."""
    what = "longbench_pro: ROUGE-L by rouge 1.0.1"
    if importlib.util.find_spec("rouge") is None:
        return Check(what=what, skipped="rouge is not installed: pip install rouge==1.0.1")
    from rouge import Rouge

    draw = random.Random(0)
    words = [
        "the",
        "a",
        "river",
        "of",
        "stone",
        "runs",
        "by",
        "amber",
        "quiet",
        "lanterns",
        "and",
        "copper",
        ".",
        "meadow",
        "thread",
        ".",
        "hollow",
        "winter",
    ]
    faults = []
    for case in range(_PAIRS):
        gold, said = (" ".join(["so", *draw.choices(words, k=draw.randint(3, 60)), "it is"]) for _ in range(2))
        (result,) = score_batch([ScoreRequest("rouge_l", said, [gold], "official")])
        expected = Rouge(metrics=["rouge-l"]).get_scores(said, gold)[0]["rouge-l"]["f"]
        if result.value is None or not math.isclose(result.value, expected, abs_tol=1e-9):
            faults.append(f"case {case}: {result.value} instead of {expected}")
    return Check(what=what, cases=_PAIRS, faults=tuple(faults))


_PARITY: tuple[tuple[str, Callable[[], Check]], ...] = (
    ("mrcr", _mrcr),
    ("longbench_pro", _ndcg),
    ("longbench_pro", _rouge),
)


def faults_of(checks: Sequence[Check]) -> int:
    """Return how many faults checks found."""
    return sum(len(check.faults) for check in checks)
