"""verl 0.9: the reward function and the rows. The advantage estimators come by themselves, by `verl_plugin`.

    python -m verl.trainer.main_ppo \
      reward.custom_reward_function.path=pkg://golong_eval.adapters.verl \
      algorithm.adv_estimator=tmn_reweight ...

`compute_score` scores rows that `write_verl_rows` wrote and the rows that GoLongRL released, and gives the numbers of
`golong_eval.rewards.score`. Any reward manager will do: mathematics runs in processes of ours that can be killed, so it
needs no main thread and no signals.

Source: verl 0.9.1; see docs/verl.md.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from golong_eval.adapters.batch_advantages import read_switch
from golong_eval.adapters.released_rows import read_row
from golong_eval.adapters.verl_rows import write_verl_rows
from golong_eval.errors import ConfigError, DataError
from golong_eval.rewards import score
from golong_eval.schema import Variant

__all__ = ["FLAGS", "compute_score", "write_verl_rows"]

_log = logging.getLogger(__name__)

FLAGS = ("unscored", "row_error", "scorer_error", "unparsed", "empty")
"""Keys beside ``score`` and ``acc``, each 0.0 or 1.0, and the same for every row: verl takes the keys of the first."""

_VERLS_OWN = frozenset({"reward_router_address", "reward_model_tokenizer"})


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: dict[str, Any] | None = None,
    *,
    variant: Variant | None = None,
    require_think: bool | str = False,
    **others: Any,
) -> dict[str, float]:
    r"""Return the reward of one response, for ``reward.custom_reward_function``.

    Never raises: in verl an exception would drop the whole group of the prompt. verl can't take "no score", so a
    failure of ours is 0.0 with ``unscored`` 1.0, and is logged once a kind; our advantage estimators leave such rows
    out. Safe to call from many threads. The arguments are not changed.

    Args:
        data_source: The column; tells released rows apart.
        solution_str: The response, decoded.
        ground_truth: The column ``reward_model.ground_truth``.
        extra_info: The column.
        variant: ``strict`` or ``official``; None: as the row says, ``strict`` for released rows. In a launch file
            ``+reward.custom_reward_function.reward_kwargs.variant=official``.
        require_think: The training gate: exactly one closed thinking, else 0 (`unparsed`). For models that think, and
            always where the chat template opens the thinking: a response that ends within it holds no tag at all. Also
            as a text, such as ``"no"``.
        **others: What verl passes for reward models; anything else does nothing, and is logged once.

    Returns:
        ``score`` and ``acc``, the metric's value; 0.0 without one. ``unscored``: the 0.0 is our failure. ``row_error``:
        the row could not be read. ``scorer_error``: the scorer failed. ``unparsed``, ``empty``: no answer in the
        metric's form.

    >>> gold = '{"golong": 1, "task": "t3", "metric": "f1[strict,v1]", "gold": ["D1", "D3"]}'
    >>> compute_score("golong_t3", "[Answer]\nD1\nD3", gold)["score"]
    1.0
    >>> compute_score("EM", "[Answer]\nno", {"doc_ids": None, "golden_label": "42", "summary": None})["score"]
    0.0
    """
    source = str(data_source)
    for name in others.keys() - _VERLS_OWN:
        _say_once(("argument", name), f"the reward takes no argument {name!r}: it does nothing")
    try:
        row = read_row(data_source, ground_truth, extra_info, variant)
        result = score(
            row.metric,
            solution_str,
            row.gold,
            language=row.language,
            require_think=read_switch("require_think", require_think),
            question=row.question,
            candidates=row.candidates,
        )
    except (KeyboardInterrupt, SystemExit):
        raise
    except (ConfigError, DataError) as error:
        return _failed(source, "row_error", error, f"a row can't be scored: {error}; {error.hint}")
    except BaseException as error:  # noqa: BLE001  # math-verify's own timeout is no Exception
        return _failed(source, "scorer_error", error, f"scoring failed: {error!r}; {getattr(error, 'hint', '')}")
    if result.value is None:
        _say_once((source, result.status), f"data_source {source!r}: {result.status}: {result.reason}")
        return _flags(0.0, unscored=True, scorer_error=True)
    return _flags(result.value, unparsed=result.status == "unparsed", empty=result.status == "empty")


def _flags(value: float, **raised: bool) -> dict[str, float]:
    return {"score": value, "acc": value} | {name: float(raised.get(name, False)) for name in FLAGS}


def _failed(source: str, flag: str, error: BaseException, message: str) -> dict[str, float]:
    _say_once((source, flag, type(error).__name__), f"data_source {source!r}: {message}")
    return _flags(0.0, unscored=True, **{flag: True})


_SAID: set[tuple[str, ...]] = set()
_SAYING = threading.Lock()


def _say_once(kind: tuple[str, ...], message: str) -> None:
    """Log an error once a kind: a step has thousands of rows."""
    with _SAYING:
        if kind in _SAID:
            return
        _SAID.add(kind)
    _log.error("%s (said once for rows like it)", message)
