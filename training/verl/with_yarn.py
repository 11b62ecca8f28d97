"""Make a checkpoint that takes longer prompts: the same weights, with YaRN in its config.json.

    python training/verl/with_yarn.py path/to/Qwen3-4B path/to/Qwen3-4B-yarn --factor 5.5 --original 32768

verl hands `model.override_config` to neither the rollout's server nor Megatron's bridge, which both read the
checkpoint's own config.json; so that is where the scaling has to stand, for training and rollout to agree. The weights
are linked, not copied. Qwen3's 2507 checkpoints take 262,144 tokens as they are and need none of this.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from golong_eval.engines import RopeScaling
from golong_eval.errors import ConfigError, GolongError

PUBLISHED = 163_840 + 16_384
"""Tokens of prompt and response in the launch files."""


def with_yarn(checkpoint: Path, out: Path, factor: float, original: int | None, tokens: int) -> None:
    """Write the folder ``out``.

    Raises:
        ConfigError: The checkpoint is none, already scales, or is too short; or ``out`` exists.
    """
    file = checkpoint / "config.json"
    if not file.exists():
        raise ConfigError(f"{checkpoint} holds no config.json", "name the folder of a checkpoint")
    if out.exists():
        raise ConfigError(f"{out} exists", "name a new folder")
    config = json.loads(file.read_text())
    scaling = RopeScaling(factor=factor, original_max_position_embeddings=original)
    override = scaling.overrides(config, needed=tokens)
    target = config["text_config"] if "text_config" in override else config
    # The old names of what rope_parameters says whole; two sources of one number drift apart.
    for name in ("rope_scaling", "rope_theta"):
        target.pop(name, None)
    target.update(override.get("text_config", override))
    out.mkdir(parents=True)
    for part in sorted(checkpoint.iterdir()):
        if part.name != "config.json":
            (out / part.name).symlink_to(part.resolve())
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--factor", type=float, required=True, help="how many times the original length")
    parser.add_argument("--original", type=int, help="length it was trained on; else its max_position_embeddings")
    parser.add_argument("--tokens", type=int, default=PUBLISHED, help="prompt and response, which must fit")
    given = parser.parse_args()
    try:
        with_yarn(given.checkpoint, given.out, given.factor, given.original, given.tokens)
    except GolongError as error:
        sys.exit(f"{error}\n{error.hint}")


if __name__ == "__main__":
    main()
