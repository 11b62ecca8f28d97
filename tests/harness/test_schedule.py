"""What shares a prefix runs back to back, long work first, repeats in one request; nothing twice, nothing lost."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from golong_eval.harness import schedule
from golong_eval.harness.schedule import context_hashes
from golong_eval.schema import Document, Sample, TextGold


def sample(name: str, texts: Sequence[str], question: str = "?") -> Sample:
    documents = tuple(Document(id=f"D{place}", text=text) for place, text in enumerate(texts, 1))
    return Sample(id=name, task="t1", documents=documents, question=question, gold=TextGold(answers=("x",)))


@given(
    contexts=st.lists(st.lists(st.sampled_from("abc"), max_size=3), max_size=12),
    repeats=st.integers(1, 3),
    data=st.data(),
)
def test_every_missing_answer_is_asked_once(contexts: list[list[str]], repeats: int, data: st.DataObject) -> None:
    samples = [sample(f"s{number}", texts) for number, texts in enumerate(contexts)]
    wanted = {(item.id, repeat) for item in samples for repeat in range(repeats)}
    finished = data.draw(st.sets(st.sampled_from(sorted(wanted)))) if wanted else set()
    asked = [
        (work.sample.id, repeat)
        for work in schedule(samples, repeats, finished)
        for repeat in range(work.repeat, work.repeat + work.n)
    ]
    assert len(asked) == len(set(asked))
    assert set(asked) == wanted - finished


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=3), max_size=12))
def test_samples_that_begin_alike_are_neighbours_at_every_depth(contexts: list[list[str]]) -> None:
    """Between two samples that share their first k documents stands none that does not."""
    order = [context_hashes(work.sample) for work in schedule([sample(f"s{n}", c) for n, c in enumerate(contexts)])]
    for depth in range(1, 4):
        heads = [path[:depth] for path in order if len(path) >= depth]
        groups = [head for head, _ in itertools.groupby(heads)]
        assert len(groups) == len(set(groups))


def test_long_contexts_start_first_and_long_questions_within_them() -> None:
    samples = [
        sample("short", ["a" * 10]),
        sample("long-1", ["b" * 1000], "?"),
        sample("middle", ["c" * 100]),
        sample("long-2", ["b" * 1000], "a long question"),
    ]
    assert [work.sample.id for work in schedule(samples)] == ["long-2", "long-1", "middle", "short"]


def test_contexts_stay_together_however_the_samples_came() -> None:
    samples = [sample(f"{context}{size}", [context * 50], "?" * size) for context in "abc" for size in (1, 2)]
    random.Random(1).shuffle(samples)
    order = [work.sample.id for work in schedule(samples)]
    assert [first[0] == second[0] for first, second in zip(order[::2], order[1::2], strict=True)] == [True] * 3


def test_repeats_that_are_still_missing_go_out_in_stretches() -> None:
    (whole,) = schedule([sample("s", ["a"])], 4)
    assert (whole.repeat, whole.n) == (0, 4)
    parts = schedule([sample("s", ["a"])], 5, {("s", 1)})
    assert [(work.repeat, work.n) for work in parts] == [(0, 1), (2, 3)]


def test_the_same_text_under_another_label_shares_no_tokens() -> None:
    first = Sample(
        id="1", task="t1", documents=(Document(id="D1", text="a"),), question="?", gold=TextGold(answers=("x",))
    )
    other = Sample(
        id="2", task="t1", documents=(Document(id="D2", text="a"),), question="?", gold=TextGold(answers=("x",))
    )
    assert context_hashes(first) != context_hashes(other)


def test_deeply_nested_contexts_cost_no_recursion() -> None:
    texts = [str(number) for number in range(3000)]
    samples = [sample(str(depth), texts[:depth]) for depth in range(1, 3000, 500)]
    assert [work.sample.id for work in schedule(samples)] == ["2501", "2001", "1501", "1001", "501", "1"]
