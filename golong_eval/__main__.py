"""``python -m golong_eval`` is the command `golong`."""

from golong_eval.cli.main import main

main()
