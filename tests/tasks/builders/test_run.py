"""Same seed, same bytes; reports that tell what is missing; folders that can't be used; lengths and tokenizers."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.errors import ConfigError, DocumentError, UnknownNameError
from golong_eval.tasks.builders import Tokenizer, build_samples, length_label, load_tokenizer, parse_length, readers
from golong_eval.tasks.builders import tokenizer as tokenizer_module

PROSE = (
    "The {0} was built by a quiet engineer who wanted to {0} the river. It took years before the {0} was open to the "
    "public, and then only for those who had paid. Nobody in the town of {0} was there to see it on the day of "
    "the fair.\n\n"
)
SCRIPT = """
import hashlib, sys
from golong_eval.tasks.builders import BUILDERS, build_samples, load_tokenizer
from golong_eval.tasks.catalogue import load_tasks
run = build_samples("pydoc", tasks=list(BUILDERS), length=2048, per_task=2, seed=7,
                    tokenizer=load_tokenizer(sys.argv[1]), specs=load_tasks())
print(hashlib.sha256("".join(sample.model_dump_json() for sample in run).encode()).hexdigest())
print(hashlib.sha256(run.report.model_dump_json().encode()).hexdigest())
"""


def build(documents, tokenizer, specs, **changes):
    options = {"tasks": ["t1", "t8"], "length": 512, "per_task": 1, "seed": 0} | changes
    run = build_samples(documents, tokenizer=tokenizer, specs=specs, **options)
    return list(run), run.report


def fill(folder, count=12):
    for number in range(count):
        words = [f"{chr(97 + number)}{chr(97 + step)}nterk" for step in range(6)]
        (folder / f"page{number:02}.txt").write_text("".join(PROSE.format(word) for word in words))


def test_same_seed_same_bytes_in_any_process(backend, tmp_path):
    path = tmp_path / "tokenizer.json"
    backend.save(str(path))
    printed = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_another_seed_gives_other_questions(tokenizer, specs):
    first, second = (build("pydoc", tokenizer, specs, seed=seed)[0] for seed in (0, 1))
    assert {sample.question for sample in first}.isdisjoint(sample.question for sample in second)


def test_unusable_files_are_skipped_and_named(tokenizer, specs, tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "MAX_FILE_BYTES", 50_000)
    fill(tmp_path)
    bad = {
        "a/binary.txt": (b"\x00\x01\x02", "binary"),
        "a/empty.md": (b"", "empty"),
        "a/blank.txt": (b" \n\n", "empty"),
        "a/latin.txt": ("Stra\u00dfe".encode("latin-1"), "undecodable"),
        "a/huge.txt": (b"x" * 50_001, "too large"),
        "a/bomb.txt.gz": (gzip.compress(b"x" * 10_000_000), "too large"),
        "a/torn.txt.gz": (gzip.compress(b"hello " * 1000)[:20], "unreadable gzip"),
        "a/broken.pdf": (b"%PDF-1.4 nothing", "unreadable PDF"),
        "a/kana.txt": ("これはにほんごのぶんしょうです。" * 20).encode(),
    }
    bad["a/kana.txt"] = (bad["a/kana.txt"], "a language without spaces between words that is not Chinese")
    (tmp_path / "a").mkdir()
    for name, (data, _) in bad.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "a/picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "a/dangling.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / ".hidden.txt").write_text("not read")
    os.mkfifo(tmp_path / "a/pipe.txt")
    # More than the good ones hold: everything is read before the shortage is certain.
    run = build_samples(tmp_path, tasks=["t1"], length=65536, per_task=1, seed=0, tokenizer=tokenizer, specs=specs)
    with pytest.raises(
        DocumentError, match=r"holds \d+ tokens \(10 files skipped\): too few for a length of 64k"
    ) as caught:
        list(run)
    assert caught.value.hint.startswith("give --length ")
    report = run.report
    assert report.skipped == {name: reason for name, (_, reason) in bad.items()} | {"a/dangling.txt": "unreadable"}
    assert report.other_suffixes == {".png": 1}
    samples, report = build(tmp_path, tokenizer, specs)
    assert len(samples) == 2
    assert set(report.skipped) <= {*bad, "a/dangling.txt"}


def test_a_folder_without_usable_documents_names_what_was_skipped(tokenizer, specs, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\0")
    (tmp_path / "b.png").write_bytes(b"\0")
    with pytest.raises(DocumentError, match=r"no usable document .*a\.txt \(binary\), 1 x \.png"):
        build(tmp_path, tokenizer, specs)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DocumentError, match=r"skipped: 1 x \.png"):
        build(tmp_path, tokenizer, specs)
    (tmp_path / "b.png").unlink()
    with pytest.raises(DocumentError, match="it is empty"):
        build(tmp_path, tokenizer, specs)
    with pytest.raises(DocumentError, match="no documents at"):
        build(tmp_path / "missing", tokenizer, specs)


def test_too_few_documents_say_how_many_tokens_and_what_to_type(tokenizer, specs):
    with pytest.raises(DocumentError, match=r"pydoc [\d.]+ holds \d{5,6} tokens: too few for a length of 1M") as caught:
        build("pydoc", tokenizer, specs, length=1 << 20)
    length = caught.value.hint.split()[2]
    samples, report = build("pydoc", tokenizer, specs, length=parse_length(length))
    assert len(samples) == 2
    assert report.tasks[0].fill > 0.85


def test_a_single_file_is_enough(tokenizer, specs, tmp_path):
    fill(tmp_path, 4)
    book = tmp_path / "book.txt"
    book.write_text("".join(path.read_text() for path in sorted(tmp_path.glob("page*"))))
    samples, _ = build(book, tokenizer, specs)
    assert {sample.metadata.cluster for sample in samples} == {"book.txt"}


def test_what_could_not_be_made_is_reported_with_reasons(tokenizer, specs, tmp_path):
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text(
            "Only the same line stands here and in all of the others.\n\n" * (number + 9)
        )
    samples, report = build(tmp_path, tokenizer, specs, per_task=2)
    assert samples == []
    assert set(report.shortfalls()) == {"t1", "t8"}
    assert "sentence stands in more than one place" in report.shortfalls()["t1"]
    assert "0 of 2 samples in" in report.shortfalls()["t1"]


def test_arguments_are_checked_at_once(tokenizer, specs):
    with pytest.raises(UnknownNameError):
        build("pydoc", tokenizer, specs, tasks=["t10"])
    with pytest.raises(ConfigError):
        build("pydoc", tokenizer, specs, per_task=0)
    with pytest.raises(ConfigError):
        build("pydoc", tokenizer, specs, length=100)


def test_progress_is_told(tokenizer, specs):
    told = []
    build("pydoc", tokenizer, specs, on_progress=told.append)
    assert told[0] == "context 1, 0 of 2 samples"


@given(st.integers(512, 1 << 21))
def test_a_length_survives_its_label(length):
    assert parse_length(length_label(length)) == length


@pytest.mark.parametrize(
    ("text", "tokens"), [("4k", 4096), ("64K", 65536), ("1M", 1 << 20), ("1m", 1 << 20), ("777", 777)]
)
def test_lengths(text, tokens):
    assert parse_length(text) == tokens


@pytest.mark.parametrize("text", ["", "k", "4kb", "-4k", "1.5k", "511", "four", "0"])
def test_bad_lengths(text):
    with pytest.raises(ConfigError):
        parse_length(text)


def _tokenizers():
    tokenizers = pytest.importorskip("tokenizers")
    byte_level = tokenizers.Tokenizer(tokenizers.models.BPE())
    byte_level.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    metaspace = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="?"))
    metaspace.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    words = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    unigram = tokenizers.Tokenizer(tokenizers.models.Unigram())
    unigram.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    trainers = tokenizers.trainers
    yield byte_level, trainers.BpeTrainer(vocab_size=900, show_progress=False)
    yield metaspace, trainers.BpeTrainer(vocab_size=900, special_tokens=["?"], show_progress=False)
    yield words, trainers.WordPieceTrainer(vocab_size=900, special_tokens=["?"], show_progress=False)
    yield unigram, trainers.UnigramTrainer(vocab_size=900, unk_token="?", special_tokens=["?"], show_progress=False)


@pytest.mark.parametrize("kind", range(4))
def test_counting_in_pieces_equals_counting_the_whole(kind, monkeypatch):
    from pydoc_data import topics

    text = "\n\n".join(text for _, text in sorted(topics.topics.items()))[:120_000]
    backend, trainer = list(_tokenizers())[kind]
    backend.train_from_iterator(text.split("\n"), trainer)
    tokenizer = Tokenizer("test", backend)
    whole = len(backend.encode(text, add_special_tokens=False))
    monkeypatch.setattr(tokenizer_module, "_PIECE", 7_000)
    assert tokenizer.count(text) == whole
    assert tokenizer.count(text[:50_000]) + tokenizer.count_added(text[:50_000], text[50_000:53_000]) == len(
        backend.encode(text[:53_000], add_special_tokens=False)
    )


def test_load_tokenizer(backend, tmp_path):
    backend.enable_truncation(7)
    backend.save(str(tmp_path / "tokenizer.json"))
    backend.no_truncation()
    for name in (str(tmp_path), str(tmp_path / "tokenizer.json")):
        tokenizer = load_tokenizer(name)
        assert tokenizer.name == name
        assert tokenizer.count("word " * 100) >= 100  # a checkpoint's truncation does not cap the count
    (tmp_path / "tokenizer.json").write_text("{")
    for name in (str(tmp_path), str(tmp_path / "nothing"), str(tmp_path / "tokenizer.json")):
        with pytest.raises(ConfigError) as caught:
            load_tokenizer(name)
        assert caught.value.hint
