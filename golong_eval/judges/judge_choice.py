"""From plain settings to a judge."""

from __future__ import annotations

from collections.abc import Sequence

from golong_eval.errors import ConfigError
from golong_eval.judges.cached_judge import CachedJudge
from golong_eval.judges.endpoint_judge import EndpointJudge
from golong_eval.judges.engine_judge import EngineJudge
from golong_eval.judges.judge import Judge
from golong_eval.judges.panel import Panel

__all__ = ["open_judge"]


def open_judge(
    models: str | Sequence[str],
    *,
    base_url: str | None = None,
    api_key_env: str | None = "OPENAI_API_KEY",
    max_tokens: int = 1024,
    concurrency: int = 16,
    timeout: float = 600.0,
    swap: bool = False,
    cache: str | None = None,
) -> Judge:
    """Return a judge.

    Args:
        models: Models of the server; without one, folders or hub names of checkpoints that are loaded here, all at
            once. The majority of several decides; a comma parts them too.
        base_url: Address of an OpenAI-compatible server.
        api_key_env: The environment variable that holds its key.
        max_tokens: Budget of a reply; a model that thinks needs some thousands.
        concurrency: Requests at once, of each judge.
        timeout: Seconds for one attempt of a request.
        swap: Ask in both orders.
        cache: File that keeps verdicts across runs.

    Raises:
        ConfigError: No model is named, two are the same, the address is none, or a number is too low.
        StorageError: The cache is none, or can't be used.
    """
    given = [models] if isinstance(models, str) else models
    names = [name.strip() for one in given for name in one.split(",") if name.strip()]
    if not names:
        raise ConfigError("no judge is named", "give --judge MODEL")
    judges: list[Judge] = []
    for model in names:
        made: Judge = (
            EngineJudge(model, max_tokens=max_tokens, swap=swap)
            if base_url is None
            else EndpointJudge(
                model,
                base_url,
                api_key_env=api_key_env,
                max_tokens=max_tokens,
                concurrency=concurrency,
                timeout=timeout,
                swap=swap,
            )
        )
        judges.append(made if cache is None else CachedJudge(made, cache))
    return judges[0] if len(judges) == 1 else Panel(judges)
