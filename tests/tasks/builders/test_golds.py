"""Every gold is proven again, from the sample alone, by brute force that shares no code with the builders."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise
from pydoc_data import topics

import pytest

from golong_eval.tasks.builders import BUILDERS, build_samples

NUMBER_OF_TASKS = 9


def folded(text):
    return re.sub(r"\s+", " ", text).strip()


class Verifier:
    """What a sceptical reader with grep would do."""

    def __init__(self, sample):
        self.sample = sample
        self.zh = sample.metadata.language == "zh"
        self.texts = {document.id: folded(document.text) for document in sample.documents}
        self.lower = {label: text.lower() for label, text in self.texts.items()}
        self.question = sample.question

    def verify(self, spec, backend, length):
        self.common(spec, backend, length)
        getattr(self, self.sample.task)()

    def common(self, spec, backend, length):
        sample, metadata = self.sample, self.sample.metadata
        prompt = spec.prompt(sample)
        assert len(backend.encode(prompt.text, add_special_tokens=False)) == metadata.length <= length
        assert [document.id for document in sample.documents] == [f"D{n + 1}" for n in range(len(sample.documents))]
        assert metadata.evidence
        assert metadata.builder == f"{sample.task}@1"
        raw = {document.id: document.text for document in sample.documents}
        for place in metadata.evidence:
            before = sum(
                len(f"Document {d.id}: {d.title}\n{d.text}\n\n")
                for d in sample.documents[: int(place.document[1:]) - 1]
            )
            document = sample.documents[int(place.document[1:]) - 1]
            at = before + len(f"Document {document.id}: {document.title}\n") + place.start
            assert 0 <= place.start < place.end <= len(raw[place.document])
            assert prompt.documents[at : at + place.end - place.start] == raw[place.document][place.start : place.end]
            assert place.depth == pytest.approx(at / len(prompt.documents), abs=1e-4)
        sources = {re.sub(r"\[\d+:\d+\]$", "", self.document(place.document).source) for place in metadata.evidence}
        assert metadata.cluster == (sources.pop() if len(sources) == 1 else None)
        assert bool(metadata.edits) == (sample.task == "t9")

    def document(self, label):
        return next(document for document in self.sample.documents if document.id == label)

    def evidence_texts(self):
        return [
            folded(self.document(place.document).text[place.start : place.end])
            for place in self.sample.metadata.evidence
        ]

    def places(self, quote):
        """Labels of the documents in which a quote stands, once for each time, in any case."""
        pattern = re.compile(f"(?={re.escape(quote.lower())})")
        return [label for label, text in self.lower.items() for _ in pattern.finditer(text)]

    def filling(self, quote):
        """The one label and filling of a blank."""
        assert quote.count("____") == 1
        left, right = quote.split("____")
        pattern = re.compile(f"(?={re.escape(left)}(\\S{{1,80}}?){re.escape(right)})", re.IGNORECASE)
        found = [(label, match[1]) for label, text in self.texts.items() for match in pattern.finditer(text)]
        assert len(found) == 1, found
        return found[0]

    def word(self, term, label):
        if self.zh:
            return self.texts[label].count(term)
        return len(re.findall(rf"\b{re.escape(term)}\b", self.texts[label], re.IGNORECASE))

    def substring(self, term, label):
        return self.lower[label].count(term.lower())

    def term(self):
        return re.search(r'“([^”]+)”|"([^"]+)"', self.question)[0].strip('“”"')

    def t1(self):
        quote = self.question.split("\n\n")[-1]
        label, filling = self.filling(quote)
        (gold,) = self.sample.gold.answers
        (place,) = self.sample.metadata.evidence
        assert filling == gold
        assert label == place.document
        assert self.evidence_texts() == [gold]
        assert len(self.places(gold)) == 1
        assert gold.lower() not in self.question.lower()
        assert all(gold.lower() not in document.title.lower() for document in self.sample.documents)

    def t2(self):
        statements = dict(re.findall(r"^([A-D])\. (.+)$", self.question, re.MULTILINE))
        assert list(statements) == list("ABCD")
        assert len({statement.lower() for statement in statements.values()}) == 4
        found = [letter for letter, statement in statements.items() if self.places(statement)]
        assert tuple(found) == self.sample.gold.answers
        assert self.evidence_texts() == [statements[found[0]]]
        assert self.sample.metadata.candidates == 4

    def t3(self):
        term = self.term()
        loosely = [label for label in self.texts if self.substring(term, label)]
        assert tuple(loosely) == self.sample.gold.items
        assert loosely == [label for label in self.texts if self.word(term, label)]
        assert all(self.substring(term, label) == self.word(term, label) for label in loosely)
        assert not any(term in document.title.lower() for document in self.sample.documents)
        assert 2 <= len(loosely) <= 12
        assert self.sample.metadata.candidates == len(self.texts)
        assert not re.search(r"D[1-9]", self.question)

    def t4(self):
        gold = int(self.sample.gold.value)
        assert not re.search(rf"\b{gold}\b", self.question)
        quotes = re.findall(r"^- (.+)$", self.question, re.MULTILINE)
        if quotes:
            numbers = [int(self.filling(quote)[1]) for quote in quotes]
            assert [str(number) for number in numbers] == self.evidence_texts()
            if "minus" in self.question or "减去" in self.question:
                assert max(numbers) - min(numbers) == gold
            else:
                assert sum(numbers) == gold
            assert self.sample.metadata.candidates is None
        else:
            labels = re.findall(r"D\d+", self.question)
            term = self.term()
            assert sum(self.word(term, label) for label in labels) == gold
            assert sum(self.substring(term, label) for label in labels) == gold
            assert len(self.sample.metadata.evidence) == gold >= 3
            assert 2 <= len(labels) == len(set(labels)) <= 3
            assert 3 <= self.sample.metadata.candidates <= 28

    def t5(self):
        gold = self.sample.gold
        quotes = re.findall(r"^- (.+)$", self.question, re.MULTILINE)
        term = self.term()
        rows = []
        for quote in quotes:
            label, filling = self.filling(quote)
            assert len(self.places(filling)) == 1
            assert filling.lower() not in self.question.lower()
            assert self.word(term, label) == self.substring(term, label)
            rows.append((label, filling, self.word(term, label)))
        assert gold.columns == ("document", "missing", "count")
        assert gold.data == tuple(rows)
        assert len(rows) == len({row[0] for row in rows}) >= 3
        assert any(row[2] for row in rows)
        assert not re.search(r"D[1-9]", self.question)

    def t6(self):
        fragments = re.findall(r"^F(\d): (.+)$", self.question, re.MULTILINE)
        items = []
        for number, fragment in fragments:
            (label,) = self.places(fragment)
            items.append(f"F{number}: {label}")
        assert tuple(items) == self.sample.gold.items
        assert len({item.split()[1] for item in items}) == len(items) <= self.sample.metadata.candidates
        assert self.evidence_texts() == [fragment for _, fragment in fragments]

    def t7(self):
        labels = re.findall(r"D\d+", self.question)
        term = self.term()
        counts = Counter({label: self.word(term, label) for label in labels})
        assert min(counts.values()) >= 1
        assert len(set(counts.values())) == len(labels) >= 3
        assert tuple(label for label, _ in counts.most_common()) == self.sample.gold.items
        loosely = {label: self.substring(term, label) for label in labels}
        assert tuple(sorted(labels, key=lambda label: -loosely[label])) == self.sample.gold.items
        assert len(self.sample.metadata.evidence) == sum(counts.values())

    def t8(self):
        quotes = dict(re.findall(r"^([A-F])\. (.+)$", self.question, re.MULTILINE))
        block = "\n".join(self.texts.values())
        starts = {letter: block.find(quote) for letter, quote in quotes.items()}
        assert all(block.lower().count(quote.lower()) == 1 for quote in quotes.values())
        assert tuple(sorted(starts, key=starts.get)) == self.sample.gold.items
        spans = sorted((start, start + len(quotes[letter])) for letter, start in starts.items())
        assert all(first[1] <= second[0] for first, second in pairwise(spans))
        assert self.evidence_texts() == [quotes[letter] for letter in self.sample.gold.items]

    def t9(self):
        (reference,) = self.sample.gold.texts
        (edit,) = self.sample.metadata.edits
        assert folded(edit.removed) == reference
        pieces, glue, size = (list(reference), "", 12) if self.zh else (reference.split(), " ", 8)
        everything = "\n".join(self.lower.values()) + self.question.lower()
        for at in range(max(1, len(pieces) - size + 1)):
            assert glue.join(pieces[at : at + size]).lower() not in everything
        assert edit.document in self.question
        assert len(self.texts[edit.document]) > len(reference)

    def original(self, label):
        text = self.document(label).text
        for edit in self.sample.metadata.edits:
            if edit.document == label:
                text = text[: edit.start] + edit.removed + text[edit.start :]
        return text


@pytest.mark.parametrize(("length", "per_task"), [(512, 2), (2048, 4), (16384, 4)])
def test_golds_over_pydoc(length, per_task, tokenizer, backend, specs):
    run = build_samples(
        "pydoc", tasks=list(BUILDERS), length=length, per_task=per_task, seed=1, tokenizer=tokenizer, specs=specs
    )
    made = Counter()
    for sample in run:
        made[sample.task] += 1
        verifier = Verifier(sample)
        verifier.verify(specs[sample.task], backend, length)
        for document in sample.documents:
            assert document.licence == "PSF-2.0"
            topic, start, end = re.fullmatch(r".*/(.+)\[(\d+):(\d+)\]", document.source).groups()
            # The text is untouched: an exact slice of the topic.
            assert verifier.original(document.id) == topics.topics[topic][int(start) : int(end)]
    enough = {task for task, count in made.items() if count == per_task}
    assert len(enough) >= (NUMBER_OF_TASKS if length > 512 else 6), (made, run.report.shortfalls())


@pytest.mark.parametrize("length", [1024, 4096, 8192])
def test_golds_over_a_folder_of_many_kinds(length, english, tokenizer, backend, specs):
    run = build_samples(
        english, tasks=list(BUILDERS), length=length, per_task=3, seed=2, tokenizer=tokenizer, specs=specs
    )
    names = set()
    for sample in run:
        Verifier(sample).verify(specs[sample.task], backend, length)
        names |= {re.sub(r"\[\d+:\d+\]$", "", document.source) for document in sample.documents}
    assert run.report.skipped == {}
    assert {name.rpartition(".")[2] for name in names} >= {"md", "html", "gz", "pdf", "txt"}
    assert any(name.endswith("README") for name in names) or any(name.endswith("copy.txt") for name in names)
    assert not [task for task in run.report.tasks if task.made == 0 and length > 1024]


@pytest.mark.parametrize("length", [2048, 4096])
def test_golds_over_chinese_text(length, chinese, tokenizer, backend, specs):
    run = build_samples(
        chinese, tasks=list(BUILDERS), length=length, per_task=3, seed=3, tokenizer=tokenizer, specs=specs
    )
    made = Counter()
    for sample in run:
        assert sample.metadata.language == "zh"
        assert re.search("[一-龥]", sample.question)
        Verifier(sample).verify(specs[sample.task], backend, length)
        made[sample.task] += 1
    assert len(made) >= 8, run.report.shortfalls()


def test_a_long_prompt_is_counted_exactly(tokenizer, backend, specs):
    """Past 262,144 characters the documents are counted once, in pieces."""
    tasks = ["t1", "t5", "t9"]
    run = build_samples("pydoc", tasks=tasks, length=90_000, per_task=1, seed=0, tokenizer=tokenizer, specs=specs)
    for sample in run:
        prompt = specs[sample.task].prompt(sample)
        assert len(prompt.text) > 1 << 18
        Verifier(sample).verify(specs[sample.task], backend, 90_000)
    assert run.report.shortfalls() == {}


def test_nothing_is_asked_twice_and_ids_are_unique(tokenizer, specs, tmp_path):
    """Also where every context holds the same few documents."""
    for name in ("assert", "with", "try", "for", "import", "class", "lambda"):
        (tmp_path / f"{name}.txt").write_text(topics.topics[name])
    tasks = list(BUILDERS)
    run = build_samples(tmp_path, tasks=tasks, length=2048, per_task=12, seed=0, tokenizer=tokenizer, specs=specs)
    samples = list(run)
    assert len({(sample.task, sample.question) for sample in samples}) == len(samples)
    assert len({sample.id for sample in samples}) == len(samples)
    t9 = [sample.gold for sample in samples if sample.task == "t9"]
    assert len(set(t9)) == len(t9)
    for task in run.report.tasks:
        assert task.made == 12 or task.dropped


def length_rank(sample):
    statements = dict(line.split(". ", 1) for line in sample.question.splitlines() if line[1:3] == ". ")
    right = len(statements[sample.gold.answers[0]])
    return sum(len(statement) < right for statement in statements.values())


def test_letters_and_depths_are_spread(tokenizer, specs):
    run = build_samples("pydoc", tasks=["t1", "t2"], length=2048, per_task=80, seed=0, tokenizer=tokenizer, specs=specs)
    samples = list(run)
    letters = Counter(sample.gold.answers[0] for sample in samples if sample.task == "t2")
    assert set(letters) == set("ABCD")
    assert min(letters.values()) >= 8
    # Nor is the length of a statement a clue: the right one is as often first, second, third or last by length.
    ranks = Counter(length_rank(sample) for sample in samples if sample.task == "t2")
    assert 30 <= ranks[0] + ranks[3] <= 50, ranks
    depths = [sample.metadata.evidence[0].depth for sample in samples if sample.task == "t1"]
    thirds = Counter(int(depth * 3) for depth in depths)
    assert min(thirds[third] for third in range(3)) >= 12


def test_questions_over_one_context_share_its_documents(tokenizer, specs):
    run = build_samples(
        "pydoc", tasks=list(BUILDERS), length=16384, per_task=1, seed=0, tokenizer=tokenizer, specs=specs
    )
    shared = {
        json.dumps([document.text for document in sample.documents])
        for sample in run
        if sample.task not in ("t9", "t7")
    }
    assert len(shared) == 1
