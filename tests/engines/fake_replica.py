"""A replica without a model, for the tests: its answers name it, and what it is asked tells it how to behave."""

from __future__ import annotations

import os
import signal
import sys
import time

from golong_eval.engines.base import EngineSettings, GenerationRequest
from golong_eval.engines.vllm.worker import serve
from golong_eval.errors import EngineError, ModelError
from golong_eval.schema import Generation


class FakeEngine:
    in_flight = 4
    max_length: int | None = 10_000
    thinks = False

    def __init__(self, name: str) -> None:
        self._name = name
        self._asked: list[tuple[GenerationRequest, int]] = []
        self._offers = 0

    @property
    def idle(self) -> bool:
        return not self._asked

    @property
    def full(self) -> bool:
        return len(self._asked) > self.in_flight

    def describe(self) -> dict[str, object]:
        return {"replica": self._name, "data_parallel": 1}

    def offer(self, request: GenerationRequest) -> list[Generation]:
        question = request.prompt.after
        if "tokens" in question:  # what tokenising takes
            time.sleep(0.2)
        request.prompt.text.encode()  # no tokenizer takes a lone surrogate
        self._offers += 1
        self._asked += [(request, repeat) for repeat in range(request.repeat, request.repeat + request.n)]
        return []

    def advance(self) -> list[Generation]:
        request, repeat = self._asked.pop(0)
        question = request.prompt.after
        if "die" in question and f"not {self._name}" not in question:
            os.kill(os.getpid(), signal.SIGKILL)
        if "break" in question:
            raise EngineError("vLLM died (out of memory)", "")
        time.sleep(60 if "long" in question else 0.2 if "slow" in question else 0.01)
        return [
            Generation(
                sample_id=request.sample_id,
                repeat=repeat,
                text=f"{self._name} offers {self._offers} seed {request.seed + repeat - request.repeat}",
                finish_reason="stop",
            )
        ]

    def abandon(self) -> None:
        self._asked.clear()

    def close(self) -> None:
        pass


def opened(model: str, settings: EngineSettings) -> FakeEngine:
    if model == "corrupt":
        raise ModelError("no such model", "give another")
    assert settings.args.get("secret") == "s3cret"
    assert "data_parallel" not in settings.args
    if model == "loads":
        time.sleep(60)
    if model == "crash":
        sys.stdout.write("CUDA out of memory\n")
        sys.stdout.flush()
        os._exit(3)
    return FakeEngine(os.environ["REPLICA"])


if __name__ == "__main__":
    sys.stdout.write("vLLM prints to standard output\n")
    serve(int(sys.argv[1]), int(sys.argv[2]), opened)
