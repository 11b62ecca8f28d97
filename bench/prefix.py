"""Measure what the order of requests saves: prompt tokens that vLLM computes, and time, for three orders.

    python bench/prefix.py                        # the embedded checkpoint, on whatever device vLLM runs
    python bench/prefix.py --model org/model --documents 64 --tokens 16000

Every document is asked eight questions, greedy and in float32, over a KV cache that holds about two documents. The
orders: by document, as a run orders its requests; random; question by question, which is the order of most
benchmarks' files. The floor counts every distinct prefix of tokens once: no order can compute less. What vLLM computes
again after it has put a running request back (a preemption) is not in its counts; they are printed.
Needs the extra [vllm].
"""

from __future__ import annotations

import argparse
import os
import pydoc_data.topics
import random
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from golong_eval.engines import EngineSettings, GenerationRequest, embedded_model
from golong_eval.engines.vllm import VLLMEngine
from golong_eval.harness.schedule import schedule
from golong_eval.schema import Document, Prompt, Sample, TextGold

QUESTIONS = (
    "Which statement of these pages surprises you most?",
    "What is said of exceptions?",
    "Name a function that is described here.",
    "What must a class define?",
    "Which example has a loop in it?",
    "When is a name bound?",
    "What is new in the latest version?",
    "Which term is defined first?",
)
FEWER = 4.0  # times fewer tokens than the random order
NEAR = 1.2  # times the floor

Orders = dict[str, list[GenerationRequest]]


class Measured(NamedTuple):
    """One order's result."""

    prompt: int
    computed: int
    seconds: float
    preemptions: int
    texts: dict[str, str | None]


def documents(count: int, tokens: int, tokenizer: Any) -> list[str]:
    """Return texts of about so many tokens each, at least, of CPython's own documentation, without overlap."""
    paragraphs = [
        f"{paragraph}\n\n"
        for name, text in sorted(pydoc_data.topics.topics.items())
        for paragraph in (name, *text.split("\n\n"))
    ]
    found: list[str] = []
    pages, size = "", 0
    for paragraph in paragraphs:
        pages += paragraph
        size += len(tokenizer(paragraph)["input_ids"])
        if size >= tokens:
            found.append(pages)
            pages, size = "", 0
        if len(found) == count:
            return found
    raise SystemExit(
        f"the documentation makes {len(found)} documents of {tokens} tokens: ask for fewer or shorter ones"
    )


def orders(texts: Sequence[str], max_tokens: int, seed: int) -> Orders:
    """Return the same requests in three orders."""
    samples = [
        Sample(
            id=f"{number}/{place}",
            task="bench",
            documents=(Document(id=f"D{number}", text=text),),
            question=question,
            gold=TextGold(answers=("-",)),
        )
        for place, question in enumerate(QUESTIONS)
        for number, text in enumerate(texts)
    ]
    by_id = {
        sample.id: GenerationRequest(
            sample_id=sample.id,
            prompt=Prompt(documents=sample.documents[0].read(), after=f"\n\n{sample.question}"),
            max_tokens=max_tokens,
        )
        for sample in samples
    }
    shuffled = list(by_id.values())
    random.Random(seed).shuffle(shuffled)
    return {
        "by document": [by_id[work.sample.id] for work in schedule(samples)],
        "random": shuffled,
        "question by question": list(by_id.values()),
    }


def floor(prompts: Sequence[Sequence[int]], block: int) -> int:
    """Return the number of distinct prefixes of some prompts, in blocks of so many tokens (1: in tokens), as tokens.

    What is left of a prompt behind its last whole block is never cached, and counts each time.
    """
    blocks: set[int] = set()
    rest = 0
    for prompt in prompts:
        key = 0
        for start in range(0, len(prompt) - block + 1, block):
            key = hash((key, *prompt[start : start + block]))
            blocks.add(key)
        rest += len(prompt) % block
    return len(blocks) * block + rest


def preemptions(engine: VLLMEngine) -> int:
    """Return how often vLLM has put a running request back so far."""
    return sum(metric.value for metric in engine._llm.get_metrics() if metric.name == "vllm:num_preemptions")


def measure(engine: VLLMEngine, requests: Sequence[GenerationRequest]) -> Measured:
    """Run requests in their order over an empty prefix cache."""
    if not engine.reset_prefix_cache():
        raise SystemExit("vLLM could not reset its prefix cache")
    before, started = preemptions(engine), time.perf_counter()
    answers = list(engine.generate(requests))
    seconds = time.perf_counter() - started
    failed = [answer.error for answer in answers if answer.error is not None]
    if failed or len(answers) != len(requests):
        raise SystemExit(f"{len(answers)} answers to {len(requests)} requests, failures: {failed[:1]}")
    prompt = sum(answer.prompt_tokens for answer in answers)
    computed = prompt - sum(answer.cached_tokens or 0 for answer in answers)
    texts = {answer.sample_id: answer.text for answer in answers}
    return Measured(prompt, computed, seconds, preemptions(engine) - before, texts)


def main() -> None:
    """Measure the orders and print the table and the verdicts; exit code 1 where one is FAIL."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=embedded_model())
    parser.add_argument("--documents", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=2500, help="of a document, at least")
    parser.add_argument("--answer", type=int, default=8, help="tokens of an answer")
    parser.add_argument("--seed", type=int, default=0, help="of the random order")
    options = parser.parse_args()

    from transformers import AutoTokenizer

    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    texts = documents(options.documents, options.tokens, tokenizer)
    sizes = [len(tokenizer(text)["input_ids"]) for text in texts]
    block = 128
    one = -(-(sum(sizes) // len(sizes)) // block)  # blocks of a document
    longest = -(-(max(sizes) + 200) // block) * block
    # Two documents, and for each question about one of them the block that it does not share; one is vLLM's own.
    cache = max(2 * one + len(QUESTIONS) + 1, longest // block + 1)
    settings = EngineSettings(
        max_model_len=longest,
        args={
            "dtype": "float32",
            "enforce_eager": True,
            "block_size": block,
            "num_gpu_blocks_override": cache,
            "disable_log_stats": False,
        },
    )
    engine = VLLMEngine.open(options.model, settings)
    assert isinstance(engine, VLLMEngine)
    wanted = orders(texts, options.answer, options.seed)
    prompts = [engine._encoder.encode(request).ids for request in wanted["random"]]  # type: ignore[union-attr]
    in_tokens, in_blocks = floor(prompts, 1), floor(prompts, block)
    measure(engine, wanted["by document"][: len(QUESTIONS)])  # warm
    results = {}
    for name, requests in wanted.items():
        results[name] = measure(engine, requests)
        print(f"{name}: done", file=sys.stderr)
    described = engine.describe()
    engine.close()

    print(f"vLLM {described['vllm']}, torch {described['torch']}, {described['device']}, {described['dtype']}")
    print(
        f"{len(texts)} documents of {min(sizes)} to {max(sizes)} tokens, {len(QUESTIONS)} questions each, answers of "
        f"{options.answer} tokens; KV cache of {cache} blocks of {block} tokens, {cache / one:.1f} documents\n"
    )
    best = results["by document"]
    print("| order | prompt tokens | computed | of the floor | seconds | preemptions | same answers |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, row in results.items():
        same = sum(row.texts[key] == text for key, text in best.texts.items()) / len(best.texts)
        print(
            f"| {name} | {row.prompt:,} | {row.computed:,} | {row.computed / in_tokens:.2f} | {row.seconds:.1f} "
            f"| {row.preemptions} | {same:.0%} |"
        )
    print(f"\n{len(set(best.texts.values()))} different answers")
    print(f"floor: {in_tokens:,} distinct prefixes of tokens; {in_blocks:,} tokens in whole blocks of {block}\n")
    fewer = results["random"].computed / best.computed
    faster = results["random"].seconds / best.seconds
    near = best.computed / in_tokens
    print(f"{'PASS' if fewer >= FEWER else 'FAIL'}: {fewer:.2f} times fewer tokens than random (at least {FEWER})")
    print(f"{'PASS' if near <= NEAR else 'FAIL'}: {near:.3f} times the floor in tokens (at most {NEAR})")
    print(
        f"by document is {faster:.2f} times as fast as random, "
        f"{results['question by question'].seconds / best.seconds:.2f} times as fast as question by question"
    )
    sys.exit(0 if fewer >= FEWER and near <= NEAR else 1)


if __name__ == "__main__":
    main()
