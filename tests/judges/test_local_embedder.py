"""The local embedder on a tiny BERT made here: vectors, identity, prompts, threads, pickles, broken folders."""

from __future__ import annotations

import json
import math
import multiprocessing
import pickle
import shutil
import subprocess
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from golong_eval.errors import ConfigError, JudgeError, MissingExtraError, ModelError
from golong_eval.judges import CachedEmbedder, LocalEmbedder, local_embedder

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "dog",
    "ran",
    "in",
    "park",
    "query",
    ":",
    "猫",
    "坐",
    "在",
    "?",
    "query",
]
TEXTS = ["the cat sat on the mat", "a dog ran in the park", "猫坐在", "", "the cat sat on the mat", "a \ud800 cat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models are published in, with a prompt that its configuration puts before every text."""
    pytest.importorskip("sentence_transformers", reason="needs the extra [embed]")
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(WORDS)]
    words = tmp_path_factory.mktemp("words") / "vocab.txt"
    words.write_text("\n".join(vocabulary), encoding="utf-8")
    out = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(out)
    BertTokenizerFast(str(words), model_max_length=64).save_pretrained(out)
    files = {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True},
        "config_sentence_transformers.json": {"prompts": {"query": "query : "}, "default_prompt_name": "query"},
    }
    (out / "1_Pooling").mkdir()
    for name, content in files.items():
        (out / name).write_text(json.dumps(content))
    return out


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copied"))


def embedder(folder: Path, **settings: Any) -> LocalEmbedder:
    return LocalEmbedder(folder, **{"device": "cpu"} | settings)


def close(first: list[array[float]], second: list[array[float]]) -> bool:
    return all(
        math.isclose(x, y, abs_tol=1e-5)
        for row, other in zip(first, second, strict=True)
        for x, y in zip(row, other, strict=True)
    )


def test_vectors_are_the_librarys_without_a_prompt(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    assert model.default_prompt_name == "query"
    expected = [array("f", row) for row in model.encode(TEXTS[:5], prompt="").tolist()]
    prompted = [array("f", row) for row in model.encode(TEXTS[:5]).tolist()]
    got = embedder(folder)(TEXTS[:5])
    assert close(got, expected)
    assert not close(got, prompted)


def test_one_vector_a_text_in_order_whatever_the_batch(folder: Path) -> None:
    whole = embedder(folder)(TEXTS)
    assert [len(row) for row in whole] == [16] * len(TEXTS)
    assert close(whole[:1], whole[4:5])
    assert not close(whole[:1], whole[1:2])
    assert close(whole, embedder(folder, batch_size=1)(TEXTS))
    assert close(whole, [embedder(folder)([text])[0] for text in TEXTS])
    assert close(whole[5:], embedder(folder)(["a ? cat"]))
    assert embedder(folder)([]) == []


def test_the_name_is_folder_content_and_settings(folder: Path, copied: Path) -> None:
    name = embedder(folder).name
    base, _, digest = name.partition("@")
    assert (base, len(digest)) == (folder.name, 12)
    assert embedder(copied).name == f"copied@{digest}"
    assert embedder(copied, device=None, batch_size=2).name == f"copied@{digest}"  # they change rounding alone
    assert embedder(copied, dtype="float64", max_length=8).name == f"copied@{digest};dtype=float64;max_length=8"


def flip_a_weight(folder: Path) -> None:
    (file,) = folder.rglob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def change_the_pooling(folder: Path) -> None:
    (file,) = folder.glob("*Pooling/config.json")
    file.write_text(file.read_text() + " ")


def add_a_token(folder: Path) -> None:
    (folder / "vocab.txt").write_text("more")


@pytest.mark.parametrize("change", [flip_a_weight, change_the_pooling, add_a_token])
def test_another_model_has_another_name(copied: Path, change: Any) -> None:
    before = embedder(copied).name
    change(copied)
    assert embedder(copied).name != before


def test_what_is_not_loaded_leaves_the_name(copied: Path) -> None:
    before = embedder(copied).name
    (copied / "README.md").write_text("read me")
    (copied / ".cache").mkdir()
    (copied / ".cache" / "log.json").write_text("{}")
    (copied / "onnx").mkdir()
    (copied / "onnx" / "model.bin").write_bytes(b"0")
    assert embedder(copied).name == before


def test_max_length_cuts_texts_by_tokens(folder: Path) -> None:
    cut = embedder(folder, max_length=4)  # [CLS], two words, [SEP]
    assert close(cut(["the cat sat on the mat"]), cut(["the cat"]))
    whole = embedder(folder)
    assert not close(whole(["the cat sat on the mat"]), whole(["the cat"]))


def test_dtype_is_the_models(folder: Path) -> None:
    half = embedder(folder, dtype="bfloat16")
    got, whole = half(TEXTS), embedder(folder)(TEXTS)
    assert not close(got, whole)
    assert all(abs(x - y) < 0.1 for row, other in zip(got, whole, strict=True) for x, y in zip(row, other, strict=True))


def test_a_model_is_loaded_once_a_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[LocalEmbedder] = []
    load = LocalEmbedder._load
    monkeypatch.setattr(LocalEmbedder, "_load", lambda self: loads.append(self) or load(self))  # type: ignore[func-returns-value]
    monkeypatch.setattr(local_embedder, "_loaded", {})
    first = embedder(folder)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(first, [TEXTS] * 24))
    assert all(close(rows, results[0]) for rows in results)
    pickle.loads(pickle.dumps(first))(TEXTS)
    embedder(folder, batch_size=3)(TEXTS)
    assert len(loads) == 1
    embedder(folder, max_length=5)(TEXTS)
    assert len(loads) == 2


def test_pickles_to_its_settings(folder: Path) -> None:
    embed = embedder(folder, batch_size=2)
    embed(TEXTS)
    data = pickle.dumps(embed)
    assert len(data) < 1000
    assert repr(pickle.loads(data)) == repr(embed)


def call_in_child(embed: LocalEmbedder, out: Any) -> None:
    out.send([list(row) for row in embed(TEXTS)])


@pytest.mark.slow
def test_a_spawned_child_loads_its_own(folder: Path) -> None:
    embed = embedder(folder)
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=call_in_child, args=(embed, sender))
    child.start()
    try:
        assert receiver.poll(120)
        assert close([array("f", row) for row in receiver.recv()], embed(TEXTS))
    finally:
        child.join(60)
        receiver.close()
        sender.close()


def test_a_cache_around_it_asks_once(folder: Path, tmp_path: Path) -> None:
    embed = embedder(folder)
    first = CachedEmbedder(embed, tmp_path / "cache.db")(TEXTS)
    again = CachedEmbedder(embed, tmp_path / "cache.db")
    again.embedder = None  # type: ignore[assignment]
    assert again(TEXTS) == first
    assert close(first, embed(TEXTS))


def test_nan_is_an_error(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    (file,) = copied.rglob("*.safetensors")
    weights = {key: value * math.nan for key, value in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(JudgeError, match=r"copied@\w+ gave a vector that is empty or holds NaN"):
        embedder(copied)(TEXTS)


def test_a_failing_model_is_told_in_two_lines(folder: Path) -> None:
    """A limit above the model's: positions run out."""
    with pytest.raises(JudgeError, match=r"failed on 1 texts \((Runtime|Index)Error: ") as caught:
        embedder(folder, max_length=100)(["cat " * 90])
    assert "max_length" in caught.value.hint


def no_modules(folder: Path) -> None:
    (folder / "modules.json").unlink()


def torn_weights(folder: Path) -> None:
    (file,) = folder.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:500])


def no_weights(folder: Path) -> None:
    (file,) = folder.rglob("*.safetensors")
    file.unlink()


def own_code(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "evil.Module"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "evil.py").write_text("raise SystemExit('the code of a model ran')")


def torn_modules(folder: Path) -> None:
    (folder / "modules.json").write_text('[{"idx": 0')


@pytest.mark.parametrize("break_it", [no_modules, torn_modules, torn_weights, no_weights, own_code])
def test_a_broken_folder_is_told_in_two_lines(copied: Path, break_it: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_embedder, "_loaded", {})
    break_it(copied)
    with pytest.raises(ModelError, match="copied") as caught:
        embedder(copied)(TEXTS)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"dtype": "float3"}, {"device": "cuda:99"}])
def test_a_device_or_dtype_that_torch_has_not_is_told(folder: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="cannot load the model") as caught:
        embedder(folder, **settings)(TEXTS)
    assert "device and dtype" in caught.value.hint


def test_a_model_that_opens_what_texts_name_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a model for images, the text "/etc/shadow.png" or "http://..." would be opened."""
    from sentence_transformers import SentenceTransformer

    monkeypatch.setattr(local_embedder, "_loaded", {})
    monkeypatch.setattr(SentenceTransformer, "modalities", property(lambda self: ["text", "image"]), raising=False)
    with pytest.raises(ModelError, match="takes images"):
        embedder(folder)(TEXTS)


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"max_length": 0}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        LocalEmbedder(tmp_path, **settings)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere holds no readable modules\.json"):
        LocalEmbedder(tmp_path / "nowhere")


def test_without_the_package_the_install_line_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    (tmp_path / "modules.json").write_text("[]")
    with pytest.raises(MissingExtraError) as caught:
        LocalEmbedder(tmp_path)(["a"])
    assert caught.value.hint == "pip install 'golong-eval[embed]'"


def test_importing_the_judges_loads_none_of_their_libraries() -> None:
    names = ("torch", "numpy", "aiohttp", "sentence_transformers", "transformers")
    code = f"import sys, golong_eval.judges\nprint([name for name in {names} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
