"""A training of two steps with rollouts that are given, for one process or several: run by test_trl_trainer.py.

    python -m torch.distributed.run --standalone --nproc_per_node 2 processes.py OUT ROWS_A_PROCESS MAX_REFILLS

Rollouts depend on the prompt and the place in its group alone, so that a run of two processes has those of one.
"""

import json
import sys
from pathlib import Path
from typing import ClassVar

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM

from golong_eval._content import content_path
from golong_eval.adapters.trl import reward_funcs
from golong_eval.training import TMNGRPOConfig, TMNGRPOTrainer

GROUP = 4
# What four rollouts say, by prompt: of the even ones all say the same, which teaches nothing.
SAID = [["D1", "D1", "D1", "D1"], ["D1", "D2", "D1\nD2", "D3"], ["D2"] * 4, ["D1", "D1", "D1", "D2"]]
CHECKPOINT = str(content_path("training/embedded/checkpoint"))


def rows() -> Dataset:
    """Sixteen prompts of two tasks in turn, each naming its number."""
    gold = {"t3": ("f1[strict,v1]", ["D1"]), "t7": ("ndcg@gold[strict,v1]", ["D1", "D2"])}
    out = []
    for number in range(16):
        task = ("t3", "t7")[number // 2 % 2]
        metric, items = gold[task]
        label = json.dumps({"golong": 1, "task": task, "metric": metric, "gold": items})
        out.append({"prompt": [{"role": "user", "content": f"{number} which?"}], "label": label, "task": task})
    return Dataset.from_list(out)


def rollouts(prompts, trainer):
    tokenizer = trainer.processing_class
    out = {"prompt_ids": [], "completion_ids": [], "logprobs": []}
    first = trainer.accelerator.process_index * len(prompts)
    for place, prompt in enumerate(prompts, first):
        number = int(prompt[-1]["content"].split()[0])
        said = SAID[number % len(SAID)][place % GROUP]
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        completion = tokenizer(said, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        out["prompt_ids"].append(tokenizer(text, add_special_tokens=False)["input_ids"])
        out["completion_ids"].append(completion)
        out["logprobs"].append([0.0] * len(completion))
    return out


class Recorder(TMNGRPOTrainer):
    """Keeps what each step's loss is given: the advantages of all processes, and the rows of this one."""

    seen: ClassVar[list] = []

    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        gathered = self.accelerator.gather(batch["advantages"]).tolist()
        texts = {}
        for name in ("prompt", "completion"):
            shown = [ids[mask.bool()] for ids, mask in zip(batch[f"{name}_ids"], batch[f"{name}_mask"], strict=True)]
            texts[name] = self.processing_class.batch_decode(shown, skip_special_tokens=True)
        self.seen.append(
            {
                "advantages": gathered,
                "tokens": int(batch["num_items_in_batch"]),
                "own_tokens": int(batch["completion_mask"].sum()),
                "numbers": [int(text.split("which?")[0].split()[-1]) for text in texts["prompt"]],
                "said": texts["completion"],
            }
        )
        return batch


def main() -> None:
    out, rows_a_process, refills = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    model = AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.float32)
    trainer = Recorder(
        model=model,
        reward_funcs=reward_funcs(),
        train_dataset=rows(),
        rollout_func=rollouts,
        args=TMNGRPOConfig(
            output_dir=str(out / "checkpoints"),
            use_cpu=True,
            bf16=False,
            report_to="none",
            max_steps=2,
            num_generations=GROUP,
            per_device_train_batch_size=rows_a_process,
            learning_rate=1e-3,
            logging_steps=1,
            save_strategy="no",
            task_scale_decay=0.5,
            max_refills=refills,
            advantage_parameters={"alpha": 0.5},
            shuffle_dataset=False,
            disable_tqdm=True,
        ),
    )
    trainer.train()
    if trainer.accelerator.is_main_process:
        torch.save(trainer.accelerator.unwrap_model(trainer.model).state_dict(), out / "weights.pt")
        record = {
            "seen": trainer.seen,
            "scale": trainer.task_scale.state_dict(),
            "log": [entry for entry in trainer.state.log_history if "golong/cv_abs_advantage" in entry],
        }
        (out / "record.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
