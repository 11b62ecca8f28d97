"""Draw the README's picture: the table of a run, as an SVG.

python docs/picture.py RUN_FOLDER docs/table.svg
"""

from __future__ import annotations

import re
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from golong_eval.harness import Results
from golong_eval.reports import results_text


def main() -> None:
    """Write the picture."""
    run, out = (Path(argument) for argument in sys.argv[1:3])
    results = Results.model_validate_json((run / "results.json").read_bytes())
    lines = results_text(results).splitlines()[:-1]  # without the folder, which is this machine's
    console = Console(record=True, width=max(map(len, lines)) + 1, file=StringIO())
    console.print(Text("$ make eval\n" + "\n".join(lines)))
    drawn = console.export_svg(title="golong run")
    # rich points to fonts on a server; the picture loads nothing.
    out.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
