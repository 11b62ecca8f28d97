"""Run folders that are large without having been run: many samples, or one of a million tokens."""

from __future__ import annotations

import json
from pathlib import Path

from golong_eval.harness import StoredRun, read_run, rescore_run
from golong_eval.schema import Document, Evidence, Generation, Prompt, Sample, SampleMetadata, TextGold
from golong_eval.tasks import SampleWriter, load_catalogue

FACT = "\U0001d7d9 The keeper of the lighthouse is Ada. "
FILLER = "The tide came in, the tide went out, and nobody wrote down at what hour. <b>Nothing</b> happened.\n"


def write_run(folder: Path, documents: list[str], samples: int, *, extra: str = "", repeats: int = 1) -> StoredRun:
    """Write a run of t1 whose samples take turns with the documents; answers are right, wrong, cut off and failed."""
    spec = load_catalogue().get("t1")
    (folder / "predictions").mkdir(parents=True)
    settings = {
        "repeats": repeats,
        "seed": 0,
        "context": "full",
        "include": [],
        "engine": "scripted",
        "task_identities": {"t1": f"{spec.version} {spec.prompt_hash}"},
    }
    config = {"model_name": "large", "started": "2026-01-02T03:04:05+00:00", "settings": settings}
    (folder / "config.json").write_text(json.dumps(config))
    prompts, answers = [], []
    with SampleWriter(folder / "samples.jsonl") as writer:
        for number in range(samples):
            text = documents[number % len(documents)]
            start = text.index(FACT) + 2
            place = Evidence(document="D1", start=start, end=start + len(FACT) - 3, depth=start / len(text))
            sample = writer.write(
                Sample(
                    id=f"s{number:06d}",
                    task="t1",
                    documents=(Document(id="D1", title="Log", text=text),),
                    question=f"Who keeps light number {number}?",
                    gold=TextGold(answers=("Ada",)),
                    metadata=SampleMetadata(evidence=(place,), length=len(text) // 4),
                )
            )
            asked = Prompt(before="Read.\n", documents="", after=f"{sample.question}\nAnswer briefly.")
            digest = f"{number:064x}"
            prompts.append(
                json.dumps(
                    {
                        "hash": digest,
                        "sample_id": sample.id,
                        "context": "full",
                        "before": asked.before,
                        "after": asked.after,
                    }
                )
            )
            for repeat in range(repeats):
                kind = (number + repeat) % 4
                answers.append(
                    Generation(
                        sample_id=sample.id,
                        repeat=repeat,
                        text=None if kind == 3 else f"<think>{extra}</think>\n[Answer]\n" + ("Bob" if kind else "Ada"),
                        finish_reason=("stop", "stop", "length", "error")[kind],
                        error="HTTP 503" if kind == 3 else None,
                        prompt_tokens=0 if kind == 3 else len(text) // 4 + number % 50,
                        completion_tokens=0 if kind == 3 else 10 + number % 90,
                        seconds=None if kind == 3 else 0.5 + number % 7,
                        prompt_hash=digest,
                    ).model_dump_json()
                )
    (folder / "prompts.jsonl").write_text("\n".join(prompts) + "\n")
    (folder / "predictions" / "t1.jsonl").write_text("\n".join(answers) + "\n")
    rescore_run(folder)
    return read_run(folder)


def long_text(characters: int, depth: float) -> str:
    """Return a text with the fact at a depth."""
    lines = [FILLER] * (characters // len(FILLER))
    lines.insert(int(depth * len(lines)), FACT + "\n")
    return "".join(lines)
