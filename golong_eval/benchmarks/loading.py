"""From what ``--data`` names to the samples of a benchmark: loaded, generated, or the few rows that are shipped."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from golong_eval.benchmarks.base import Benchmark
from golong_eval.errors import ConfigError, DataError
from golong_eval.schema import Sample

__all__ = ["GENERATED", "SHIPPED", "Located", "locate", "samples_of"]

GENERATED, SHIPPED = "generated", "shipped"
"""What stands in the place of a path for rows that are made, and for those that come with golong-eval."""

_DEFAULT = "data"
_ROWS = Path(__file__).parent / "rows"
_PER_TASK = 20  # rows of each task of a generated benchmark, where no limit is named


@dataclass(frozen=True)
class Located:
    """The rows of a benchmark, found and not yet read.

    Attributes:
        benchmark: The benchmark.
        path: File or folder; None for rows that are generated, or that another package loads.
        files: SHA-256 of each file, by name.
        revision: The commit that the files were fetched at, where that is known.
        shipped: They are the few rows of golong-eval's own, which measure nothing.
    """

    benchmark: Benchmark[Any]
    path: Path | None
    files: dict[str, str] = field(default_factory=dict)
    revision: str | None = None
    shipped: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """What tells the data of two runs apart."""
        if not self.files:
            return {"made": GENERATED if self.benchmark.generates else "by another package"}
        return {"files": self.files, "revision": self.revision} | ({"shipped": True} if self.shipped else {})


def locate(benchmark: Benchmark[Any], data: Sequence[str] = ()) -> Located:
    """Find the rows of a benchmark and hash their files.

    Args:
        benchmark: The benchmark.
        data: What the user named: ``NAME=PATH`` (NAME being the benchmark, or the data set that several share),
            ``NAME=generated``, ``NAME=shipped``, or folders that hold a folder for each data set.

    Raises:
        ConfigError: There are none; says how to get them. Or a file is not as it was fetched.
    """
    named = _named(benchmark, data)
    if named == SHIPPED:
        return _shipped(benchmark)
    if named == GENERATED or (named is None and benchmark.generates and benchmark.data.hub is None):
        if not benchmark.generates:
            raise ConfigError(f"{benchmark.name} can't be generated", _how_to_get(benchmark))
        return Located(benchmark, None)
    folders = [Path(part) for part in data if "=" not in part] or [Path(_DEFAULT)]
    tries = [Path(named)] if named is not None else [folder / benchmark.data_name() for folder in folders]
    found = next((path for path in tries if path.exists()), None)
    if found is None and named is None and benchmark.loads_itself:
        return Located(benchmark, None)
    if found is None:
        where = ", ".join(map(str, tries))
        raise ConfigError(f"{benchmark.name}: there is no data at {where}", _how_to_get(benchmark))
    from golong_eval.benchmarks.files import data_hash, files_of
    from golong_eval.benchmarks.hub import manifest_of

    manifest = manifest_of(found) if found.is_dir() else None
    files = files_of(found, benchmark.data.files)
    hashes = data_hash(files)
    if manifest is None:
        return Located(benchmark, found, hashes)
    noted = [manifest.files.get(file.relative_to(found).as_posix()) for file in files]
    for file, was, now in zip(files, noted, hashes.values(), strict=True):
        if was is not None and was.sha256 != now:
            raise ConfigError(
                f"{file} is not what was fetched: its hash is {now[:16]}..., and {was.sha256[:16]}... is noted",
                f"{_how_to_get(benchmark)}; rows that you changed belong into a folder of their own",
            )
    return Located(benchmark, found, hashes, manifest.commit if None not in noted else None)


def _named(benchmark: Benchmark[Any], data: Sequence[str]) -> str | None:
    names = dict(part.split("=", 1) for part in data if "=" in part)
    return names.get(benchmark.id, names.get(benchmark.data_name()))


def _shipped(benchmark: Benchmark[Any]) -> Located:
    from golong_eval.benchmarks.files import data_hash

    files = sorted(_ROWS.glob(f"{benchmark.data_name()}.json*"))
    if not files:
        raise ConfigError(f"no rows of {benchmark.name} are shipped", _how_to_get(benchmark))
    return Located(benchmark, files[0], data_hash(files[:1]), shipped=True)


def _how_to_get(benchmark: Benchmark[Any]) -> str:
    name = benchmark.data_name()
    if benchmark.data.hub is None:
        return f"--data {name}=PATH names a file or a folder" + (
            f", {name}={GENERATED} makes some" * benchmark.generates
        )
    return f"golong data fetch {name} downloads it; or name yours with --data {name}=PATH"


def samples_of(
    located: Located,
    *,
    limit: int | None,
    seed: int,
    lengths: Sequence[int],
    tokens: Callable[[], Callable[[str], int]],
) -> Iterator[Sample]:
    """Yield the samples of a benchmark, in the order of its rows.

    Args:
        located: Where its rows are.
        limit: So many of them, picked at random by `seed`: files are ordered by task, length or difficulty. Of a
            generated benchmark, so many of each of its tasks at each length.
        seed: Seed of the picking and of the generator.
        lengths: Tokens of generated prompts.
        tokens: Returns what counts the tokens of a text.

    Raises:
        DataError: A row is malformed, or its id stands twice; names the row.
    """
    benchmark = located.benchmark
    if located.path is None and benchmark.generates:
        count = tokens()
        for length in lengths:
            for number, row in enumerate(benchmark.generate(length, limit or _PER_TASK, seed, count), 1):
                sample = benchmark.sample(row, f"{length}-{number}")
                identifier = f"{benchmark.id}/{length}/{sample.id.partition('/')[2]}"
                yield sample.model_copy(update={"id": identifier})
        return
    chosen: set[int] | None = None
    if limit is not None:
        total = sum(1 for _ in benchmark.load(located.path))
        if limit < total:
            chosen = set(random.Random(f"{seed}/{benchmark.data_name()}").sample(range(total), limit))
    seen: dict[str, str] = {}
    for number, (place, row) in enumerate(benchmark.load(located.path)):
        if chosen is not None and number not in chosen:
            continue
        sample = benchmark.sample(row, place)
        if sample.documents and not any((document.text or "").strip() for document in sample.documents):
            raise DataError(f"{place}: its text is empty", "check the file: the documents of a row hold the answer")
        if sample.id in seen:
            raise DataError(
                f"{place}: the id of {sample.id!r} stands at {seen[sample.id]} too", "give every row an id of its own"
            )
        seen[sample.id] = place
        yield sample
    if not seen:
        raise ConfigError(f"{benchmark.name}: {located.path} holds no row of it", "check the file, or its --limit")
