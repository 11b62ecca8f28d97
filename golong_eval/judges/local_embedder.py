"""Embeddings from a sentence-transformers model in a local folder.

embed = LocalEmbedder("models/Qwen3-Embedding-8B", dtype="bfloat16", batch_size=4)
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from golong_eval._forks import fork_safe_lock
from golong_eval._optional import require
from golong_eval.errors import JudgeError, ModelError
from golong_eval.judges.embeddings import as_vectors, embedder_name, encodable
from golong_eval.judges.endpoint import check_least

__all__ = ["LocalEmbedder"]

_SUFFIXES = {".json", ".safetensors", ".bin", ".txt", ".model", ".jinja"}
_EXPORTS = {"onnx", "openvino"}  # the same model in forms that are not loaded here

_lock = fork_safe_lock()  # over loading and encoding: a fast tokenizer serves one thread at a time
_loaded: dict[tuple[Path, str, str | None], Any] = {}


@dataclass(eq=False)
class LocalEmbedder:
    """An embedder over ``sentence_transformers.SentenceTransformer`` (the ``embed`` extra).

    The model is loaded at the first call, once a process for all embedders with the same settings, and stays loaded.
    Prompts in its configuration are not used. Texts of one call share batches, so a vector depends on the other texts
    by rounding. Pickles to its settings; a process forked after the first call can't use CUDA, a spawned one can.

    Construction reads every file of the folder once (about a second a gigabyte): the name is the folder's, and a hash
    of configuration, vocabulary and weights, so that two models never share a name.

    Args:
        folder: The model's folder, as ``save_pretrained`` writes it. Its own Python code is never run.
        device: For instance ``"cuda:1"``; None is the first accelerator, else the CPU.
        dtype: For instance ``"bfloat16"``; None is the checkpoint's own.
        batch_size: Texts at once.
        max_length: Longer texts are cut to their first so many tokens; None is the model's own limit.

    Raises:
        ConfigError: `batch_size` or `max_length` is below 1.
        ModelError: The folder holds no sentence-transformers model.
    """

    folder: str | Path
    _: KW_ONLY
    device: str | None = None
    dtype: str | None = None
    batch_size: int = 16
    max_length: int | None = None
    name: str = field(init=False)

    def __post_init__(self) -> None:
        check_least(self, batch_size=1, max_length=1)
        self.folder = Path(self.folder).absolute()
        _check_modules(self.folder)
        model = f"{self.folder.name}@{_hash(self.folder)}"
        self.name = embedder_name(model, dtype=self.dtype, max_length=self.max_length)

    def __call__(self, texts: Sequence[str], /) -> list[array[float]]:
        """Return one float32 vector for each text, in order; as the model gives them.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            ModelError: The model can't be loaded, or takes more than text.
            JudgeError: It fails on these texts, for instance for lack of memory, or gives NaN.
        """
        if not texts:
            return []
        with _lock:
            model = self._model()
            try:
                rows = model.encode(
                    [encodable(text) for text in texts], batch_size=self.batch_size, show_progress_bar=False
                )
            except (RuntimeError, ValueError, IndexError, MemoryError) as error:
                reason = " ".join(str(error).split())[:300]
                raise JudgeError(
                    f"{self.name} failed on {len(texts)} texts ({type(error).__name__}: {reason})",
                    "for lack of memory lower batch_size or max_length; else check max_length against the model",
                ) from error
        return as_vectors(rows.tolist(), len(texts), self.name)

    def _model(self) -> Any:
        """Return the model, loaded if it is not."""
        key = (Path(self.folder), self.name, self.device)
        if key not in _loaded:
            _loaded[key] = self._load()
        return _loaded[key]

    def _load(self) -> Any:
        library = require("sentence_transformers", "embed", "a local embedding model")
        transformers = require("transformers", "embed", "a local embedding model")
        transformers.utils.logging.disable_progress_bar()
        try:
            model = library.SentenceTransformer(
                str(self.folder),
                device=self.device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"dtype": self.dtype or "auto"},
            )
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise ModelError(
                f"cannot load the model {self.folder} ({type(error).__name__}: {reason})",
                "check that the folder is whole, and device and dtype ones that torch has here",
            ) from error
        if {"image", "audio", "video"}.intersection(getattr(model, "modalities", ())):
            # Of such a model sentence-transformers opens the paths and addresses that it finds as texts.
            raise ModelError(f"the model {self.folder} takes images or sound", "give an embedding model for text alone")
        model.default_prompt_name = None
        if self.max_length is not None:
            model.max_seq_length = self.max_length
        return model


def _check_modules(folder: Path) -> None:
    """Raise a ModelError unless a folder's ``modules.json`` names modules of sentence-transformers, and no others."""
    try:
        types = [str(module["type"]) for module in json.loads((folder / "modules.json").read_bytes())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        # Without the file sentence-transformers would guess how to pool the tokens.
        raise ModelError(
            f"{folder} holds no readable modules.json, as a sentence-transformers model does",
            "give the folder of a whole download, or one that SentenceTransformer.save_pretrained wrote",
        ) from error
    foreign = next((name for name in types if not name.startswith("sentence_transformers.")), None)
    if foreign is not None:
        # Some releases run the code of a local folder whatever trust_remote_code says.
        raise ModelError(
            f"{folder} is built from code that is not sentence-transformers' ({foreign})",
            "serve it, and use EndpointEmbedder",
        )


def _hash(folder: Path) -> str:
    """Return a hash over what is loaded from a model's folder: names and content."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.suffix not in _SUFFIXES or name.parts[0] in _EXPORTS or name.parts[0].startswith("."):
            continue
        with file.open("rb") as content:
            digest.update(f"{name.as_posix()}\x00{hashlib.file_digest(content, 'sha256').hexdigest()}\x00".encode())
    return digest.hexdigest()[:12]
