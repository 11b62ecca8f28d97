"""What is hidden of an engine's arguments before they are stored or shown."""

from __future__ import annotations

import pytest

from golong_eval.engines.arguments import masked


@pytest.mark.parametrize(
    "key",
    [
        *("cookie", "Set-Cookie", "bearer", "key", "Key", "X-Auth", "x-auth-user", "access_key", "aws-access-key-id"),
        *("Ocp-Apim-Subscription-Key", "api_key", "X-API-Key", "hf_token", "token", "Authorization", "password"),
    ],
)
def test_what_stands_under_a_secret_key_is_hidden(key: str) -> None:
    assert masked({"headers": [{key: "s3cret"}]}) == {"headers": [{key: "***"}]}


@pytest.mark.parametrize(
    "key", ["tokenizer", "max_tokens", "token_limit", "monkey", "keyword", "keys", "eos_token", "top_k"]
)
def test_ordinary_settings_stay(key: str) -> None:
    assert masked({key: "value"}) == {key: "value"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://user:pass@host", "http://***@host"),
        ("redis://:p@ss@host:80/a@b", "redis://***@host:80/a@b"),
        ("https://host/a@b?c@d", "https://host/a@b?c@d"),
        ("see http://a:b@c and http://d", "see http://***@c and http://d"),
        ("me@example.org", "me@example.org"),
    ],
)
def test_logins_in_addresses_are_hidden(value: str, shown: str) -> None:
    assert masked({"proxies": [{"all": value}]}) == {"proxies": [{"all": shown}]}
