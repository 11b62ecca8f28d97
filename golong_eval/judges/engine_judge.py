"""A judge that an engine runs here: a local checkpoint through vLLM or transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from golong_eval.engines import Engine, EngineSettings, GenerationRequest, open_engine, resolve_engine
from golong_eval.errors import JudgeError, ModelError
from golong_eval.judges.judge import Messages, ModelJudge, Reply
from golong_eval.schema import Prompt, Turn

__all__ = ["EngineJudge"]


class EngineJudge(ModelJudge):
    """A checkpoint, loaded when it is first asked, or an engine that the caller has opened.

    Args:
        model: Folder or hub name of the checkpoint; its name, where an engine is given.
        engine: What opens the engine; None loads `model` with vLLM where it is installed, else with transformers.
        max_tokens: Budget of a reply.
        swap: Ask in both orders.
    """

    def __init__(
        self, model: str, engine: Callable[[], Engine] | None = None, *, max_tokens: int = 1024, swap: bool = False
    ) -> None:
        super().__init__(Path(model).name if Path(model).is_dir() else model, max_tokens=max_tokens, swap=swap)
        self._path = model
        self._open = engine or self._opened
        self._engine: Engine | None = None

    def check(self) -> None:
        """See whether the checkpoint is there; it is loaded later.

        Raises:
            JudgeError: It is not a folder with a configuration.
        """
        folder = Path(self._path)
        if folder.exists() and not (folder / "config.json").is_file():
            raise JudgeError(
                f"the judge {folder} is no checkpoint", "name a folder with a config.json, or give --judge-url"
            )

    def reply_to(self, conversations: Sequence[Messages]) -> list[Reply]:
        """Return the model's reply to each conversation.

        Raises:
            JudgeError: The checkpoint can't be loaded.
        """
        if self._engine is None:
            try:
                self._engine = self._open()
            except ModelError as error:
                raise JudgeError(f"the judge can't be loaded: {error}", error.hint) from error
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
        found = {int(one.sample_id): one for one in self._engine.generate(requests)}
        return [
            Reply(
                found[place].text,
                f"the judge gave no reply: {found[place].error}",
                found[place].prompt_tokens,
                found[place].completion_tokens,
            )
            if place in found
            else Reply(None, "the judge gave no reply")
            for place in range(len(requests))
        ]

    def close(self) -> None:
        """Release the model's memory."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _opened(self) -> Engine:
        name, _ = resolve_engine("auto", self._path, ())
        return open_engine(name, self._path, EngineSettings())
