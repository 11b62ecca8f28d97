"""How benchmarks of short answers compare texts: normalised as SQuAD does it, by words, or as a part."""

from __future__ import annotations

import re
import string
from collections import Counter

from golong_eval.schema import Language
from golong_eval.text import fold

__all__ = ["covers", "first_line", "last_line", "normalized", "normalized_zh", "reads_alike", "token_f1"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_PUNCTUATION_ZH = frozenset(
    string.punctuation
    + "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､"
    + "、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."
)
_NUMBERS = re.compile(r"(?:(?<![\w.])[-−])?[0-9]+(?:\.[0-9]+)?")
_LONGEST = 50_000  # characters of a Chinese answer that are cut into words: seconds of jieba's time


def normalized(text: str) -> str:
    """Return a text in lower case, without ASCII punctuation and articles, white space collapsed.

    >>> normalized("The  Cat, a dog.")
    'cat dog'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def normalized_zh(text: str) -> str:
    """Return a Chinese text in lower case without punctuation and white space.

    >>> normalized_zh("“猫”， A。")
    '猫a'
    """
    return "".join(letter for letter in text.lower() if letter not in _PUNCTUATION_ZH and not letter.isspace())


def token_f1(answer: str, gold: str, language: Language = "en") -> float:
    """Return the harmonic mean of precision and recall over the words of two texts, each as often as it stands.

    Chinese is cut by jieba, each word normalised by itself; of an answer, the first 50,000 characters are.

    >>> round(token_f1("The red fox", "a fox"), 3)
    0.667
    """
    one, other = (_words(text, language) for text in (answer, gold))
    common = (Counter(one) & Counter(other)).total()
    if not common:
        return 0.0
    precision, recall = common / len(one), common / len(other)
    return 2 * precision * recall / (precision + recall)


def _words(text: str, language: Language) -> list[str]:
    if language != "zh":
        return normalized(text).split()
    from golong_eval.rewards.chinese import SEGMENTER

    SEGMENTER.ready()
    words = (normalized_zh(word) for word in SEGMENTER.words(text[:_LONGEST]))
    return [word for word in words if word]


def covers(text: str, answer: str) -> bool:
    """Return whether a text holds an answer as whole words, both normalised; one that normalises to nothing is in none.

    >>> covers("It was Paris, of course.", "paris"), covers("Parisian", "Paris"), covers("x", "The")
    (True, False, False)
    """
    wanted = normalized(answer)
    return bool(wanted) and f" {wanted} " in f" {normalized(text)} "


def reads_alike(said: str, gold: str) -> bool:
    """Return whether two answers are the same text, normalised if that leaves something of them: "A" is an article.

    Their numbers have to be the same before that, which takes signs and points away.

    >>> reads_alike("the U.S.", "US"), reads_alike("a", "A"), reads_alike("a", "the"), reads_alike("15", "1.5")
    (True, True, False, False)
    """
    if fold(said) == fold(gold):
        return True
    same_numbers = _NUMBERS.findall(said.replace(",", "")) == _NUMBERS.findall(gold.replace(",", ""))
    return same_numbers and normalized(said) == normalized(gold) != ""


def last_line(text: str) -> str:
    """Return the last line with something on it; empty where there is none."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def first_line(text: str) -> str:
    r"""Return the first line after leading line ends, as some data sets of LongBench are scored.

    >>> first_line("\n\nyes\nno")
    'yes'
    """
    return text.lstrip("\n").split("\n")[0]
