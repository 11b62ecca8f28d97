"""Make the study's tokenizer from the training documents and the tasks' prompts.

python training/study/make_tokenizer.py
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from model import WORK, make_tokenizer

from golong_eval.tasks import BUILDERS, load_tasks

REPEATS = 30
"""The prompts stand in every sample: their words are worth tokens of their own."""


def main() -> None:
    """Write the tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, default=WORK / "documents")
    parser.add_argument("--out", type=Path, default=WORK / "tokenizer")
    given = parser.parse_args()
    texts = [file.read_text(encoding="utf-8") for file in sorted(given.documents.glob("*.txt"))]
    specs = load_tasks()
    for task, builder in BUILDERS.items():
        spec = specs[task]
        prompts = [spec.prompt_template.en, spec.answer_contract.en, *(wording.en for wording in builder.wordings)]
        texts += prompts * REPEATS
    tokenizer = make_tokenizer(texts)
    tokenizer.save_pretrained(given.out)
    config = given.out / "tokenizer_config.json"
    stated = json.loads(config.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    config.write_text(json.dumps(stated, indent=2) + "\n")
    print(f"{given.out}: {len(tokenizer)} tokens")


if __name__ == "__main__":
    main()
