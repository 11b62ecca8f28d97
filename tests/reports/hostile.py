"""A run with hostile text wherever text can stand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from golong_eval import evaluate
from golong_eval.engines import GenerationRequest, ScriptedEngine
from golong_eval.harness import StoredRun, read_run
from golong_eval.schema import Document, Evidence, Sample, SampleMetadata, TableGold, TextGold
from golong_eval.tasks import SampleWriter

MARKUP = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>{{7*7}}\u2028\u2029\x00\u202egnp &amp;\"'"
"""What ends a script, is an element, a template's expression, a JavaScript line break, a NUL, or turns the writing."""


def hostile_everywhere(folder: Path) -> StoredRun:
    """Return a run with hostile text wherever text can stand: two answers, two failures and a table, 5 samples."""
    folder.mkdir(parents=True, exist_ok=True)
    document = Document(id=f"D1 {MARKUP}", title=f"title {MARKUP}", text=f"text {MARKUP} end")
    place = Evidence(document=document.id, start=0, end=len(document.text or ""), depth=0)
    metadata = SampleMetadata(evidence=(place,), difficulty=f"hard {MARKUP}")
    with SampleWriter(folder / "samples.jsonl") as writer:
        for number in range(5):
            table = TableGold(columns=(f"column {MARKUP}",), data=((f"cell {MARKUP}",), (None,)))
            writer.write(
                Sample(
                    id=f"id{number} {MARKUP}",
                    task="t5" if number == 4 else "t1",
                    documents=(document,),
                    question=f"question {MARKUP}",
                    gold=table if number == 4 else TextGold(answers=(f"gold {MARKUP}",)),
                    metadata=metadata if number % 2 else SampleMetadata(evidence=(place,), difficulty="easy"),
                )
            )

    def script(request: GenerationRequest) -> str:
        if request.sample_id.startswith(("id2", "id3")):
            raise RuntimeError(f"error {MARKUP}\ud800")
        return f"<think>thinking {MARKUP}</think>[Answer]\nparsed {MARKUP}\ud800"

    engine = ScriptedEngine(script, name=f"model {MARKUP}")
    made = evaluate(model=engine, tasks=folder / "samples.jsonl", output_dir=folder / "runs")
    run = read_run(made.run)
    # No engine of the tests has a free name, an endpoint's model has.
    return dataclasses.replace(run, results=run.results.model_copy(update={"model": f"model {MARKUP}"}))
