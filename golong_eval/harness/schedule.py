"""The order of a run's requests: what shares a prefix runs back to back, and long work starts first.

A prefix cache serves a prompt's beginning only while it is resident, so the questions about one context follow one
another, contexts that begin with the same documents are neighbours, and repeats of a prompt are one request. Between
those groups the longest goes first: a long request started last would keep the batch nearly empty to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from golong_eval.schema import Document, Sample, sha256_text

__all__ = ["Work", "context_hashes", "schedule", "with_parts"]


@dataclass(frozen=True)
class Work:
    """Answers wanted to one sample: the repeats ``repeat`` to ``repeat + n - 1``."""

    sample: Sample
    repeat: int
    n: int

    def each(self) -> list[Work]:
        """Return a piece for each of the repeats."""
        return [Work(self.sample, repeat, 1) for repeat in range(self.repeat, self.repeat + self.n)]


def schedule(
    samples: Sequence[Sample],
    repeats: int | Callable[[str], int] = 1,
    finished: Collection[tuple[str, int]] = frozenset(),
) -> list[Work]:
    """Return what is still to be asked, in the order in which to ask it. Deterministic.

    Args:
        samples: The samples of a run.
        repeats: Answers wanted of each; or what tells it by the task.
        finished: Sample ids and repeats that have their answer.
    """
    # A trie over the documents: the root is 0, every other node a document behind those before it.
    nodes: dict[tuple[int, str], int] = {}
    longest = {0: 0}
    pending: list[tuple[Sample, list[int], int, list[int]]] = []
    for sample in samples:
        wanted = repeats(sample.task) if callable(repeats) else repeats
        missing = [repeat for repeat in range(wanted) if (sample.id, repeat) not in finished]
        if not missing:
            continue
        size = sum(map(_size, sample.documents)) + len(sample.question)
        node, path = 0, []
        for text in context_hashes(sample):
            node = nodes.setdefault((node, text), len(nodes) + 1)
            longest[node] = max(longest.get(node, 0), size)
            path.append(node)
        pending.append((sample, path, size, missing))
    pending.sort(key=lambda item: [*((-longest[node], node) for node in item[1]), (-item[2], 0)])
    return [Work(sample, first, n) for sample, _, _, missing in pending for first, n in _stretches(missing)]


def with_parts(samples: Iterable[Sample], parts: int) -> Iterator[tuple[Sample, int]]:
    """Yield samples with the part of a split run that each belongs to, counted from 0.

    Whole contexts go to a part, in turn as they come, so that each part still shares its prefixes.
    """
    contexts: dict[tuple[str, ...], int] = {}
    for sample in samples:
        key = ("",) if parts == 1 else context_hashes(sample) or (sample.id,)
        yield sample, contexts.setdefault(key, len(contexts)) % parts


def context_hashes(sample: Sample) -> tuple[str, ...]:
    """Return the hashes of a sample's documents as a prompt shows them, in their order: equal hashes, equal tokens."""
    return tuple(
        f"{document.id}\x00{document.title}\x00{document.sha256 or sha256_text(document.read())}"
        for document in sample.documents
    )


def _size(document: Document) -> int:
    """Return about how long a document is, without reading it."""
    if document.text is not None:
        return len(document.text)
    assert document.path is not None
    try:
        return Path(document.path).stat().st_size
    except OSError:
        return 0  # told when it is read


def _stretches(repeats: Sequence[int]) -> list[tuple[int, int]]:
    """Return the stretches of consecutive numbers, each as its first number and its length.

    >>> _stretches([0, 1, 3])
    [(0, 2), (3, 1)]
    """
    stretches: list[tuple[int, int]] = []
    for repeat in repeats:
        if stretches and sum(stretches[-1]) == repeat:
            stretches[-1] = (stretches[-1][0], stretches[-1][1] + 1)
        else:
            stretches.append((repeat, 1))
    return stretches
