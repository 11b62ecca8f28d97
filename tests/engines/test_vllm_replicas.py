"""How replicas share requests, with workers that have no model: affinity, deaths, early ends. Needs no vLLM."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from golong_eval.engines import EngineSettings, GenerationRequest
from golong_eval.engines.surrogates import without_surrogates
from golong_eval.engines.vllm import replicas as vllm_replicas
from golong_eval.engines.vllm.guard import Guard
from golong_eval.engines.vllm.replicas import Replica, VLLMReplicas
from golong_eval.errors import EngineError, ModelError
from golong_eval.schema import Generation, Prompt, Turn

FAKE = (sys.executable, "-P", str(Path(__file__).with_name("fake_replica.py")))
SETTINGS = EngineSettings(args={"data_parallel": 2, "secret": "s3cret"})


class Tokenizer:
    """As much of one as an encoder looks at when it is made."""

    chat_template = None

    def __call__(self, text: str, **_: bool) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode())}


def start(count: int, model: str = "model") -> VLLMReplicas:
    replicas = [Replica(FAKE, {"REPLICA": str(number)}) for number in range(count)]
    return VLLMReplicas.start(replicas, model, SETTINGS, Tokenizer())


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


def test_questions_about_one_conversation_go_to_one_replica(opened: Callable[..., VLLMReplicas]) -> None:
    """Its prefix is cached there, as that of documents is."""
    talks = [(Turn(role="user", content=f"talk {number}"), Turn(role="assistant", content="ok")) for number in range(8)]
    asked = [
        GenerationRequest(
            sample_id=f"{number}/{place}", prompt=Prompt(history=talk, after=f"What {place}?"), max_tokens=5
        )
        for number, talk in enumerate(talks)
        for place in range(3)
    ]
    homes = defaultdict(set)
    for answer in opened().generate(asked):
        homes[answer.sample_id.split("/")[0]].add((answer.text or "").split()[0])
    assert sum(len(names) for names in homes.values()) <= 11
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


def test_a_prompt_that_kills_replicas_fails_and_takes_no_third(opened: Callable[..., VLLMReplicas]) -> None:
    """Four replicas would all die of it, and those of every resumed run; what was beside it is answered."""
    engine = opened(4)
    answers = list(engine.generate([request("bad", "bad", "die"), *questions(10, 2)]))
    assert len(answers) == 21
    (failure,) = [answer for answer in answers if answer.error]
    assert failure.sample_id == "bad"
    assert "2 replicas of vLLM died" in str(failure.error)
    assert sum(replica.alive for replica in engine._replicas) == 2


def test_a_prompt_that_kills_the_last_replicas_is_stored_before_the_run_stops(
    opened: Callable[..., VLLMReplicas],
) -> None:
    answers = opened().generate([request("bad", "bad", "die"), *questions(9, 2, "slow")])
    seen: list[Generation] = []
    with pytest.raises(EngineError, match="all 2 replicas"):
        seen.extend(answers)
    assert [answer.sample_id for answer in seen if answer.error] == ["bad"]


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


def test_an_early_end_drops_what_a_full_replica_still_has(opened: Callable[..., VLLMReplicas]) -> None:
    """Nor is anything of the next run dropped with it."""
    engine = opened(1)
    engine._window = 30
    for number in range(5):
        answers = engine.generate(questions(30, 1, "slow"))
        next(answers)
        answers.close()
        started = time.monotonic()
        assert [answer.sample_id for answer in engine.generate([request(f"{number}", "text")])] == [f"{number}"]
        assert time.monotonic() - started < 2


def test_answers_are_yielded_while_requests_are_read(opened: Callable[..., VLLMReplicas]) -> None:
    """What is finished is stored, and not held back until enough requests are there."""
    engine = opened()
    engine._window = 50
    pulled = []

    def stream() -> Iterator[GenerationRequest]:
        for item in questions(60, 1):
            time.sleep(0.03)
            pulled.append(item)
            yield item

    answers = engine.generate(stream())
    next(answers)
    assert len(pulled) < 20
    answers.close()


def test_a_worker_answers_before_it_has_tokenised_all(opened: Callable[..., VLLMReplicas]) -> None:
    """Neither for longer than half a second, nor more than the engine has room for."""
    engine = opened(1)
    engine._window = 40

    def offered(question: str) -> int:
        answers = engine.generate(questions(40, 1, question))
        first = next(answers)
        answers.close()
        return int((first.text or "").split()[2])

    slow = offered("tokens")
    assert slow <= 3  # of a fifth of a second each
    assert offered("What?") - slow <= 3 + 4 + 1  # those of another half second, in flight, waiting


def test_a_replica_is_sent_no_more_than_it_can_hold(
    opened: Callable[..., VLLMReplicas], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By characters of prompts; a prompt that is longer than that goes alone."""
    monkeypatch.setattr(vllm_replicas, "_SENT_CHARACTERS", 1000)
    monkeypatch.setattr(vllm_replicas, "_AHEAD_CHARACTERS", 2000)
    engine = opened()
    asked = [request(f"{number}", "x" * 390 + f"{number}", "slow") for number in range(8)]
    answers = engine.generate([*asked, request("alone", "y" * 5000)])
    found = []
    for answer in answers:
        found.append(answer.sample_id)
        assert all(len(replica.jobs) <= 2 for replica in engine._replicas)
    assert len(set(found)) == 9 == len(found)


def test_two_requests_of_one_name_are_both_answered(opened: Callable[..., VLLMReplicas]) -> None:
    answers = list(opened(1).generate([request("same", "a"), request("same", "b")]))
    assert [answer.sample_id for answer in answers] == ["same", "same"]


def test_a_lone_surrogate_goes_to_no_replica(opened: Callable[..., VLLMReplicas]) -> None:
    """No pipe and no tokenizer takes one; what is sent has a question mark, as what goes to a server."""
    asked = request("a", "x \ud800 y é", "\udfffWhat?")
    (answer,) = opened(1).generate([asked])
    assert answer.error is None
    assert without_surrogates(asked).prompt == Prompt(before="Read.\n", documents="x ? y é", after="?What?")
    plain = request("a", "日本")
    assert without_surrogates(plain) is plain


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


def ends(pid: int, seconds: float) -> bool:
    """Whether a process ends in time. One that nobody reaps is at its end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


LOADING = """
import subprocess, sys, time
from golong_eval.engines.vllm.guard import Guard
guard = Guard()
worker = "import sys, time; sys.stdout.write('x'); sys.stdout.flush(); time.sleep(60)"
core = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}])"
with guard.marking():
    loader = subprocess.Popen([sys.executable, "-c", core], stdout=subprocess.PIPE)
    loader.stdout.read(1)
other = subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.DEVNULL)
print(loader.pid, other.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the guard is for Linux")
def test_what_loads_a_model_ends_with_the_process_that_asked_for_it() -> None:
    """Killed before vLLM has said what its processes are; what else this process started is let be."""
    with subprocess.Popen([sys.executable, "-c", LOADING], stdout=subprocess.PIPE, text=True) as loading:
        assert loading.stdout is not None
        loader, other = map(int, loading.stdout.readline().split())
        (grandchild,) = map(int, Path(f"/proc/{loader}/task/{loader}/children").read_text().split())
        loading.kill()
    try:
        assert ends(loader, 8)
        assert ends(grandchild, 8)
        assert not ends(other, 0.5)
    finally:
        os.kill(other, signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the guard is for Linux")
def test_a_released_guard_ends_nothing() -> None:
    guard = Guard()
    with guard.marking():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    guard.add([child.pid])
    guard.release()
    try:
        assert not ends(child.pid, 0.5)
    finally:
        child.kill()
        child.wait()


def test_a_worker_that_loads_a_model_ends_with_its_parent() -> None:
    replica = Replica(FAKE, {"REPLICA": "0"})
    inbox: vllm_replicas._Inbox = queue.SimpleQueue()
    replica.start(0, "loads", SETTINGS.model_copy(update={"args": {"secret": "s3cret"}}), inbox)
    replica.hang_up()
    assert ends(replica.process.pid, 8)
    replica.end(1)
