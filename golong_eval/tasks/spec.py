"""What a task is: capability, metric, answer contract and prompts, as read from its ``task.yaml``."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from golong_eval.errors import DataError
from golong_eval.rewards import MetricSpec
from golong_eval.schema import Document, Frozen, Language, Prompt, Sample, sha256_text

__all__ = ["ContextMode", "Localized", "TaskSpec", "document_heading", "render_document"]

ContextMode = Literal["full", "none", "evidence"]
"""Which documents a prompt shows: all, none (the floor), or only those with evidence (the ceiling)."""

_PLACEHOLDER = re.compile(r"\{(documents|question|answer_contract)\}")
_NO_DOCUMENTS = {"en": "(The documents are withheld.)", "zh": "（文档未提供。）"}


class Localized(Frozen):
    """One text in each prompt language."""

    en: str = Field(pattern=r"\S")
    zh: str = Field(pattern=r"\S")

    def get(self, language: Language) -> str:
        """Return the text for a language."""
        return self.zh if language == "zh" else self.en


class TaskSpec(Frozen):
    """A task: one capability, its metric, and how it is asked."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str = Field(pattern=r"\S")
    capability: str = Field(pattern=r"\S")
    metric: MetricSpec
    version: int = Field(ge=1)
    """Raised by every change that can move a score."""
    max_tokens: int = Field(ge=1)
    """Default budget for the answer, without thinking."""
    answer_contract: Localized
    prompt_template: Localized
    """Holds ``{documents}``, then ``{question}`` and ``{answer_contract}``, each once."""

    @field_validator("prompt_template")
    @classmethod
    def _placeholders(cls, template: Localized) -> Localized:
        for language in ("en", "zh"):
            found = _PLACEHOLDER.findall(template.get(language))
            if sorted(found) != ["answer_contract", "documents", "question"]:
                raise ValueError(
                    f"{language}: needs {{documents}}, {{question}} and {{answer_contract}}, each once; has {found}"
                )
            if found[0] != "documents":
                raise ValueError(f"{language}: {{documents}} must come first, so that questions share a token prefix")
        return template

    @property
    def prompt_hash(self) -> str:
        """First 12 digits of the SHA-256 over the prompts and contracts in all languages."""
        parts = (self.prompt_template.en, self.prompt_template.zh, self.answer_contract.en, self.answer_contract.zh)
        return sha256_text("\x00".join(parts))[:12]

    def prompt(self, sample: Sample, context: ContextMode = "full") -> Prompt:
        """Render the prompt of a sample.

        Args:
            sample: The sample; its language picks the prompt.
            context: Which documents to show.

        Raises:
            DataError: ``context="evidence"`` and the sample records no evidence.
            DocumentError: A document can't be read.
        """
        language = sample.metadata.language
        if context == "none":
            shown: tuple[Document, ...] = ()
        elif context == "evidence":
            cited = {place.document for place in sample.metadata.evidence}
            if not cited:
                raise DataError(
                    f"sample {sample.id!r} records no evidence",
                    "use --context full or none, or add metadata.evidence to the sample",
                )
            shown = tuple(document for document in sample.documents if document.id in cited)
        else:
            shown = sample.documents
        documents = "\n\n".join(render_document(document) for document in shown)
        fields = {"question": sample.question, "answer_contract": self.answer_contract.get(language)}
        before, _, after = self.prompt_template.get(language).partition("{documents}")
        return Prompt(
            before=before,
            documents=documents or _NO_DOCUMENTS[language],
            after=_PLACEHOLDER.sub(lambda match: fields[match[1]], after).rstrip(),
        )


def document_heading(document: Document) -> str:
    """Return the line above a document: ``Document D1: title``, in every language of questions."""
    title = document.title.strip()
    return f"Document {document.id}: {title}" if title else f"Document {document.id}"


def render_document(document: Document) -> str:
    """Return a document under its heading."""
    return f"{document_heading(document)}\n{document.read()}"
