"""What BABILong asks: for each task an instruction, two examples, and the form of the answer, in our own words."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ASKED", "instructions"]


class _Asked(NamedTuple):
    instruction: str
    examples: tuple[tuple[str, str], ...]
    """Facts with a question, and the answer."""
    form: str


_FACTS = (
    "Facts about {what} are scattered over the text below, and a question follows it. Answer from these facts alone."
)
_LATEST = " Where somebody was in several places, the latest counts."
_CARRIED = " What somebody carries goes with them; what they put down stays there."
_ONE = "Answer with one word: {choice}. Write nothing after it."
_PEOPLE = _FACTS.format(what="people and the places they go to") + _LATEST
_THINGS = _FACTS.format(what="people, the places they go to and the things they carry") + _CARRIED
_HELD = _FACTS.format(what="people and the things they carry")

_TASKS: dict[str, _Asked] = {
    "qa1": _Asked(
        _PEOPLE,
        (
            (
                "Nora walked to the cellar. Emil went over to the attic. Nora hurried to the porch. Where is Nora?",
                "The most recent location of Nora is porch.",
            ),
            (
                "Emil strolled to the barn. Nora walked to the attic. Where is Emil?",
                "The most recent location of Emil is barn.",
            ),
        ),
        "Answer in this form: The most recent location of 'person' is 'location'. Write nothing after it.",
    ),
    "qa2": _Asked(
        _THINGS,
        (
            (
                "Nora walked to the cellar. Nora took the lamp. Nora hurried to the porch. Where is the lamp?",
                "The lamp is in the porch.",
            ),
            (
                "Emil walked to the barn. Emil took the rope. Emil put down the rope. Emil went over to the attic. "
                "Where is the rope?",
                "The rope is in the barn.",
            ),
        ),
        "Answer in this form: The 'item' is in the 'location'. Write nothing after it.",
    ),
    "qa3": _Asked(
        _THINGS,
        (
            (
                "Nora walked to the cellar. Nora took the lamp. Nora hurried to the porch. "
                "Where was the lamp before the porch?",
                "Before the porch the lamp was in the cellar.",
            ),
            (
                "Emil walked to the barn. Emil took the rope. Emil strolled to the attic. Emil headed for the cellar. "
                "Where was the rope before the cellar?",
                "Before the cellar the rope was in the attic.",
            ),
        ),
        "Answer in this form: Before the 'location' the 'item' was in the 'other location'. Write nothing after it.",
    ),
    "qa4": _Asked(
        _FACTS.format(what="places and which way they lie from each other"),
        (
            ("The barn is north of the porch. The attic is south of the porch. What is the porch south of?", "barn"),
            ("The cellar is west of the attic. The porch is east of the attic. What is east of the attic?", "porch"),
        ),
        _ONE.format(choice="a location"),
    ),
    "qa5": _Asked(
        _FACTS.format(what="people who give things to each other"),
        (
            ("Nora took the lamp. Nora handed the lamp to Emil. Who did Nora give the lamp to?", "Emil"),
            ("Emil took the rope. Emil gave the rope to Nora. What did Emil give to Nora?", "rope"),
        ),
        _ONE.format(choice="a person or a thing"),
    ),
    "qa6": _Asked(
        _PEOPLE,
        (
            ("Nora walked to the cellar. Nora hurried to the porch. Is Nora in the porch?", "yes"),
            ("Emil walked to the barn. Emil strolled to the attic. Is Emil in the barn?", "no"),
        ),
        _ONE.format(choice="yes or no"),
    ),
    "qa7": _Asked(
        _HELD,
        (
            ("Nora took the lamp. Nora took the rope. How many objects is Nora carrying?", "two"),
            ("Emil took the rope. Emil put down the rope. How many objects is Emil carrying?", "none"),
        ),
        _ONE.format(choice="none, or the number as a word"),
    ),
    "qa8": _Asked(
        _HELD,
        (
            ("Nora took the lamp. Nora took the rope. What is Nora carrying?", "lamp,rope"),
            ("Emil took the rope. Emil put down the rope. What is Emil carrying?", "nothing"),
        ),
        "Answer with the things alone, a comma between them, or with the word nothing. Write nothing after it.",
    ),
    "qa9": _Asked(
        _PEOPLE,
        (
            ("Nora is in the cellar. Emil is no longer in the barn. Is Emil in the barn?", "no"),
            ("Nora walked to the porch. Emil is not in the attic. Is Nora in the porch?", "yes"),
        ),
        _ONE.format(choice="yes or no"),
    ),
    "qa10": _Asked(
        _PEOPLE,
        (
            ("Nora is either in the cellar or in the porch. Is Nora in the porch?", "maybe"),
            ("Emil walked to the barn. Nora is in the porch. Is Emil in the attic?", "no"),
        ),
        _ONE.format(choice="yes, no or maybe"),
    ),
}


def instructions(task: str) -> str:
    """Return what stands before the text: instruction, two examples, and the form of the answer."""
    asked = _TASKS[task]
    examples = "\n\n".join(f"<example>\n{facts}\nAnswer: {answer}\n</example>" for facts, answer in asked.examples)
    return f"{asked.instruction}\n\n{examples}\n\n{asked.form}\n"


ASKED: tuple[str, ...] = tuple(map(instructions, _TASKS))
"""What stands before the text, of all tasks."""
