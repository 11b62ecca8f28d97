"""The study's model and tokenizer: Qwen3 architecture, small, with words that are one token wherever they stand.

The tokenizer marks what is unusual. A word after a space is the rule; a word that follows a line break, a bracket or
a quotation mark gets a glue token before it. So the same word is the same token at the start of a line, in the
middle of one and in quotation marks, and a question that quotes a document has the document's own tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

WORK = Path(__file__).parent / "made"
"""Where the study keeps what is large; not in the repository."""
VOCABULARY = 4096
POSITIONS = 32_768
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
THINKING = ["<think>", "</think>"]
"""One token each, but not special: decoders drop special tokens, and a reward must see these."""
GLUE = "\u2060"
"""Word joiner: what follows it stands directly behind what went before."""
MARKS = "\n\"'([{<.,:;/-=*@#`|>\u201c\u2018"
"""After these a word is glued."""
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "<|im_start|>assistant\n"
    "{% endif %}"
)
SHAPE = {
    "hidden_size": 96,
    "intermediate_size": 192,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
}


def make_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train the tokenizer on texts."""
    tokenizer = Tokenizer(models.BPE())
    # One replacement a character: the library has no groups in replacements, and panics at matches without width.
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(re.escape(mark) + r"(?=\p{L})"), f"{mark}{GLUE} ") for mark in MARKS]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(rf"\n+{GLUE}?| +(?= )| ?\p{{L}}+| ?_+| ?[^\s\p{{L}}_]+| +"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace(GLUE + " ", "")])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(THINKING),
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(list(texts), trainer)
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in THINKING])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=POSITIONS,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def make_model(seed: int = 0, **shape: Any) -> Qwen3ForCausalLM:
    """Return the model with random weights. Head size 32, so that vLLM's CPU kernels take it."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        max_position_embeddings=POSITIONS,
        initializer_range=0.05,
        tie_word_embeddings=True,
        eos_token_id=SPECIAL.index("<|im_end|>"),
        pad_token_id=SPECIAL.index("<|endoftext|>"),
        bos_token_id=None,
        **(SHAPE | shape),
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config.eos_token_id = config.eos_token_id
    model.generation_config.pad_token_id = config.pad_token_id
    return model


def save(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> int:
    """Write a checkpoint that transformers and vLLM load; return its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    # The generic class name, so that every release of transformers since 4.53 loads it.
    config = folder / "tokenizer_config.json"
    stated = json.loads(config.read_text())
    stated["tokenizer_class"] = "PreTrainedTokenizerFast"
    config.write_text(json.dumps(stated, indent=2) + "\n")
    (folder / "model.safetensors").chmod(0o644)
    return sum(file.stat().st_size for file in folder.iterdir())
