"""What counts as a word, a term and a language, in English and Chinese.

A *compound* is a run of word characters together with the connectors inside it: ``built-in``, ``os.path``,
``don't``, ``www.debian.org``. A *term* is a compound of letters alone. A text states a term *cleanly* when
every place where its letters stand, in any case, is the whole term by itself: then a count by whole words, by
regular expression and by plain substring all agree, and no reader can argue about inflections.
Chinese has no spaces: terms are proposed by jieba and counted as substrings.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from typing import Literal

from golong_eval._optional import require
from golong_eval.schema import Language

__all__ = ["STOP_WORDS", "border_free", "document_language", "fold", "hyphenated", "is_term", "term_counts", "zh_words"]

_COMMON = """
about above across after again against also although always among another anything around because been before
being below between both cannot could does doing done down during each either else even ever every everything
first from further given gives have having here hers herself himself however http https into itself just last
least less like made make makes many more most much must need needs never next none nothing only onto other
others otherwise ours over same second several shall should since some something still such take than that their
theirs them themselves then there therefore these they thing things this those though three through thus together
toward under until upon used uses using very were what when where whether which while whom whose will with within
without would your yours
the and for not but are was you all any can had her his how its may new now off one our out own see she too two
use way who why yet
一个 一些 一样 一种 不会 不同 不是 不能 为了 什么 他们 以及 以后 以前 任何 但是 你们 使用 具有 其中 其他 其它 包括 却是
可以 可能 各种 同时 后来 因为 因此 如何 如果 对于 就是 已经 并且 当时 很多 必须 怎么 我们 或者 所以 所有 所有的
是否 有些 没有 然后 然而 现在 用户 由于 的话 称为 这个 这些 这样 这种 进行 通过 那个 那些 那么 都是 需要 非常
"""
STOP_WORDS = frozenset(_COMMON.split())
"""Words that are everywhere, and make poor questions."""

_COMPOUND = re.compile(r"\w+(?:[-'’./@:\\=&+~#%]+\w+)*")
_BROKEN = re.compile(r"(\w+)[-\u2010\u00ad][ \t]*\n\s*(\w+)|(\w+)\u00ad(\w+)")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_SAMPLE = 20_000
"""Characters that the language is told from."""


def fold(text: str) -> str:
    """Fold every run of white space into one space."""
    return " ".join(text.split())


def document_language(text: str) -> Language | Literal["unspaced"] | None:
    """Return ``en``, ``zh``, None (another language with spaces) or ``unspaced`` (Japanese, Thai and others).

    >>> document_language("The cat sat on the mat and it was not for you."), document_language("这是一个文档。")
    ('en', 'zh')
    """
    sample = text[:_SAMPLE]
    letters = len(_LETTER.findall(sample))
    han = len(_HAN.findall(sample))
    kana = len(_KANA.findall(sample))
    if letters and len(_UNSPACED.findall(sample)) > 0.3 * letters:
        return "zh" if han > 0.3 * letters and kana < 0.1 * han else "unspaced"
    words = re.findall(r"[^\W\d_]+", sample.lower())
    common = sum(word in _ENGLISH for word in words)
    return "en" if words and common >= 0.06 * len(words) else None


_TELLING = "the of and to that for are this with by not from you which"
_ENGLISH = frozenset(_TELLING.split())


def is_term(word: str, language: Language) -> bool:
    """Return whether a lower-case word can stand in a question as a term."""
    if word in STOP_WORDS:
        return False
    if language == "zh":
        return 2 <= len(word) <= 6 and len(_HAN.findall(word)) == len(word) and border_free(word)
    return 4 <= len(word) <= 24 and word.isalpha() and not _UNSPACED.search(word)


def border_free(word: str) -> bool:
    """Return whether no beginning of the word is also its end, so that it can't overlap itself."""
    return all(not word.endswith(word[:size]) for size in range(1, len(word)))


def term_counts(text: str, language: Language) -> Counter[str]:
    """Count the terms of a text, in lower case.

    For English a count leaves out places inside longer words and compounds; for Chinese it follows jieba's
    segmentation. Either is only a proposal: builders count again by substring.
    """
    words = zh_words(text) if language == "zh" else _COMPOUND.findall(text.lower())
    return Counter({word: count for word, count in Counter(words).items() if is_term(word, language)})


def hyphenated(text: str) -> set[str]:
    """Return the lower-case words that are broken over two lines, or hold a soft hyphen: whole, and their parts."""
    found = set()
    for match in _BROKEN.finditer(text):
        left, right = (part.lower() for part in match.groups() if part is not None)
        found |= {left, right, left + right}
    return found


def zh_words(text: str) -> list[str]:
    """Return jieba's segmentation of a text.

    Raises:
        MissingExtraError: jieba is not installed.
    """
    jieba = require("jieba", "zh", "building questions over Chinese documents")
    jieba.setLogLevel(logging.WARNING)
    words: list[str] = jieba.lcut(text)
    return words
