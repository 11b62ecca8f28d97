"""The study in ``training/study/``: what its numbers rest on, with a tiny random model and real samples."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = pytest.mark.slow

STUDY = Path(__file__).parents[2] / "training" / "study"
NAMES = (
    "contexts",
    "copying",
    "documents",
    "drills",
    "grid",
    "model",
    "prefix",
    "rollouts",
    "run",
    "samples",
    "supervised",
)


@pytest.fixture(autouse=True)
def _study_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(STUDY))
    yield
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def tiny() -> Any:
    from model import make_model

    return make_model(seed=3, hidden_size=32, intermediate_size=48, num_hidden_layers=2)


def _draw(*lengths: int) -> list[list[int]]:
    import torch

    generator = torch.Generator().manual_seed(7)
    return [torch.randint(8, 4096, (length,), generator=generator).tolist() for length in lengths]


def test_a_shared_prefix_changes_neither_states_nor_gradients(tiny: Any) -> None:
    import torch
    from prefix import continue_all, read_prefixes

    prompts = _draw(9, 23, 14)
    tokens = torch.tensor([_draw(6, 6), _draw(6, 6)[::-1], _draw(6, 6)])
    shared, _ = continue_all(tiny, read_prefixes(tiny, prompts), tokens)
    plain = [
        [
            tiny.model(input_ids=torch.tensor([prompt + row.tolist()])).last_hidden_state[0, len(prompt) :]
            for row in group
        ]
        for prompt, group in zip(prompts, tokens, strict=True)
    ]
    expected = torch.stack([torch.stack(group) for group in plain])
    assert torch.allclose(shared, expected, atol=1e-4)
    weight = tiny.model.layers[0].self_attn.k_proj.weight
    towards = torch.randn(shared.shape, generator=torch.Generator().manual_seed(0))
    (by_shared,) = torch.autograd.grad((shared * towards).sum(), weight, retain_graph=True)
    (by_plain,) = torch.autograd.grad((expected * towards).sum(), weight)
    assert torch.allclose(by_shared, by_plain, atol=1e-3 * float(by_plain.abs().max()))


def test_sampled_log_probabilities_are_those_of_a_plain_forward(tiny: Any) -> None:
    import torch
    from rollouts import token_log_probs, write

    prompts = _draw(11, 5)
    groups = write(tiny, prompts, [7, 4], 3, end=2, generator=torch.Generator().manual_seed(0))
    assert [len(group) for group in groups] == [3, 3]
    assert max(len(rollout.tokens) for rollout in groups[1]) <= 4
    again, mask = token_log_probs(tiny, prompts, [[rollout.tokens for rollout in group] for group in groups])
    for row, (prompt, group) in enumerate(zip(prompts, groups, strict=True)):
        for place, rollout in enumerate(group):
            size = len(rollout.tokens)
            logits = tiny(torch.tensor([prompt + rollout.tokens])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            plain = logits.gather(1, torch.tensor(rollout.tokens)[:, None])[:, 0]
            assert torch.allclose(plain, torch.tensor(rollout.log_probs), atol=1e-4)
            assert torch.allclose(plain, again[row, place, :size], atol=1e-4)
            assert mask[row, place].sum() == size


def test_greedy_writing_is_what_generate_writes(tiny: Any) -> None:
    import torch
    from rollouts import write

    (prompt,) = _draw(12)
    (((tokens, _),),) = write(tiny, [prompt], [6], 1, end=2, temperature=0.0)
    generated = tiny.generate(torch.tensor([prompt]), max_new_tokens=6, do_sample=False, eos_token_id=2, pad_token_id=0)
    assert generated[0, len(prompt) :].tolist() == tokens


def test_words_are_one_token_wherever_they_stand_and_text_survives(tmp_path: Path) -> None:
    from model import make_tokenizer

    texts = ['The word stands here.\nword (word) "word" and the word.\n   word: a word, D1 and D12.\n\n* word'] * 50
    tokenizer = make_tokenizer(texts)
    ids = tokenizer(texts[0])["input_ids"]
    assert tokenizer.decode(ids) == texts[0]
    assert sum(tokenizer.decode([token]).strip() == "word" for token in ids) == texts[0].count("word")


def test_hints_name_the_document_that_holds_the_words(tmp_path: Path) -> None:
    import random

    from contexts import Passage, encode
    from drills import KINDS, Drills
    from model import make_tokenizer

    texts = [
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda sigma upsilon omega",
        "one sunny morning several quiet people walked along the river toward another little town",
    ]
    task_words = (
        "Which word documents mention Match every fragment label its document List their letters one per line ____"
    )
    tokenizer = make_tokenizer([*texts * 40, f'Document D1: A.\nF1: [Answer] "word" {task_words} ' * 40])
    prompt = "".join(f"\n\nDocument D{number}: title\n{text}" for number, text in zip((3, 7), texts, strict=True))
    drilled = Drills(tokenizer)
    passage = Passage(encode(tokenizer, "Read." + prompt), [])
    parts = drilled.parts(passage.tokens)
    assert set(parts) == {0, 3, 7}
    assert parts == sorted(parts)
    generator = random.Random(0)
    made = [drill for kinds in KINDS for drill in drilled.make(passage, passage, 10, kinds, generator).questions]
    assert {drill.task for drill in made} >= {"label", "label now", "missing", "missing soon", "order"}
    for drill in made:
        for at, number in drill.hints:
            word = tokenizer.decode([drill.tokens[at]]).strip()
            assert number in (0, 3, 7)
            if number and word.isalpha():
                assert word in texts[(3, 7).index(number)]
        for at, start, end in drilled.looks(drill):
            assert 0 <= start < end <= at + 1
        for at, token in drill.blanks:
            assert tokenizer.decode([drill.tokens[at]]).strip() == "____"
            assert token in drill.tokens[at:]


def test_copying_repeats_what_stood_before_and_marks_it() -> None:
    import torch
    from copying import FIRST_TOKEN, lessons

    for lesson in lessons(4096):
        tokens, mark = lesson.batch(torch.Generator().manual_seed(1))
        assert tokens.shape == mark.shape
        assert int(tokens.min()) >= FIRST_TOKEN
        assert int(tokens.max()) < FIRST_TOKEN + lesson.pool
        for row, marked in zip(tokens.tolist(), mark.tolist(), strict=True):
            pairs = set(pairwise(row))
            # A marked token and the one before it stood so before.
            assert all((row[at - 1], row[at]) in pairs for at, on in enumerate(marked) if on)
            first = marked.index(True)
            assert row[first] in row[: first - 1]


def test_a_step_of_every_estimator_moves_the_model_and_is_recorded(tmp_path: Path, tiny: Any) -> None:
    import torch
    from model import make_tokenizer
    from run import ESTIMATORS, Learner, Settings, write_record
    from samples import as_item

    from golong_eval.tasks import load_catalogue

    catalogue = load_catalogue()
    tokenizer = make_tokenizer(["[Answer] D1 D2 A B " * 9])
    items = [as_item(catalogue.examples(t)[0].sample, catalogue.get(t), tokenizer) for t in ("t2", "t3")]
    for name in ESTIMATORS:
        learner = Learner(tiny, tokenizer, Settings(name, 0, group=4, warm_up=1))
        rewards = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.2, 0.4, 0.4, 0.0])
        prompts, tasks = ["p"] * 4 + ["q"] * 4, ["t2"] * 4 + ["t3"] * 4
        advantages = learner.advantages(rewards, prompts, tasks)
        assert advantages[0] > 0 > advantages[1]
        before = tiny.lm_head.weight.detach().clone()
        numbers = learner.step(items)
        assert numbers["log_prob_gap"] < 1e-3
        assert numbers["clipped"] == 0
        assert torch.isfinite(tiny.lm_head.weight).all()
        # Random weights earn nothing: no advantage, no gradient, no step.
        assert torch.equal(before, tiny.lm_head.weight) == (numbers["gradient_norm"] == 0)
    write_record({"after": numbers}, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["after"] == numbers
    assert not list(tmp_path.glob("*.part"))


def test_the_update_raises_the_probability_of_what_was_better(tiny: Any) -> None:
    import torch
    from rollouts import token_log_probs, write
    from run import Learner, Settings
    from samples import Item

    from golong_eval.tasks import load_catalogue

    example = load_catalogue().examples("t2")[0].sample
    items = [Item(example, load_catalogue().get("t2"), prompt) for prompt in _draw(10, 13)]

    class Tokens:
        eos_token_id = 2

    learner = Learner(tiny, Tokens(), Settings("grpo", 0, group=2, warm_up=1, rate=1e-4))
    groups = write(tiny, [item.prompt for item in items], [5, 5], 2, end=2, generator=torch.Generator().manual_seed(1))
    tokens = [[rollout.tokens for rollout in group] for group in groups]
    before, mask = token_log_probs(tiny, [item.prompt for item in items], tokens)
    learner._update(items, groups, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    after, _ = token_log_probs(tiny, [item.prompt for item in items], tokens)
    change = ((after - before) * mask).sum(-1)
    assert change[0, 0] > change[0, 1]
    assert change[1, 1] > change[1, 0]


def test_the_grid_skips_whole_records_alone(tmp_path: Path) -> None:
    from grid import complete

    whole, torn = tmp_path / "a.json", tmp_path / "b.json"
    whole.write_text('{"after": {}}')
    torn.write_text('{"after": {')
    assert complete(whole)
    assert not complete(torn)
    assert not complete(tmp_path / "none.json")
