"""The nine built-in tasks are complete, share their prompt's beginning, and their worked samples are right."""

from __future__ import annotations

import pytest

from golong_eval.rewards import METRIC_NAMES, render_gold, score
from golong_eval.schema import RewardResult, Sample
from golong_eval.tasks.catalogue import Catalogue, Example, load_catalogue
from golong_eval.tasks.spec import TaskSpec
from golong_eval.tasks.validation import validate_folder

CAPABILITIES = [
    "precise long-range information retrieval",
    "evidence-grounded comprehension and reasoning",
    "high-recall exhaustive retrieval and verification",
    "numerical extraction and quantitative reasoning",
    "multi-table structured extraction",
    "fragment-level structured matching and induction",
    "dimension-quantified retrieval and graded ranking",
    "sequence reconstruction and ordering",
    "long document summarization",
]
CATALOGUE: Catalogue = load_catalogue()
NINE = [f"t{number}" for number in range(1, 10)]
EXAMPLES = [(CATALOGUE.get(task), example) for task in NINE for example in CATALOGUE.examples(task)]
every_example = pytest.mark.parametrize(("spec", "example"), EXAMPLES, ids=[e.sample.id for _, e in EXAMPLES])


def scored(spec: TaskSpec, sample: Sample, response: str) -> RewardResult:
    return score(spec.metric, response, sample.gold, language=sample.metadata.language, question=sample.question)


def test_the_nine_tasks_stand_in_order_with_their_capability_and_metric() -> None:
    specs = [CATALOGUE.get(task) for task in NINE]
    assert list(CATALOGUE.specs)[:9] == NINE
    assert [spec.capability for spec in specs] == CAPABILITIES
    assert tuple(spec.metric.name for spec in specs) == METRIC_NAMES
    assert {spec.metric.variant for spec in specs} == {"strict"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_questions_over_one_context_share_everything_up_to_its_end(language: str) -> None:
    templates = [getattr(CATALOGUE.get(task).prompt_template, language) for task in NINE]
    before, after = zip(*(template.split("{documents}") for template in templates), strict=True)
    assert len(set(before)) == 1
    assert len(set(after)) == 9


@pytest.mark.parametrize("task", NINE)
def test_the_contract_names_the_marker_that_rewards_read(task: str) -> None:
    contract = CATALOGUE.get(task).answer_contract
    assert "[Answer]" in contract.en
    assert "[答案]" in contract.zh


@pytest.mark.parametrize("task", NINE)
def test_a_task_has_three_worked_samples_and_one_in_chinese(task: str) -> None:
    samples = [example.sample for example in CATALOGUE.examples(task)]
    assert len(samples) >= 3
    assert {sample.metadata.language for sample in samples} == {"en", "zh"}
    assert [sample.id for sample in samples] == [f"{task}-example-{n}" for n in range(1, len(samples) + 1)]
    assert all(len(sample.documents) >= 3 for sample in samples)


@every_example
def test_gold_and_right_answers_earn_all_and_wrong_ones_less(spec: TaskSpec, example: Example) -> None:
    assert scored(spec, example.sample, render_gold(example.sample.gold)).value == 1.0
    assert scored(spec, example.sample, "").value == 0.0
    for response in example.right:
        assert scored(spec, example.sample, response).value == 1.0, response
    for response in example.wrong:
        value = scored(spec, example.sample, response).value
        assert value is not None, response
        assert value < 1.0, response


@every_example
def test_wrong_answers_are_two_or_more_and_one_response_is_prose(spec: TaskSpec, example: Example) -> None:
    assert len(example.wrong) >= 2
    assert any(not response.startswith(("[Answer]", "[答案]")) for response in example.right)


@every_example
def test_evidence_stands_where_it_is_said_to(spec: TaskSpec, example: Example) -> None:
    sample = example.sample
    block = spec.prompt(sample).documents
    assert sample.metadata.evidence
    texts = {document.id: document.read() for document in sample.documents}
    for place in sample.metadata.evidence:
        assert 0 <= place.start < place.end <= len(texts[place.document])
        quote = texts[place.document][place.start : place.end]
        assert quote == quote.strip()
        begin = block.index(texts[place.document]) + place.start
        assert place.depth == pytest.approx(begin / len(block), abs=1e-5)


@every_example
def test_a_prompt_renders_whole_and_ends_with_the_contract(spec: TaskSpec, example: Example) -> None:
    sample = example.sample
    prompt = spec.prompt(sample)
    language = sample.metadata.language
    assert prompt.after.endswith(f"{sample.question}\n\n{spec.answer_contract.get(language)}")
    assert all(
        f"Document {document.id}: {document.title}\n{document.text}" in prompt.text for document in sample.documents
    )
    assert "{documents}" not in prompt.text
    assert "{question}" not in prompt.text
    none, evidence = spec.prompt(sample, "none"), spec.prompt(sample, "evidence")
    assert none.before == evidence.before == prompt.before
    assert len(none.text) < len(evidence.text) <= len(prompt.text)


def test_the_built_in_tasks_validate() -> None:
    assert validate_folder() == []
