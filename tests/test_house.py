"""The house rules: who may import whom, what an import costs, and that the public names are the real ones."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import golong_eval

PACKAGE = Path(golong_eval.__file__).parent

# A module may import from its own package and from the floors above its own in this list.
FLOORS = [
    {"errors"},
    {"text", "_optional", "_content", "_forks"},
    {"schema", "faults"},
    {"rewards", "statistics", "advantages"},
    {"tasks"},
    {"engines"},
    {"judges"},
    {"benchmarks"},
    {"harness"},
    {"reports", "leaderboards", "data", "adapters"},
    {"training"},
    {"cli"},
    {"__main__"},
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}

HEAVY = (
    "torch",
    "transformers",
    "vllm",
    "sklearn",
    "scipy",
    "nltk",
    "jieba",
    "numpy",
    "rapidfuzz",
    "math_verify",
    "sympy",
    "rouge_score",
    "bs4",
    "pypdf",
    "tokenizers",
    "aiohttp",
    "sentence_transformers",
    "matplotlib",
    "ray",
    "pyarrow",
    "huggingface_hub",
    "lm_eval",
    "inspect_ai",
)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_respect_the_floors(path: Path) -> None:
    own = room(path)
    if own == "__init__":
        return  # the front door names every floor, lazily
    assert own in FLOOR, f"{own} has no floor: add it to FLOORS"
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            names = [node.module or ""]
            if node.module == "golong_eval":
                names = [f"golong_eval.{alias.name}" for alias in node.names if alias.name != "__version__"]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] != "golong_eval" or len(parts) < 2 or parts[1] == own:
                continue
            assert FLOOR[parts[1]] < FLOOR[own], f"{path}:{node.lineno}: {own} may not import {parts[1]}"


@pytest.mark.parametrize(
    "statement",
    [
        "import golong_eval",
        "import golong_eval.rewards",
        "import golong_eval.cli.main",
        "import golong_eval.tasks",
        "import golong_eval.judges",
        "from golong_eval.benchmarks import load_benchmarks; load_benchmarks()",
    ],
)
def test_an_import_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys\n{statement}\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_help_loads_neither_pydantic_nor_rich() -> None:
    """What keeps ``golong --help`` under 0.3 s; the time itself is in bench/."""
    code = (
        "import sys\nfrom golong_eval.cli.main import main\n"
        "try:\n    main(['--help'])\n"
        f"finally:\n    print([n for n in ('pydantic', 'rich', *{HEAVY!r}) if n in sys.modules], file=sys.stderr)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: golong" in out.stdout
    assert out.stderr.strip() == "[]"


def public_modules() -> list[str]:
    return ["golong_eval"] + [
        info.name
        for info in pkgutil.walk_packages([str(PACKAGE)], "golong_eval.")
        if not info.name.endswith("__main__") and not info.name.endswith("math_worker")
    ]


NEEDS = {"golong_eval.training.trl_trainer": "trl"}
"""Modules whose classes derive from another package's."""


@pytest.mark.parametrize("name", public_modules())
def test_all_names_exist(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(name)
    for exported in getattr(module, "__all__", ()):
        if f"{name}.{getattr(module, '_HOME', {}).get(exported)}" in NEEDS:
            pytest.importorskip(NEEDS[f"{name}.{module._HOME[exported]}"])
        assert hasattr(module, exported), f"{name}.__all__ names {exported!r}"


def test_the_front_door_offers_what_it_names() -> None:
    assert set(golong_eval.__all__) == set(golong_eval._HOME)
    assert set(golong_eval.__all__) <= set(dir(golong_eval))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        golong_eval.nonsense  # noqa: B018


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_names_and_lengths(path: Path) -> None:
    assert path.stem not in {"utils", "helpers", "misc", "common"}
    assert len(path.read_text().splitlines()) <= 600
