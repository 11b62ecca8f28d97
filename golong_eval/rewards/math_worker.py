r"""The child that compares with math_verify: ``python -m golong_eval.rewards.math_worker``.

One JSON line in, one JSON line out; nothing else is ever written to its output. It limits its own memory, and dies of
an item that takes more than its CPU time (an orphan too, so that none burns a core).

    in:  [gold, answer, "strict" or "official", CPU seconds], or [] for an item that was too long to be sent
    out: {"equal": true, "gold_read": true, "answer_read": true}   or   {"error": "...", "memory": true}
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO, Any

__all__ = ["main"]

MEMORY_BYTES = 2 << 30


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on this system
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _limit_time(seconds: float, wall_seconds: float) -> None:
    """Die (the signals' default) after so much CPU time, or so much wall-clock time; 0 means no limit."""
    import signal

    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, wall_seconds)


def _far_apart(gold: list[Any], answer: list[Any]) -> bool:
    """Whether both sides are numbers more than a relative 1e-4 apart: math_verify's rounding is absolute.

    Infinities are the same only as expressions: math_verify takes them for any number. Only asked of sides that
    math_verify called equal, which are of like size up to its rounding.
    """
    from sympy import nan, oo, zoo

    values: list[Any] = []
    for found in (gold, answer):
        value: Any = next((value for value in found if not isinstance(value, str)), None)
        values.append(getattr(value, "rhs", value))
    if any(getattr(value, "has", lambda *_: False)(oo, -oo, zoo, nan) for value in values):
        return bool(values[0] != values[1])
    sides = []
    for value in values:
        if isinstance(value, (set, frozenset)) or not getattr(value, "is_number", False):
            return False
        try:
            worked_out = value.doit()
            if worked_out.has(oo, -oo, zoo, nan):
                return bool(values[0] != values[1])
            sides.append(complex(worked_out.evalf(15, maxn=60)))
        except (ArithmeticError, TypeError, ValueError):  # no number after all
            return False
    difference, size = abs(sides[0] - sides[1]), max(map(abs, sides))
    return difference > 1e-4 * size


def _compare_expressions(gold: str, answer: str) -> dict[str, Any]:
    from math_verify import parse, verify

    # A box is how both sides enter the published reward. The limits of math_verify are off: the parent has its own.
    read = [parse(rf"\boxed{{{text}}}", parsing_timeout=None) for text in (gold, answer)]
    proper = [any(not isinstance(value, str) for value in values) for values in read]
    equal = all(proper) and verify(read[0], read[1], timeout_seconds=None)
    equal = equal and not _far_apart(*read)
    return {"equal": bool(equal), "gold_read": proper[0], "answer_read": proper[1]}


def _compare_published(gold: str, text: str) -> dict[str, Any]:
    """Find the answer in a text as the published reward does, and compare it."""
    from math_verify import parse, verify

    read = parse(text, parsing_timeout=None)
    if len(read) < 2:
        return {"equal": False, "gold_read": True, "answer_read": False}
    equal = read[1] == gold or verify(parse(rf"\boxed{{{gold}}}", parsing_timeout=None), read, timeout_seconds=None)
    return {"equal": bool(equal), "gold_read": True, "answer_read": True}


def _reply(request: list[Any]) -> dict[str, Any]:
    if not request:
        return {"error": "too long to be compared"}
    gold, answer, rules, seconds = request
    _limit_time(seconds, 10 * seconds + 5)
    from sympy.core.random import seed

    seed(0)  # sympy tries expressions at random points: the same item must give the same verdict
    try:
        return (_compare_published if rules == "official" else _compare_expressions)(gold, answer)
    except MemoryError:
        return {"error": "out of memory", "memory": True}
    except (Exception, RecursionError) as error:  # noqa: BLE001  # reported to the parent, item by item
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    finally:
        _limit_time(0, 0)


def _serve(source: IO[bytes], sink: IO[bytes]) -> None:
    for line in iter(source.readline, b""):
        sink.write(json.dumps(_reply(json.loads(line))).encode() + b"\n")
        sink.flush()


def main() -> None:
    """Serve requests from standard input until it ends."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not look like a reply
    _limit_memory()
    try:
        import math_verify  # noqa: F401  # loaded before the first item, whose time is limited

        ready: dict[str, Any] = {"ready": True}
    except Exception as error:  # noqa: BLE001  # the parent reports it
        ready = {"ready": False, "error": f"{type(error).__name__}: {error}"}
    sink.write(json.dumps(ready).encode() + b"\n")
    sink.flush()
    if ready["ready"]:
        _serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
