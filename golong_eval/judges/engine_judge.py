"""A judge that an engine runs here: a local checkpoint through vLLM or transformers."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from golong_eval.engines import Engine, EngineSettings, GenerationRequest, open_engine, resolve_engine
from golong_eval.errors import GolongError, JudgeError, ModelError
from golong_eval.judges.judge import Messages, ModelJudge, Reply, identity_of
from golong_eval.schema import Generation, Prompt, Turn

__all__ = ["EngineJudge"]

_BLOCK = 1 << 16  # bytes
_BLOCKS = 64  # of a large file that are read


class EngineJudge(ModelJudge):
    """A checkpoint, loaded when it is first asked, or an engine that the caller opens.

    Args:
        model: Folder or hub name of the checkpoint; its name, where an engine is given.
        engine: An engine, or what opens one, with temperature 0; None loads `model` with vLLM where it is installed and
            sees a GPU, else with transformers. An engine that was given opened stays the caller's to close.
        max_tokens: Budget of a reply.
        swap: Ask in both orders.

    Raises:
        ConfigError: The name is blank, or the budget too small for a verdict.
    """

    def __init__(
        self,
        model: str,
        engine: Engine | Callable[[], Engine] | None = None,
        *,
        max_tokens: int = 1024,
        swap: bool = False,
    ) -> None:
        folder = Path(model)
        is_folder = engine is None and folder.is_dir()
        super().__init__(folder.resolve().name if is_folder else model, max_tokens=max_tokens, swap=swap)
        self._path = model
        self._folder = folder if is_folder else None
        self._loads = engine is None
        self._engine: Engine | None = None
        self._is_own = engine is None or callable(engine)
        if engine is None:
            self._open: Callable[[], Engine] = self._opened
        elif callable(engine):
            self._open = engine
        else:
            self._engine = engine

    def __repr__(self) -> str:
        return f"EngineJudge({self._path!r})"

    @functools.cached_property
    def identity(self) -> str:  # read once: it looks into the weights
        """Model, prompts, budget, whether it is asked in both orders; of a folder also what is in it."""
        content = {} if self._folder is None else {"checkpoint": _fingerprint(self._folder)}
        return identity_of(self.model, max_tokens=self.max_tokens, swap=self.swap, **content)

    def check(self) -> None:
        """See whether the checkpoint is there, and what loads it; it is loaded later.

        Raises:
            JudgeError: It is not a folder with a configuration or a hub name, or a package is missing.
        """
        if not self._loads:
            return
        if self._folder is not None and not (self._folder / "config.json").is_file():
            raise JudgeError(
                f"the judge {self._path} is no checkpoint", "name a folder with a config.json, or give --judge-url"
            )
        try:
            name, _ = resolve_engine("auto", self._path)
        except ModelError as error:
            raise JudgeError(f"the judge can't be loaded: {error}", f"{error.hint}; or give --judge-url") from error
        if importlib.util.find_spec(name) is None:
            extra = "hf" if name == "transformers" else name
            raise JudgeError(
                f"a judge that is loaded here needs {name}", f"pip install 'golong-eval[{extra}]', or give --judge-url"
            )

    def reply_to(self, conversations: Sequence[Messages]) -> list[Reply]:
        """Return the model's reply to each conversation.

        Raises:
            JudgeError: The checkpoint can't be loaded, or its engine died.
        """
        if not conversations:
            return []
        requests = [
            GenerationRequest(
                sample_id=str(place),
                prompt=Prompt(
                    history=tuple(Turn.model_validate(turn) for turn in messages[:-1]), after=messages[-1]["content"]
                ),
                max_tokens=self.max_tokens,
            )
            for place, messages in enumerate(conversations)
        ]
        try:
            if self._engine is None:
                self._engine = self._open()
            found = {int(one.sample_id): one for one in self._engine.generate(requests)}
        except JudgeError:
            raise
        except GolongError as error:
            state = "can't be loaded" if self._engine is None else "died"
            raise JudgeError(f"the judge {self.model} {state}: {error}", error.hint) from error
        return [_reply(found.get(place)) for place in range(len(requests))]

    def close(self) -> None:
        """Release the model's memory. A judge that is asked again loads it again."""
        if self._engine is not None and self._is_own:
            self._engine.close()
            self._engine = None

    def _opened(self) -> Engine:
        name, _ = resolve_engine("auto", self._path)
        return open_engine(name, self._path, EngineSettings(temperature=0.0))


def _reply(found: Generation | None) -> Reply:
    if found is None:
        return Reply(None, "the judge gave no reply")
    text = None if found.thinking_unfinished else found.text
    why = f"the judge gave no reply: {found.error}"
    if found.thinking_unfinished:
        why = "the judge's thinking did not end: give it a larger budget"
    return Reply(text, why, found.prompt_tokens, found.completion_tokens, cut=found.hit_cap)


def _fingerprint(folder: Path) -> str:
    """Return a hash that tells checkpoints apart: names, sizes and content, of large files blocks all over them.

    What is in subfolders and hidden files is left out, such as the state of a trainer or a version control.
    """
    digest = hashlib.sha256()
    for file in sorted(one for one in folder.iterdir() if one.is_file() and not one.name.startswith(".")):
        size = file.stat().st_size
        digest.update(f"{file.name}\x00{size}\x00".encode("utf-8", "surrogateescape"))
        with file.open("rb") as content:
            if size <= _BLOCK * _BLOCKS:
                digest.update(content.read())
                continue
            for number in range(_BLOCKS):
                content.seek((size - _BLOCK) * number // (_BLOCKS - 1))
                digest.update(content.read(_BLOCK))
    return digest.hexdigest()[:16]
