"""Read and write files of samples: JSONL, one `Sample` a line, with long texts beside it.

`SampleWriter` puts each distinct document text once into ``NAME.documents/<hash>.txt`` and refers to it
by path, so a context that nine questions share is on disk once. A line may also carry its texts inline.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from golong_eval.errors import ConfigError, DataError, StorageError
from golong_eval.faults import explain
from golong_eval.schema import Document, Sample, sha256_text

__all__ = ["SampleWriter", "parse_sample", "read_samples", "samples_hash"]


def read_samples(path: Path | str) -> Iterator[Sample]:
    """Yield the samples of a JSONL file, document paths made absolute. Blank lines are skipped.

    Args:
        path: The file.

    Raises:
        ConfigError: The file is missing or holds no sample.
        DataError: A line is malformed, or an id stands twice; names file and line.
    """
    path = Path(path)
    seen: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                sample = parse_sample(line, path, number)
                if sample.id in seen:
                    raise DataError(
                        f"the sample id {sample.id!r} stands in line {seen[sample.id]} too",
                        "give every sample an id of its own",
                        file=path,
                        line=number,
                    )
                seen[sample.id] = number
                yield sample
    except OSError as error:
        raise ConfigError(
            f"cannot read the samples in {path} ({error.strerror})", "give the path of a JSONL file"
        ) from error
    if not seen:
        raise ConfigError(f"{path} holds no samples", "each line is one sample; see: golong tasks show t1")


def parse_sample(line: bytes | str, file: Path, number: int) -> Sample:
    """Return the sample in one line of ``file``.

    Raises:
        DataError: The line is not a sample, or a document's path leaves the file's folder.
    """
    try:
        sample = Sample.model_validate_json(line)
    except ValidationError as error:
        problems = explain(error, Sample)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DataError(
            problems[0] + more, f"check the file with: golong tasks validate {file}", file=file, line=number
        ) from None
    for document in sample.documents:
        if document.path is not None:
            # Nobody else has this sample yet, and copying it would take longer than reading it.
            document.__dict__["path"] = _located(document, file, number)
    return sample


def _located(document: Document, file: Path, number: int) -> str:
    # pathlib would take longer than the rest of reading a sample.
    path = _below(os.path.dirname(os.path.abspath(file)), document.path or "")  # noqa: PTH100, PTH120
    # A sample file from elsewhere must not put this machine's other files into prompts.
    if path is None:
        raise DataError(
            f"document {document.id!r}: the path {document.path!r} leaves the folder of the file",
            "keep documents below the folder of the file that names them",
            file=file,
            line=number,
        )
    return path


@functools.lru_cache(maxsize=4096)
def _below(folder: str, path: str) -> str | None:
    """Return the absolute path of a file that is named from a folder; None where it leaves it. Samples share files."""
    below, name = os.path.split(path)
    found = os.path.join(_real(os.path.join(folder, below)), name)  # noqa: PTH118
    if name in ("", ".", "..") or os.path.islink(found):  # noqa: PTH114
        found = os.path.realpath(found)
    return found if found.startswith(_real(folder).rstrip(os.sep) + os.sep) else None


@functools.lru_cache(maxsize=256)
def _real(folder: str) -> str:
    """Return the real path of a folder, itself given as an absolute one; the documents of a file lie in few."""
    return os.path.realpath(folder)


def samples_hash(samples: Iterable[Sample]) -> str:
    """Return a hash over the samples' content, which names the data revision: 16 hexadecimal digits.

    Where a text lies (inline or in a file) does not matter; its hash counts. Fields without a value do
    not count, so that one added later changes no hash.
    """
    digest = hashlib.sha256()
    for sample in samples:
        documents = tuple(
            document.model_copy(update={"text": None, "path": None, "sha256": _text_hash(document)})
            for document in sample.documents
        )
        digest.update(sample.model_copy(update={"documents": documents}).model_dump_json(exclude_none=True).encode())
        digest.update(b"\n")
    return digest.hexdigest()[:16]


def _text_hash(document: Document) -> str:
    return document.sha256 or sha256_text(document.read())


class SampleWriter:
    """Write samples to ``path`` and their texts to ``path`` with the suffix ``.documents``.

    The JSONL file appears under its name only when the `with` block ends without an error.

    Args:
        path: The JSONL file to write.
        overwrite: Replace an existing file.

    Raises:
        ConfigError: The file exists and ``overwrite`` is false.
        StorageError: Something could not be written.
    """

    def __init__(self, path: Path | str, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.documents = self.path.with_suffix(".documents")
        self.count = 0
        self._temporary = self.path.with_name(self.path.name + ".part")
        self._written: set[str] = set()
        if self.path.exists() and not overwrite:
            raise ConfigError(f"{self.path} exists", "give another --out, or --overwrite")
        if self.path.suffix == ".documents":
            raise ConfigError(f"{self.path} would collide with its folder of texts", "give a name ending in .jsonl")

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("wb")
        except OSError as error:
            raise StorageError(
                f"cannot write {self.path} ({error.strerror})", "choose another place with --out"
            ) from error
        return self

    def write(self, sample: Sample) -> Sample:
        """Append one sample; return it as it will be read back."""
        stored = tuple(self._store(document) for document in sample.documents)
        line = sample.model_copy(update={"documents": stored}).model_dump_json(exclude_none=True)
        try:
            self._file.write(line.encode() + b"\n")
        except OSError as error:
            raise StorageError(
                f"cannot write {self.path} ({error.strerror})", "free some space, and run the same command again"
            ) from error
        self.count += 1
        return parse_sample(line, self.path, self.count)

    def _store(self, document: Document) -> Document:
        text = document.read()
        digest = sha256_text(text)
        name = f"{digest[:16]}.txt"
        if digest not in self._written:
            try:
                if not self._written:
                    self.documents.mkdir(exist_ok=True)
                (self.documents / name).write_bytes(text.encode("utf-8", "surrogatepass"))
            except OSError as error:
                raise StorageError(
                    f"cannot write {self.documents / name} ({error.strerror})",
                    "free some space, and run the same command again",
                ) from error
            self._written.add(digest)
        return document.model_copy(update={"text": None, "path": f"{self.documents.name}/{name}", "sha256": digest})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self._discard()
                return
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self.path)
            self._remove_stale_texts()
        except OSError as failure:
            raise StorageError(
                f"cannot write {self.path} ({failure.strerror})", "free some space, and run the same command again"
            ) from failure

    def _discard(self) -> None:
        """Remove what was written, after an error; on a full disk closing fails too, and must not keep us from it."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)
        if not self.path.exists():
            for digest in self._written:
                (self.documents / f"{digest[:16]}.txt").unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.documents.rmdir()

    def _remove_stale_texts(self) -> None:
        """Remove the texts that only an overwritten file named."""
        kept = {f"{digest[:16]}.txt" for digest in self._written}
        if self.documents.is_dir():
            for file in self.documents.glob("*.txt"):
                if file.name not in kept:
                    file.unlink()
