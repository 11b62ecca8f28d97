"""How replicas share requests, with workers that have no model: affinity, deaths, early ends. Needs no vLLM."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from golong_eval.engines import EngineSettings, GenerationRequest
from golong_eval.engines.vllm.replicas import Replica, VLLMReplicas
from golong_eval.errors import EngineError, ModelError
from golong_eval.schema import Prompt

FAKE = (sys.executable, "-P", str(Path(__file__).with_name("fake_replica.py")))
SETTINGS = EngineSettings(args={"data_parallel": 2, "secret": "s3cret"})
TOKENIZER = SimpleNamespace(chat_template=None)


def start(count: int, model: str = "model") -> VLLMReplicas:
    replicas = [Replica(FAKE, {"REPLICA": str(number)}) for number in range(count)]
    return VLLMReplicas.start(replicas, model, SETTINGS, TOKENIZER)


@pytest.fixture
def opened() -> Iterator[Callable[..., VLLMReplicas]]:
    engines: list[VLLMReplicas] = []

    def make(count: int = 2) -> VLLMReplicas:
        engines.append(start(count))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()
        assert all(replica.process.returncode is not None for replica in engine._replicas)


def request(name: str, document: str, question: str = "What?", n: int = 1) -> GenerationRequest:
    prompt = Prompt(before="Read.\n", documents=document, after=question)
    return GenerationRequest(sample_id=name, n=n, seed=100, prompt=prompt, max_tokens=5)


def questions(documents: int, each: int, question: str = "What?") -> list[GenerationRequest]:
    return [
        request(f"{number}/{place}", f"document {number}", question)
        for number in range(documents)
        for place in range(each)
    ]


def test_questions_about_one_context_go_to_one_replica(opened: Callable[..., VLLMReplicas]) -> None:
    answers = list(opened().generate(questions(8, 3)))
    homes = defaultdict(set)
    for answer in answers:
        homes[answer.sample_id.split("/")[0]].add((answer.text or "").split()[0])
    assert len(answers) == 24
    assert sum(len(names) for names in homes.values()) <= 11  # by chance 14; at the end a context may be shared out
    assert set.union(*homes.values()) == {"0", "1"}


def test_a_replica_that_is_clearly_busier_gives_work_away(opened: Callable[..., VLLMReplicas]) -> None:
    """One long context must not leave the other devices idle."""
    answers = list(opened().generate(questions(1, 12, "slow")))
    counts = Counter((answer.text or "").split()[0] for answer in answers)
    assert min(counts.values()) >= 4
    assert len(counts) == 2


def test_answers_to_one_prompt_keep_their_repeats_and_seeds(opened: Callable[..., VLLMReplicas]) -> None:
    answers = list(opened().generate([request("a", "text", n=3)]))
    assert [(answer.repeat, (answer.text or "").split()[-1]) for answer in answers] == [
        (0, "100"),
        (1, "101"),
        (2, "102"),
    ]


def test_the_others_answer_for_a_replica_that_dies(opened: Callable[..., VLLMReplicas]) -> None:
    """Each answer comes exactly once, with the seed it would have had."""
    engine = opened()
    asked = [*questions(6, 2), request("last", "document x", "die, not 1", n=3), *questions(6, 2, "again")]
    asked = [item.model_copy(update={"sample_id": f"{item.sample_id}#{place}"}) for place, item in enumerate(asked)]
    answers = list(engine.generate(asked))
    wanted = Counter((item.sample_id, repeat) for item in asked for repeat in range(item.n))
    assert Counter((answer.sample_id, answer.repeat) for answer in answers) == wanted
    seeds = {answer.repeat: (answer.text or "").split()[-1] for answer in answers if "last" in answer.sample_id}
    assert seeds == {0: "100", 1: "101", 2: "102"}


def test_a_replica_killed_from_outside_is_replaced(opened: Callable[..., VLLMReplicas]) -> None:
    engine = opened()
    answers = engine.generate(questions(4, 6, "slow"))
    first = next(answers)
    os.kill(engine._replicas[0].process.pid, signal.SIGKILL)
    rest = list(answers)
    assert len({answer.sample_id for answer in [first, *rest]}) == 24 == 1 + len(rest)
    assert not engine._replicas[0].alive
    assert len(list(engine.generate(questions(2, 2)))) == 4  # the other goes on


def test_without_a_replica_left_the_engine_has_died(opened: Callable[..., VLLMReplicas]) -> None:
    engine = opened()
    with pytest.raises(EngineError, match="all 2 replicas of vLLM died") as caught:
        list(engine.generate(questions(2, 2, "die")))
    assert "--resume" in caught.value.hint
    with pytest.raises(EngineError, match="all 2 replicas"):
        list(engine.generate(questions(1, 1)))


def test_what_a_replica_said_of_its_death_is_told(opened: Callable[..., VLLMReplicas]) -> None:
    with pytest.raises(EngineError, match="out of memory"):
        list(opened(1).generate(questions(1, 1, "break")))


def test_an_early_end_leaves_the_engine_usable(opened: Callable[..., VLLMReplicas]) -> None:
    """No answer of the run that was given up comes with the next."""
    engine = opened()
    answers = engine.generate(questions(4, 4, "slow"))
    next(answers)
    answers.close()
    later = list(engine.generate([request(f"later {number}", f"document {number}") for number in range(6)]))
    assert sorted(answer.sample_id for answer in later) == [f"later {number}" for number in range(6)]


def test_requests_are_taken_as_they_are_needed(opened: Callable[..., VLLMReplicas]) -> None:
    taken = []

    def stream() -> Iterator[GenerationRequest]:
        for item in questions(50, 2):
            taken.append(item)
            yield item

    answers = opened().generate(stream())
    next(answers)
    assert len(taken) <= 2 * 4 + 2 * 4 + 2  # in flight, ahead, and one each on the way
    answers.close()


def test_long_prompts_fill_no_pipe(opened: Callable[..., VLLMReplicas]) -> None:
    answers = list(opened().generate([request(f"{number}", f"{number}" * 3_000_000) for number in range(8)]))
    assert len(answers) == 8


def test_settings_are_on_no_command_line(opened: Callable[..., VLLMReplicas]) -> None:
    engine = opened()
    for replica in engine._replicas:
        assert "s3cret" not in " ".join(map(str, replica.process.args))  # type: ignore[arg-type]
    assert engine.describe() == {"replica": "0", "data_parallel": 2}
    assert engine.max_length == 10_000


def test_a_failed_start_is_the_worker_s_own_error() -> None:
    with pytest.raises(ModelError, match="no such model") as caught:
        start(2, "corrupt")
    assert caught.value.hint == "give another"


def test_a_crash_at_the_start_tells_the_last_line() -> None:
    with pytest.raises(EngineError, match=r"did not start \(exit code 3; last line: CUDA out of memory\)"):
        start(1, "crash")


def test_closed_replicas_answer_nothing() -> None:
    engine = start(1)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="it was closed"):
        list(engine.generate(questions(1, 1)))
