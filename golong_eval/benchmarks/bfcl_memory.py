"""The memory part of BFCL v4: 155 questions on earlier conversations, over each of three kinds of memory.

    golong bfcl --model M --base-url http://localhost:8000/v1 --python path/to/bfcl/bin/python
    golong score runs/M/RUN

A model first holds conversations in which it writes what matters into a memory by function calls: keys and values
(``kv``), a vector store (``vector``), or one text (``rec_sum``). Then it is asked, and sees the memory alone. The
package bfcl-eval holds the conversations and asks; `golong bfcl` starts it. Here are the rows of its answers and their
scoring: ``golong run`` can't ask these questions.

Source: Berkeley Function-Calling Leaderboard v4; bfcl-eval 2025.10.27.1, ``agentic_checker.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from golong_eval.benchmarks.base import Answer, Benchmark, DataSource, Row
from golong_eval.errors import ConfigError, DataError
from golong_eval.rewards.outcome import Outcome, no_answer
from golong_eval.schema import Prompt, Sample, Variant
from golong_eval.tasks import ContextMode

__all__ = ["MOST_ALTERNATIVES", "BfclMemory", "BfclMemoryRow"]

MOST_ALTERNATIVES = 3
"""An answer may name so many things more than the gold itself, and still be one."""

_ROWS = Path(__file__).parent / "rows" / "bfcl_memory.jsonl"
_DELETED = re.compile(r"[,./\-_*^()]")  # as published

_ANSWER = re.compile(r"""[{,]\s{0,20}["']answer["']\s{0,20}:""", re.IGNORECASE)
_CONTEXT = re.compile(r"""[,}]\s{0,20}["']context["']\s{0,20}:""", re.IGNORECASE)
_CLOSED = re.compile(r"""["']\s{0,20}\}""")
_JOINED = re.compile(r"(?<=\d)(?:([./:-])| ([/-]) )(?=\d)")  # 1.8, 138/85, 6:30, 1 - 20: one number, time or range
_MARKS = {".": "\ue000", "/": "\ue001", "-": "\ue002", ":": "\ue003"}
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SIGNS = re.compile(r"[,*^()]")
_DASH = re.compile(r"[\u2010-\u2015\u2212]")
_APART = re.compile(r"[,;|\n]| or | and |(?<!\d)/(?!\d)")
_NUMBER = re.compile(
    r"\d[\d./:]*|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)"
    r"teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)\b"
)


class BfclMemoryRow(Row):
    """What is written down of a question; its answer stands among the answers of the run."""

    id: str
    backend: Literal["kv", "vector", "rec_sum"]
    scenario: str
    question: str
    ground_truth: list[str] = Field(min_length=1)


class BfclMemory(Benchmark[BfclMemoryRow]):
    """Answers that hold a gold string.

    ``official`` looks for it in the whole last message, without any of ``, . / - _ * ^ ( )``, in lower case and between
    word boundaries. ``strict`` looks in the ``answer`` of the dictionary that the prompt asks for (in the whole message
    where there is none), takes a number as a whole, a hyphen for a space or for nothing, and credits no answer that
    lists more than `MOST_ALTERNATIVES` things beside the gold's own.
    """

    id = "bfcl_memory"
    name = "BFCL v4 Memory"
    capability = "remembering across conversations by function calls"
    source = "github.com/ShishirPatil/gorilla, BFCL v4; bfcl-eval 2025.10.27.1"
    data = DataSource(
        None, licence="Apache-2.0", note="the questions come with bfcl-eval 2025.10.27.1: see golong bfcl"
    )
    row = BfclMemoryRow
    rule = "bfcl_memory"
    needs = ("bfcl",)
    loads_itself = True
    max_tokens = 1024
    size = "155, over each of three memories"
    lengths = "1k-20k tokens of conversations"
    binary = True
    macro = "backend"
    scored_by = ("ground_truth",)
    flaws = (
        "the published rule reads explanation and thinking too, joins the digits of 1.8 and 1-20 to 18 and 120, "
        "does not know thirty-five for thirty five, and gives full credit to an answer that lists everything"
    )

    def load(
        self, path: Path | None, on_fault: Callable[[DataError], None] | None = None
    ) -> Iterator[tuple[str, BfclMemoryRow]]:
        """Yield the shipped rows; any other have no memory to be asked on.

        Raises:
            ConfigError: The path is not that of the shipped rows.
        """
        if path != _ROWS:
            raise ConfigError(
                "the questions of BFCL rest on a memory that bfcl-eval fills, and it has to ask them",
                "golong bfcl --model MODEL --base-url URL --python path/to/bfcl/bin/python",
            )
        yield from super().load(path, on_fault)

    def sample(self, row: BfclMemoryRow, place: str) -> Sample:
        """Return the sample of a row; the same question over several memories is one cluster."""
        return self.make_sample(
            row,
            row.id,
            question=row.question,
            answers=row.ground_truth,
            groups={"backend": row.backend, "scenario": row.scenario},
            cluster=row.id.removeprefix(f"memory_{row.backend}_"),
        )

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Return the question alone: what bfcl-eval puts around it is its own."""
        if context == "evidence":
            raise self.no_evidence()
        return Prompt(after=sample.question)

    def score(self, answer: Answer, row: BfclMemoryRow, variant: Variant) -> Outcome:
        r"""Return 1 where a gold is found.

        >>> row = BfclMemoryRow(id="a", backend="kv", scenario="customer", question="?", ground_truth=["1.8"])
        >>> said = "{'answer': '18', 'context': 'It went down to 1.8.'}"
        >>> [BfclMemory().score(Answer(said, said), row, variant).value for variant in ("official", "strict")]
        [1.0, 0.0]
        """
        if variant == "official":
            text = _published(answer.text)
            golds = (re.escape(_published(gold)) for gold in row.ground_truth)
            return Outcome(float(any(re.search(rf"\b{gold}\b", text) for gold in golds)))
        said = _answer_field(answer.final)
        if said is None:
            said = answer.final
        elif not said.strip():
            return no_answer("the answer of the dictionary is empty")
        parsed = said.strip() if len(said) < 200 else None
        found = [gold for gold in row.ground_truth if _holds(said, gold)]
        if found and not any(_is_one(said, gold) for gold in found):
            return Outcome(0.0, parsed=parsed, reason="the answer lists many alternatives")
        return Outcome(float(bool(found)), parsed=parsed)

    def gold_answer(self, row: BfclMemoryRow) -> str:
        """Return the first gold in the form that is asked for."""
        return f"{{'answer': '{row.ground_truth[0]}', 'context': 'It was said in an earlier conversation.'}}"


def _published(text: str) -> str:
    return _DELETED.sub("", text).lower().replace("'", '"')


def _answer_field(text: str) -> str | None:
    """Return what stands under the last ``answer`` of a dictionary; read by its marks: few models quote soundly."""
    last = None
    for found in _ANSWER.finditer(text):
        last = found
    if last is None:
        return None
    rest = text[last.end() :]
    end = _CONTEXT.search(rest) or _CLOSED.search(rest) or re.search("}", rest)
    return (rest if end is None else rest[: end.start()]).strip(" \t\n\r\"'")


def _plain(text: str, hyphen: str) -> str:
    """Return a text to compare: a number or a range in one piece, other marks taken off, hyphens as `hyphen`."""
    text = " ".join(_SIGNS.sub(" ", _THOUSANDS.sub("", _DASH.sub("-", text.lower()))).replace("'", '"').split())
    text = _JOINED.sub(lambda found: _MARKS[found[1] or found[2]], text)
    text = re.sub("[-_/]", hyphen, text.replace(".", ""))
    return " ".join(text.split())


def _holds(said: str, gold: str) -> bool:
    """Whether a gold stands in an answer as words of its own: not as a part of a longer number."""
    for hyphen in ("", " "):
        wanted = _plain(gold, hyphen)
        if wanted and re.search(
            rf"(?<![\w\ue000-\ue003]){re.escape(wanted)}(?![\w\ue000-\ue003])", _plain(said, hyphen)
        ):
            return True
    return False


def _is_one(said: str, gold: str) -> bool:
    """Whether an answer names few enough things: short pieces, and where the gold is a number, different numbers."""
    said, gold = said.lower(), gold.lower()
    if _count(said) > _count(gold) + MOST_ALTERNATIVES:
        return False
    numbers = set(_NUMBER.findall(gold))
    return not numbers or len(set(_NUMBER.findall(said))) <= len(numbers) + MOST_ALTERNATIVES


def _count(text: str) -> int:
    return sum(0 < len(piece.split()) <= 4 for piece in _APART.split(text))
