"""Write the folder of a new task: one that works as it stands, to be changed line by line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import indent

from golong_eval._content import content_path
from golong_eval.errors import ConfigError, StorageError
from golong_eval.tasks.taskfile import read_task

__all__ = ["create_task"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")

_TASK = """\
# A task of your own. It works as it stands: change it piece by piece, and after each change run
#     golong tasks validate {folder}

# What --tasks and the "task" key of samples call it. Lower-case letters, digits and _.
id: {name}
name: {title}

# What it measures, in words; reports group by it.
capability: high-recall exhaustive retrieval and verification

# One of exact_match, accuracy, f1, math_verify, iou, sub_em, ndcg, pairwise_accuracy, rouge_l.
# The gold in examples.jsonl must fit: "type" is text (exact_match, accuracy), items (f1, sub_em),
# number (math_verify), table (iou), ranking (ndcg), order (pairwise_accuracy) or references (rouge_l).
metric: f1

# Raise it with every change that can move a score.
version: 1

# Tokens for the answer, without thinking.
max_tokens: 512

# Tells the form of the answer, in English and Chinese. The answer is read after the last [Answer].
answer_contract:
  en: |-
{contract_en}
  zh: |-
{contract_zh}

# Keep everything up to {{documents}} as it is: built-in tasks begin with the same words, so that all
# questions about one context share its tokens. Change the line before {{question}}.
prompt_template:
  en: |-
{template_en}
  zh: |-
{template_zh}
"""

_ENGLISH = [
    ("Tool shed, top shelf", "Two hammers, a spirit level, a box of brass screws. The blue hammer is on loan to Ines."),
    ("Tool shed, bottom shelf", "A hand saw, a plane, three clamps. The saw wants sharpening."),
    ("Lending book", "2 May: Ines has the blue hammer. 5 May: Teo has the plane. 9 May: Ines brought the hammer back."),
]
_CHINESE = [
    ("工具架上层", "锤子两把，水平尺一把，铜螺丝一盒。"),
    ("工具架下层", "手锯一把，刨子一个，夹具三个。手锯需要打磨。"),
    ("借用登记", "五月二日，小林借走水平尺。五月五日，阿泰借走刨子。五月九日，小林归还水平尺。"),
]


def create_task(name: str, parent: Path) -> Path:
    """Write ``parent/name/task.yaml`` and ``examples.jsonl``, and return the folder.

    The task validates as it stands; comments in ``task.yaml`` say what to change.

    Args:
        name: Id of the task and name of its folder: lower-case letters, digits and ``_``, a letter first.
        parent: Folder to put it in; made if it is missing.

    Raises:
        ConfigError: The name is not allowed, or the folder exists.
        StorageError: Something could not be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a task", "use lower-case letters, digits and _, with a letter first: my_task"
        )
    folder = parent / name
    model = read_task(content_path("tasks") / "t3_exhaustive_retrieval" / "task.yaml")
    definition = _TASK.format(
        name=name,
        title=name.replace("_", " ").capitalize(),
        folder=folder,
        contract_en=indent(model.answer_contract.en, "    "),
        contract_zh=indent(model.answer_contract.zh, "    "),
        template_en=indent(model.prompt_template.en, "    "),
        template_zh=indent(model.prompt_template.zh, "    "),
    )
    examples = "".join(json.dumps(example, ensure_ascii=False) + "\n" for example in _examples(name))
    try:
        folder.mkdir(parents=True)
        (folder / "task.yaml").write_text(definition, encoding="utf-8")
        (folder / "examples.jsonl").write_text(examples, encoding="utf-8")
    except FileExistsError as error:
        raise ConfigError(f"{folder} exists", "give another name, or remove it first") from error
    except OSError as error:
        raise StorageError(f"cannot write {folder} ({error.strerror})", "choose another place") from error
    return folder


def _examples(task: str) -> list[dict[str, object]]:
    return [
        _example(
            f"{task}-1",
            task,
            "en",
            _ENGLISH,
            "Whose names stand in the lending book? Write one name per line.",
            ["Ines", "Teo"],
            ["Two people have borrowed tools.\n\n[Answer]\n- Ines\n- Teo"],
            ["[Answer]\nInes", "[Answer]\nInes\nTeo\nhammer"],
        ),
        _example(
            f"{task}-2",
            task,
            "en",
            _ENGLISH,
            "Who has a tool on loan after 9 May? Write the name.",
            ["Teo"],
            ["<think>Ines brought hers back.</think>\n[Answer]\nTeo"],
            ["[Answer]\nInes\nTeo", "<think>[Answer]\nTeo</think>\nSomeone has the plane."],
        ),
        _example(
            f"{task}-3",
            task,
            "zh",
            _CHINESE,
            "五月九日以后，还有哪些工具没有归还？每行写一件。",
            ["刨子"],
            ["水平尺已经归还。\n\n[答案]\n刨子"],
            ["[答案]\n刨子\n水平尺", "[答案]\n手锯"],
        ),
    ]


def _example(
    sample: str,
    task: str,
    language: str,
    documents: list[tuple[str, str]],
    question: str,
    gold: list[str],
    right: list[str],
    wrong: list[str],
) -> dict[str, object]:
    return {
        "sample": {
            "id": sample,
            "task": task,
            "documents": [
                {"id": f"D{number}", "title": title, "text": text} for number, (title, text) in enumerate(documents, 1)
            ],
            "question": question,
            "gold": {"type": "items", "items": gold},
            "metadata": {"language": language},
        },
        "right": right,
        "wrong": wrong,
    }
