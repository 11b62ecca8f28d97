"""The options that name a judge or an embedder, declared once for the verbs that take them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from golong_eval.errors import ConfigError

__all__ = [
    "EmbedderModel",
    "JudgeBudget",
    "JudgeCache",
    "JudgePrice",
    "JudgeSwap",
    "KeyEnv",
    "ServerUrl",
    "embedder_settings",
    "judge_settings",
]

ServerUrl = Annotated[str | None, typer.Option(metavar="URL", help="Its OpenAI-compatible server.")]
KeyEnv = Annotated[str, typer.Option(help="Environment variable that holds its key.")]
JudgeBudget = Annotated[int, typer.Option(help="Budget of its reply; more for one that thinks.")]
JudgeSwap = Annotated[bool, typer.Option(help="Ask it twice, in both orders.")]
JudgeCache = Annotated[str | None, typer.Option(metavar="FILE", help="Keeps verdicts across runs.")]
JudgePrice = Annotated[
    str | None, typer.Option(metavar="IN,OUT", help="Price of a million tokens of its prompts and replies.")
]
EmbedderModel = Annotated[str | None, typer.Option(metavar="MODEL", help="Embeddings for summaries' semantic half.")]


def judge_settings(
    *,
    judge: list[str] | None,
    judge_url: str | None,
    judge_key_env: str,
    judge_max_tokens: int,
    judge_swap: bool,
    judge_cache: str | None,
    judge_price: str | None,
) -> dict[str, Any] | None:
    """Return the fields of `golong_eval.harness.JudgeSettings`; None where no judge is named.

    Raises:
        ConfigError: A server is named, and no judge.
    """
    if not judge:
        if judge_url is not None:
            raise ConfigError("--judge-url is given, and no judge", "name a model of that server with --judge MODEL")
        return None
    return {
        "models": tuple(judge),
        "base_url": judge_url,
        "api_key_env": judge_key_env,
        "max_tokens": judge_max_tokens,
        "swap": judge_swap,
        "cache": judge_cache,
        "price": judge_price,
    }


def embedder_settings(
    *,
    embedder: str | None,
    embedder_url: str | None,
    embedder_key_env: str,
    embedder_cache: str | None,
) -> dict[str, Any] | None:
    """Return the fields of `golong_eval.harness.EmbedderSettings`; None where no embedder is named.

    Raises:
        ConfigError: A server is named, and no embedder.
    """
    if embedder is None:
        if embedder_url is not None:
            raise ConfigError("--embedder-url is given, and no embedder", "name its model with --embedder MODEL")
        return None
    return {
        "model": embedder,
        "base_url": embedder_url,
        "api_key_env": embedder_key_env,
        "cache": embedder_cache,
    }
