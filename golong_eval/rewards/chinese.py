"""Cut Chinese into words with jieba."""

from __future__ import annotations

import warnings
from typing import Any

from golong_eval._forks import fork_safe_lock
from golong_eval._optional import require

__all__ = ["SEGMENTER", "Segmenter"]

_RUN = 100  # jieba's model of unknown words is quadratic in a run without punctuation


class Segmenter:
    """jieba's own dictionary, loaded once a process, untouched by what a program adds to the global one."""

    def __init__(self) -> None:
        self._tokenizer: Any = None
        self._lock = fork_safe_lock()

    def ready(self) -> None:
        """Load jieba and its dictionary.

        Raises:
            MissingExtraError: jieba is not installed.
        """
        if self._tokenizer is not None:
            return
        with self._lock:
            if self._tokenizer is None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # jieba imports pkg_resources, which warns
                    jieba = require("jieba", "zh", "rouge_l on Chinese text")
                jieba.setLogLevel("WARNING")
                tokenizer = jieba.Tokenizer()
                tokenizer.initialize()
                self._tokenizer = tokenizer

    def words(self, text: str) -> list[str]:
        """Return the words of a text as ``jieba.cut(text, cut_all=False)`` gives them.

        >>> SEGMENTER.words("委员会在三月开会")
        ['委员会', '在', '三月', '开会']
        """
        self.ready()
        words: list[str] = self._tokenizer.lcut(text)
        return words

    def words_of_run(self, run: str) -> list[str]:
        """Return the words of a run of Chinese characters, cut after every hundredth."""
        return [word for i in range(0, len(run), _RUN) for word in self.words(run[i : i + _RUN])]


SEGMENTER = Segmenter()
"""The segmenter that this process shares."""
