"""Write the study's training documents: the docstrings and comments of CPython's own standard library, as text.

    python training/study/documents.py

One text file a module, with a heading for each class. Every machine with CPython has them, nothing is imported or
run. The held-out set is over other text (``pydoc``, the language reference): a paragraph that shares a run of eight
words with it is left out here.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import io
import platform
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

from model import WORK

LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "pydoc_data", "__pycache__", "encodings"}
SHINGLE = 8
LEAST = 400
"""Characters of a document that is worth writing."""


def main() -> None:
    """Write the documents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WORK / "documents")
    out = parser.parse_args().out
    count, characters, dropped = write_documents(out)
    print(f"CPython {platform.python_version()}: {count} documents, {characters:,} characters in {out}")
    print(f"{dropped} paragraphs left out because the held-out text has words of theirs")


def write_documents(out: Path) -> tuple[int, int, int]:
    """Write the documents into a folder; return how many, their characters, and the paragraphs left out."""
    out.mkdir(parents=True, exist_ok=True)
    root = Path(sysconfig.get_paths()["stdlib"])
    held_out = _held_out_shingles()
    count = characters = dropped = 0
    for file in sorted(root.rglob("*.py")):
        name = file.relative_to(root)
        if LEFT_OUT & set(name.parts) or name.parts[0].startswith("config-"):
            continue
        kept = []
        for paragraph in _module_text(file, _module_name(name)).split("\n\n"):
            if held_out & _shingles(paragraph):
                dropped += 1
            else:
                kept.append(paragraph)
        text = "\n\n".join(kept).strip() + "\n"
        if len(text) < LEAST:
            continue
        (out / f"{_module_name(name)}.txt").write_text(text, encoding="utf-8")
        count += 1
        characters += len(text)
    return count, characters, dropped


def _module_name(name: Path) -> str:
    parts = list(name.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _module_text(file: Path, module: str) -> str:
    try:
        source = file.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return ""
    blocks = [f"{module}\n{'*' * len(module)}"]
    if doc := ast.get_docstring(tree):
        blocks.append(doc)
    comments = dict(_comments(source))
    for node in tree.body:
        blocks += _node_text(node, "")
        end = node.end_lineno or node.lineno
        inside = [comments.pop(line) for line in sorted(comments) if line <= end]
        blocks += inside
    blocks += [comments[line] for line in sorted(comments)]
    return "\n\n".join(_tidy(block) for block in blocks if block.strip())


def _node_text(node: ast.AST, prefix: str) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        name = prefix + node.name
        doc = ast.get_docstring(node)
        if doc:
            yield f"{name}\n{'=' * len(name)}\n\n{doc}"
        for child in node.body:
            yield from _node_text(child, f"{name}.")
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        doc = ast.get_docstring(node)
        if doc and len(doc.split()) >= 6:
            yield f"{prefix}{node.name}({ast.unparse(node.args)})\n\n{doc}"


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of three lines and more that read as prose, with their first lines' numbers."""
    run: list[tuple[int, str]] = []
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return
    own_line = {
        token.start[0]
        for token in tokens
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
    }
    for token in [*tokens, None]:
        if token is not None and token.type == tokenize.COMMENT and token.start[0] in own_line:
            if run and token.start[0] != run[-1][0] + 1:
                yield from _prose(run)
                run = []
            run.append((token.start[0], token.string.lstrip("#").removeprefix(" ").rstrip()))
    yield from _prose(run)


def _prose(run: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    text = inspect.cleandoc("\n".join(line for _, line in run))
    words = text.split()
    if len(run) >= 3 and sum(word.isalpha() for word in words) >= 0.6 * len(words):
        yield run[0][0], text


def _tidy(block: str) -> str:
    lines = [line.rstrip() for line in block.expandtabs().splitlines()]
    return "\n".join(lines).strip("\n")


def _held_out_shingles() -> set[str]:
    from pydoc_data import topics

    found: set[str] = set()
    for text in topics.topics.values():
        found |= _shingles(text)
    return found


def _shingles(text: str) -> set[str]:
    words = text.lower().split()
    return {" ".join(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}


if __name__ == "__main__":
    main()
