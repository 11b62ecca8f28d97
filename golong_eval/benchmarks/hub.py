"""Fetch the files of a data set from the Hugging Face hub, at a commit that is noted beside them."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from golong_eval._optional import require
from golong_eval.benchmarks.base import DataSource
from golong_eval.errors import ConfigError, DataError, GolongError, StorageError
from golong_eval.schema import Frozen

__all__ = ["FetchedFile", "HubFiles", "Manifest", "describe", "fetch", "manifest_of"]

_MANIFEST = "golong-data.json"
_SECONDS = 10  # for one request that asks about a data set


class FetchedFile(Frozen):
    """A file as it was fetched."""

    bytes: int = Field(ge=0)
    sha256: str


class Manifest(Frozen):
    """What was fetched: ``golong-data.json`` in the folder of a data set."""

    repo: str
    revision: str
    """As it was asked for."""
    commit: str
    fetched: str
    """UTC, ISO 8601."""
    files: dict[str, FetchedFile]
    """By path below the folder."""


@dataclass(frozen=True)
class HubFiles:
    """The files of a data set at a commit.

    Attributes:
        repo: The data set.
        commit: The commit that a branch or tag stands at.
        files: Size in bytes by path.
        sha256: What the hub itself says of large files.
    """

    repo: str
    commit: str
    files: dict[str, int]
    sha256: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(self.files.values())


def manifest_of(folder: Path) -> Manifest | None:
    """Return what a folder's note says; None where it has none, or a damaged one.

    Args:
        folder: The folder of a data set.
    """
    try:
        return Manifest.model_validate_json((folder / _MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def describe(source: DataSource, revision: str | None = None) -> HubFiles:
    """Ask the hub which files a data set has, and how large they are.

    Args:
        source: The data set.
        revision: Commit, branch or tag; None is that of the source.

    Raises:
        ConfigError: There is no network, no such data set or revision, none of its files, or it is gated.
        MissingExtraError: huggingface_hub is not installed.
    """
    hub = require("huggingface_hub", "hub", "downloading data")
    if source.hub is None:
        raise ConfigError("these rows are made, not downloaded", "run the benchmark, or name a file with --data")
    asked = revision or source.revision
    try:
        info: Any = hub.HfApi().dataset_info(source.hub, revision=asked, files_metadata=True, timeout=_SECONDS)
    except Exception as error:
        raise _told(source, asked, error) from error
    listed = info.siblings or []
    sizes = {one.rfilename: one.size or 0 for one in listed}
    files = {name: size for name, size in sizes.items() if _matches(name, source.files)}
    if not files:
        there = ", ".join(sorted(sizes)[:10])
        raise ConfigError(
            f"{source.hub} at {asked} has no {', '.join(source.files)}; it has {there}",
            "give another --revision, or download its files yourself and name them with --data",
        )
    large = {one.rfilename: one.lfs.sha256 for one in listed if one.rfilename in files and one.lfs is not None}
    return HubFiles(source.hub, str(info.sha), files, large)


def fetch(
    source: DataSource,
    folder: Path,
    *,
    revision: str | None = None,
    overwrite: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Download the files of a data set into a folder, and note there what they are.

    Files that are there already and whole are kept, so a download that was cut off goes on.

    Args:
        source: The data set.
        folder: Where its files go.
        revision: Commit, branch or tag; None is that of the source.
        overwrite: Replace files of another commit.
        on_progress: Told of each file.

    Raises:
        ConfigError: As `describe`; or the folder holds another commit.
        DataError: A file is not what is known of it by its hash.
        StorageError: A file can't be written.
    """
    hub = require("huggingface_hub", "hub", "downloading data")
    found = describe(source, revision)
    noted = manifest_of(folder)
    if noted is not None and (noted.repo, noted.commit) != (found.repo, found.commit) and not overwrite:
        raise ConfigError(
            f"{folder} holds {noted.repo} at {noted.commit[:12]}, and this is {found.repo} at {found.commit[:12]}",
            "give another --to, or --overwrite",
        )
    _check_room(folder, found)
    files: dict[str, FetchedFile] = {}
    for place, (name, size) in enumerate(found.files.items(), 1):
        on_progress(f"{name} ({place} of {len(found.files)}, {size / 1e6:,.0f} MB)")
        files[name] = _fetched(hub, source, found, name, folder, force=False)
        was = noted.files.get(name) if noted is not None and noted.commit == found.commit else None
        if not _is_whole(files[name], found, name) or (was is not None and was.sha256 != files[name].sha256):
            # What lay there was damaged, or changed.
            files[name] = _fetched(hub, source, found, name, folder, force=True)
            if not _is_whole(files[name], found, name):
                raise DataError("is not what the hub says it has", "get it again later", file=folder / name)
        known, own = source.sha256.get(Path(name).name), files[name].sha256
        if known is not None and known != own:
            raise DataError(
                f"its hash is {own[:16]}..., and {known[:16]}... is known of it",
                "it is another revision of the data, whose scores may not compare, or was damaged on its way",
                file=folder / name,
            )
    manifest = Manifest(
        repo=found.repo,
        revision=revision or source.revision,
        commit=found.commit,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
        files=files,
    )
    try:
        (folder / _MANIFEST).write_text(json.dumps(manifest.model_dump(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder / _MANIFEST, error) from error
    return manifest


def _fetched(hub: Any, source: DataSource, found: HubFiles, name: str, folder: Path, *, force: bool) -> FetchedFile:
    """Download a file, or what is missing of it, and return what it is."""
    try:
        file = Path(
            hub.hf_hub_download(
                found.repo,
                name,
                repo_type="dataset",
                revision=found.commit,
                local_dir=folder,
                etag_timeout=_SECONDS,
                force_download=force,
            )
        )
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return FetchedFile(bytes=file.stat().st_size, sha256=digest)
    except OSError as error:
        if error.errno is not None:  # the disk's, not the network's
            raise _unwritable(folder / name, error) from error
        raise _told(source, found.commit, error) from error
    except Exception as error:
        if "No space left" in str(error):  # as the hub's own transfer library says it
            raise _unwritable(folder / name, OSError(errno.ENOSPC, "No space left on device")) from error
        raise _told(source, found.commit, error) from error


def _is_whole(file: FetchedFile, found: HubFiles, name: str) -> bool:
    return file.bytes == found.files[name] and found.sha256.get(name, file.sha256) == file.sha256


def _check_room(folder: Path, found: HubFiles) -> None:
    """Raise where the disk has no room for what is not there yet, before anything is downloaded."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    missing = sum(size for name, size in found.files.items() if not (folder / name).is_file())
    free = shutil.disk_usage(there).free
    if missing > free:
        raise StorageError(
            f"{found.repo} takes {missing / 1e6:,.0f} MB, and the disk of {there} has {free / 1e6:,.0f} MB free",
            "free some space, or give another --to",
        )


def _unwritable(file: Path, error: OSError) -> StorageError:
    hint = "free some space" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "check the folder and its rights"
    return StorageError(f"cannot write {file} ({error.strerror})", hint)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for pattern in patterns)


def _told(source: DataSource, revision: str, error: Exception) -> GolongError:
    """Return the error for a user, by what the hub said."""
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/datasets/{source.hub}"
    own = "or download its files elsewhere, and name them with --data"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return ConfigError("HF_HUB_OFFLINE is set, so nothing is downloaded", f"unset it; {own}")
    # What a request for a file met is wrapped in "the file is not here either".
    while isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return ConfigError(f"{source.hub} is gated", f"accept its terms at {page}, then: hf auth login; {own}")
    if isinstance(error, errors.RevisionNotFoundError):
        return ConfigError(f"{source.hub} has no revision {revision!r}", f"see {page}/commits/main")
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return ConfigError(f"the hub has no public data set {source.hub}", f"see {page}; {own}")
    if isinstance(error, errors.EntryNotFoundError) and status is not None:
        return ConfigError(f"a file of {source.hub} is gone", f"see {page}/tree/{revision}; {own}")
    if status in {401, 403}:
        return ConfigError(f"the hub does not let you read {source.hub} (HTTP {status})", f"hf auth login; {own}")
    said = f"HTTP {status}" if status is not None else f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
    return ConfigError(f"the hub does not answer for {source.hub} ({said})", f"check the network; {own}")
