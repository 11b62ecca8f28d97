"""Runs inside the environment of bfcl-eval: has its own package ask the memory questions, and writes down the answers.

    path/to/bfcl/bin/python bfcl_driver.py --model M --base-url http://localhost:8000/v1 --out FOLDER

`golong bfcl` starts it. It imports the standard library and bfcl_eval alone, because their pins clash with ours. The
conversations that fill the memory, the questions, the tools and the verdicts are bfcl-eval's; ours is the choice of
questions, the handler of any OpenAI-compatible server, and the file that is written:

    FOLDER/answers.jsonl   one line a question: id, backend, scenario, question, ground_truth, response or error, valid

The key of the server comes from the environment (OPENAI_API_KEY) and is taken out of every message. bfcl-eval evaluates
calls that a model writes with Python's ``eval``: run it where that may do no harm.

Source: bfcl-eval 2025.10.27.1 (Berkeley Function-Calling Leaderboard v4).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import multiprocessing
import os
import random
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["BACKENDS", "ENTRY", "FAILED", "SCENARIOS", "VERSION", "main", "repair"]

VERSION = "2025.10.27.1"
BACKENDS = ("kv", "vector", "rec_sum")
SCENARIOS = ("student", "customer", "finance", "healthcare", "notetaker")
ENTRY = "golong"
"""Name of the model in bfcl-eval's list, and of its folder of results; the server is asked for the real one."""
FAILED = "Error during inference"
"""How a result begins that bfcl-eval writes in the place of the answer where a request failed."""

Entry = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Ask what has not been asked, and write all answers.

    Returns:
        0: done, whatever failed stands in the file; 3: it can't be done, and the last event says why.
    """
    arguments = _arguments().parse_args(argv)
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what bfcl-eval prints goes to the log, and events alone to whoever reads them

    def tell(**event: object) -> None:
        try:
            events.write(json.dumps(event) + "\n")
            events.flush()
        except OSError:  # whoever started this is gone: an error here would be written down as the model's
            os._exit(4)

    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [entry for entry in sys.path if not entry or str(Path(entry).resolve()) != here]
    out = Path(arguments.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.environ["BFCL_PROJECT_ROOT"] = str(out)
    if arguments.base_url:
        os.environ["OPENAI_BASE_URL"] = arguments.base_url
    os.environ.setdefault("OPENAI_API_KEY", "none")  # the client wants one; servers at home do not
    os.environ.update(TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # as bfcl-eval's main
    multiprocessing.set_start_method("spawn", force=True)
    try:
        version = importlib.metadata.version("bfcl-eval")
        run = _Run(arguments, out, tell)
    except _CannotError as error:
        tell(event="refused", message=str(error))
        return 3
    except (ImportError, importlib.metadata.PackageNotFoundError) as error:
        tell(event="refused", message=f"bfcl-eval does not import ({type(error).__name__}: {error})")
        return 3
    tell(event="start", version=version, python=sys.version.split()[0], questions=len(run.questions))
    run.ask()
    tell(event="done", **run.record())
    return 0


class _CannotError(Exception):
    """What was asked for can't be done here."""


class _Run:
    """The questions that were chosen, with bfcl-eval set up to ask them."""

    def __init__(self, arguments: argparse.Namespace, out: Path, tell: Callable[..., None]) -> None:
        self.arguments, self.out, self.tell = arguments, out, tell
        self.generation: Any = importlib.import_module("bfcl_eval._llm_response_generation")
        self.utils: Any = importlib.import_module("bfcl_eval.utils")
        self.results = out / "result"
        for backend in arguments.backends:
            self._check_backend(backend)
        entries = [one for backend in arguments.backends for one in self.utils.load_dataset_entry(f"memory_{backend}")]
        asked = [one for one in entries if "prereq" not in one["id"]]
        self.questions = _chosen(asked, arguments)
        needed = {name for one in self.questions for name in one["depends_on"]}
        self.chains: dict[str, list[str]] = {_chain_of(one): list(one["depends_on"]) for one in self.questions}
        self.entries = [one for one in entries if one["id"] in needed] + self.questions
        # Its own code changes what it asks.
        self.texts = {one["id"]: _question_of(one) for one in self.questions}
        self.scenarios = {one["id"]: str(one["scenario"]) for one in self.questions}
        self._register()

    def _check_backend(self, backend: str) -> None:
        name = f"bfcl_eval.eval_checker.multi_turn_eval.func_source_code.memory_{backend}"
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever it is, all questions of the back end would meet it
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise _CannotError(f"the back end {backend} can't be used ({reason})") from error

    def _register(self) -> None:
        config: Any = importlib.import_module("bfcl_eval.constants.model_config")
        own = _handler_class(self.tell, len(self.entries))
        config.MODEL_CONFIG_MAPPING[ENTRY] = config.ModelConfig(
            model_name=self.arguments.model,
            display_name=self.arguments.model,
            url="",
            org="",
            license="",
            model_handler=own,
            is_fc_model=self.arguments.fc,
        )

    def ask(self) -> None:
        """Have bfcl-eval ask what it has no result of; what failed before, and what rests on it, is asked again."""
        for backend in self.arguments.backends:
            repair(self.results / ENTRY / "agentic" / "memory" / backend, backend, self._all_chains(backend))
        # What its `main` does, with the questions that were chosen.
        options = argparse.Namespace(
            temperature=self.arguments.temperature,
            num_threads=self.arguments.threads,
            result_dir=self.results,
            run_ids=False,
            allow_overwrite=False,
            include_input_log=False,
            exclude_state_log=True,
        )
        categories = [f"memory_{backend}" for backend in self.arguments.backends]
        cases = self.generation.collect_test_cases(options, ENTRY, categories, list(self.entries))
        self.tell(event="progress", done=len(self.entries) - len(cases), total=len(self.entries))
        if cases:
            _DONE.count = len(self.entries) - len(cases)
            self.generation.generate_results(options, ENTRY, cases)

    def _all_chains(self, backend: str) -> dict[str, list[str]]:
        """Return the conversations of each scenario of a back end in order, also of those not chosen."""
        entries = self.utils.load_dataset_entry(f"memory_{backend}")
        return {one["scenario"]: list(one["depends_on"]) for one in entries if "prereq" not in one["id"]}

    def record(self) -> dict[str, Any]:
        """Write ``answers.jsonl``; return what the harness tells of it."""
        runner: Any = importlib.import_module("bfcl_eval.eval_checker.eval_runner")
        handler = runner.get_handler(ENTRY)
        found = {one["id"]: one for backend in self.arguments.backends for one in self._results_of(backend)}
        golds = {one["id"]: one["ground_truth"] for one in self.utils.load_ground_truth_entry("memory_kv")}
        lines, filling = [], {"prompt_tokens": 0, "completion_tokens": 0}
        for chain in self.chains.values():
            for name in chain:
                counts = _tokens(found.get(name, {}))
                filling = {key: filling[key] + counts[key] for key in filling}
        for question in self.questions:
            line = self._line(question, found, golds, handler, runner)
            lines.append(json.dumps(line, ensure_ascii=False))
        file = self.out / "answers.jsonl"
        temporary = file.with_suffix(".part")
        temporary.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
        temporary.replace(file)
        return {"answers": len(lines), "filling": filling}

    def _results_of(self, backend: str) -> list[Entry]:
        folder = self.results / ENTRY / "agentic" / "memory" / backend
        return [one for file in sorted(folder.glob("*_result.json")) for one in _lines(file)]

    def _line(
        self, question: Entry, found: dict[str, Entry], golds: dict[str, Any], handler: Any, runner: Any
    ) -> Entry:
        name = question["id"]
        backend = name.removeprefix("memory_").rpartition("_")[0]
        gold = golds[name.replace(f"memory_{backend}", "memory", 1)]
        result = found.get(name, {})
        line: Entry = {
            "id": name,
            "backend": backend,
            "scenario": self.scenarios[name],
            "question": self.texts[name],
            "ground_truth": gold,
            "response": None,
            "error": self._error(question, found),
            "valid": False,
            "steps": 0,
            **_tokens(result),
        }
        if line["error"] is not None:
            return line
        said: list[Any] = result["result"]
        verdict = runner._evaluate_single_agentic_entry(  # its verdict, not one like it
            handler, name, said, gold, {"id": name, "question": line["question"]}, ENTRY, f"memory_{backend}"
        )
        last = _last_message(said, handler)
        # As its checker turns into text what is none: calls whose arguments are no JSON.
        if isinstance(last, list) and last:
            last = last[0]
        return line | {
            "response": "" if not last else str(last),
            "valid": bool(verdict["valid"]),
            "steps": len(said[0]),
        }

    def _error(self, question: Entry, found: dict[str, Entry]) -> str | None:
        for name in self.chains[_chain_of(question)]:
            fault = _fault(found.get(name))
            if fault is not None:
                return f"a conversation that fills the memory failed: {fault}"
        return _fault(found.get(question["id"]))


def repair(folder: Path, backend: str, chains: dict[str, list[str]]) -> None:
    """Take from the results of a back end what has to be asked again, and set the memories back to what is kept.

    bfcl-eval keeps every result it has: those that say that a request failed, and those that rest on a memory which a
    failed conversation left half filled. A conversation that was interrupted after its memory was saved, and before
    its result was, would be held twice.

    Args:
        folder: The back end's folder of results.
        backend: Its name.
        chains: By scenario, the ids of the conversations that fill the memory, in order.
    """
    if not folder.is_dir():
        return
    first = folder / f"BFCL_v4_memory_{backend}_prereq_result.json"
    second = folder / f"BFCL_v4_memory_{backend}_result.json"
    held, answered = _lines(first), _lines(second)
    good = {one["id"] for one in held if _fault(one) is None}
    kept: set[str] = set()
    for scenario, chain in chains.items():
        last = None
        for name in chain:
            checkpoint = folder / "memory_snapshot" / "prereq_checkpoints" / f"{name}.json"
            if name not in good or not checkpoint.is_file():
                break
            kept.add(name)
            last = checkpoint
        final = folder / "memory_snapshot" / f"{scenario}_final.json"
        if last is not None:
            final.write_bytes(last.read_bytes())
        elif final.exists():
            final.unlink()
    whole = {scenario for scenario, chain in chains.items() if kept.issuperset(chain)}
    _write(first, [one for one in held if one["id"] in kept])
    _write(second, [one for one in answered if _fault(one) is None and _scenario(one["id"]) in whole])


def _handler_class(tell: Callable[..., None], total: int) -> Any:
    """Return bfcl-eval's handler of OpenAI-compatible servers, with progress, and the key out of what it raises."""
    base: Any = importlib.import_module("bfcl_eval.model_handler.api_inference.openai_completion")

    class Handler(base.OpenAICompletionsHandler):  # type: ignore[misc]
        def __init__(self, *positional: Any, **named: Any) -> None:
            super().__init__(*positional, **named)
            # bfcl-eval evaluates calls with this in them, and only '-', '.' and '/' are replaced: org/m:7b would break.
            self.model_name_underline_replaced = ENTRY

        def inference(self, test_entry: Entry, *rest: Any, **named: Any) -> Any:
            failed = False
            try:
                return super().inference(test_entry, *rest, **named)
            except Exception as error:  # noqa: BLE001  # told again, without the key
                failed = True
                raise RuntimeError(_without_key(f"{type(error).__name__}: {error}")) from None
            finally:
                with _DONE.lock:
                    _DONE.count += 1
                    _DONE.failed += failed
                    tell(event="progress", done=_DONE.count, total=total, failed=_DONE.failed)

    return Handler


class _Counter:
    """Entries that are done."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = self.failed = 0


_DONE = _Counter()


def _chosen(questions: list[Entry], arguments: argparse.Namespace) -> list[Entry]:
    """Return the questions of the scenarios, and at most `limit` of each back end, the same of each."""
    chosen = [one for one in questions if one["scenario"] in arguments.scenarios]
    if arguments.limit is None:
        return chosen
    numbers = sorted({_number(one["id"]) for one in chosen})
    if arguments.limit < len(numbers):
        numbers = random.Random(arguments.seed).sample(numbers, arguments.limit)
    return [one for one in chosen if _number(one["id"]) in numbers]


def _number(name: str) -> int:
    return int(name.rpartition("_")[2].partition("-")[0])


def _scenario(name: str) -> str:
    return name.rpartition("_")[2].split("-")[1]


def _chain_of(question: Entry) -> str:
    backend = question["id"].removeprefix("memory_").rpartition("_")[0]
    return f"{backend}/{question['scenario']}"


def _question_of(entry: Entry) -> str:
    return "\n".join(str(said["content"]) for said in entry["question"][0] if said["role"] == "user")


def _last_message(said: Any, handler: Any) -> Any:
    """Return the last step that is no call which can be decoded, as bfcl-eval's runner finds it."""
    empty: Any = importlib.import_module("bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils")
    last = None
    for step in said[0]:
        try:
            if empty.is_empty_execute_response(handler.decode_execute(step, has_tool_call_tag=False)):
                last = step
        except Exception:  # noqa: BLE001  # what can't be decoded is a message
            last = step
    return last


def _fault(result: Entry | None) -> str | None:
    if result is None:
        return "it was not asked"
    said = result.get("result")
    if isinstance(said, str):
        return _without_key(said.removeprefix(f"{FAILED}: "))[:2_000] or "no result"
    return None if isinstance(said, list) and said and isinstance(said[0], list) else "no list of steps came back"


def _tokens(result: Entry) -> dict[str, int]:
    counts = {"prompt_tokens": result.get("input_token_count"), "completion_tokens": result.get("output_token_count")}
    return {key: int(sum(_numbers(value))) for key, value in counts.items()}


def _numbers(value: object) -> Iterable[float]:
    if isinstance(value, list):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield value


def _lines(file: Path) -> list[Entry]:
    """Return the results of a file; a line that a crash tore is none."""
    if not file.is_file():
        return []
    found: dict[str, Entry] = {}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            found[entry["id"]] = entry
    return list(found.values())


def _write(file: Path, entries: list[Entry]) -> None:
    if not entries:
        file.unlink(missing_ok=True)
        return
    temporary = file.with_suffix(".part")
    temporary.write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")
    temporary.replace(file)


def _without_key(text: str) -> str:
    key = os.environ.get("OPENAI_API_KEY", "")
    return text.replace(key, "***") if len(key) > 4 else text


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Ask the memory questions of BFCL v4 by bfcl-eval's own code.")
    parser.add_argument("--model", required=True, help="what the server calls the model")
    parser.add_argument("--base-url", help="address of an OpenAI-compatible server")
    parser.add_argument("--out", required=True, help="folder of results; what is there is kept")
    parser.add_argument("--backends", type=_names(BACKENDS), default=list(BACKENDS))
    parser.add_argument("--scenarios", type=_names(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, help="questions of each back end, picked at random")
    parser.add_argument("--seed", type=int, default=0, help="seed of the picking")
    parser.add_argument("--no-fc", dest="fc", action="store_false", help="tools in the prompt, not in the request")
    return parser


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        wrong = [name for name in names if name not in known]
        if wrong or not names:
            raise argparse.ArgumentTypeError(f"{', '.join(wrong) or 'nothing'} is none of {', '.join(known)}")
        return list(dict.fromkeys(names))

    return read


if __name__ == "__main__":
    sys.exit(main())
