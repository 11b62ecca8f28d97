"""``golong doctor``: what is installed, and what was tested."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["doctor"]


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Say which packages golong-eval works with are installed here, and at which versions they were tested."""
    from dataclasses import asdict

    from golong_eval.adapters.tested import check_installation
    from golong_eval.reports.table import table
    from golong_eval.reports.terminal import json_text, shown

    here, packages = check_installation()
    if json:
        typer.echo(json_text({**here, "packages": [asdict(one) for one in packages]}))
        return
    rows = []
    for one in packages:
        tested = one.tested
        if one.version is None:
            said = f"pip install '{tested.install}'"
        else:
            same = one.version.partition("+")[0] == tested.version
            said = tested.note if same else "another version than was tested"
        rows.append([tested.package, one.version or "–", tested.version, tested.purpose, said])
    lines = [f"golong-eval {here['golong-eval']}, Python {here['python']}, {here['platform']}", ""]
    typer.echo(shown("\n".join(lines + table(["package", "here", "tested", "for", ""], rows, range(0)))))
