#!/usr/bin/env bash
# TMN-Reweight with OpenRLHF 0.11.2, one node x 8 GPUs; GRPO by its own estimator with ESTIMATOR=group_norm.
#   MODEL=Qwen/Qwen3-4B-Thinking-2507 TRAIN_FILE=train.jsonl bash training/openrlhf/tmn_reweight_4b.sh
# TRAIN_FILE comes from golong_eval.adapters.openrlhf.write_openrlhf_rows; docs/openrlhf.md says how to get there.
# Further options go to OpenRLHF as they are, and win.
#
# Set as published (GoLongRL, arXiv 2605.19577): rows, rollouts, temperature, clipping, loss, KL, optimiser, schedule, lengths,
# epochs, checkpoints. What OpenRLHF does otherwise:
# - Equal groups: it drops those whose mean reward is 0 or 1. Groups of other equal rewards stay, with advantage 0.
# - It asks for a new prompt for each dropped one, not for 512 at once in up to 32 rounds.
# - It cuts a prompt of more than 163,840 tokens on its left. Leave such rows out: write_openrlhf_rows(..., max_tokens=163840).
# - Warm-up is a share of all steps: 5 of them by the number of rows (ROWS, where TRAIN_FILE is no file). Dropped groups use up
#   rows too, so there are fewer steps than that.
# - DeepSpeed and ring attention on one node in the place of Megatron on 16, and vLLM in the place of SGLang.
# No run has been made with it: how much memory prompts of this length take on 8 GPUs is not known. PROMPT=65536 asks for less.
set -euo pipefail

: "${MODEL:?name the checkpoint: MODEL=path/to/checkpoint}"
: "${TRAIN_FILE:?name the rows: TRAIN_FILE=train.jsonl}"
ESTIMATOR="${ESTIMATOR:-tmn_reweight}"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

PROMPT="${PROMPT:-163840}"
RESPONSE=16384
PROMPTS=128
EPOCHS=10
ROWS="${ROWS:-$(wc -l < "$TRAIN_FILE")}"
# 5 steps. OpenRLHF rounds up, so a little less.
WARMUP="$(awk -v rows="$ROWS" -v step="$PROMPTS" -v epochs="$EPOCHS" \
  'BEGIN { steps = int(rows / step) * epochs; printf "%.6f", (steps > 5 ? 4.5 / steps : 1) }')"

if [ "$ESTIMATOR" = group_norm ]; then
  start=openrlhf.cli.train_ppo_ray
  theirs=group_norm
else
  start=golong_eval.adapters.openrlhf_advantages
  theirs=dr_grpo  # neither divides nor whitens: what golong-eval's estimators need
  export GOLONG_ESTIMATOR="$ESTIMATOR"
fi

options=(
  --reward.remote_url "$HERE/reward.py"
  --algo.advantage.estimator "$theirs"
  --algo.kl.init_coef 0
  --algo.dynamic_filtering_enable
  --algo.dynamic_filtering_range 0 1

  --data.prompt_dataset "$TRAIN_FILE"
  --data.input_key prompt
  --data.label_key label
  --data.apply_chat_template
  --data.max_len "$((PROMPT + RESPONSE))"

  --rollout.n_samples_per_prompt 16
  --rollout.batch_size "$PROMPTS"
  --rollout.micro_batch_size 1
  --rollout.max_new_tokens "$RESPONSE"
  --rollout.temperature 1.0
  --rollout.top_p 1.0

  --actor.model_name_or_path "$MODEL"
  --actor.num_nodes 1
  --actor.num_gpus_per_node 8
  --actor.gradient_checkpointing_enable
  --actor.eps_clip_low_high 0.2 0.28
  --actor.dual_clip 3.0
  --actor.loss_agg_mode token-mean
  --actor.adam.lr 2e-6
  --actor.adam.weight_decay 0.1
  --actor.lr_scheduler constant_with_warmup
  --actor.lr_warmup_ratio "$WARMUP"
  --actor.max_norm 1.0
  --train.batch_size 2048  # rows: one optimiser step a rollout
  --train.micro_batch_size 1
  --train.num_episodes "$EPOCHS"
  --train.colocate_all
  --ds.zero_stage 3
  --ds.adam_offload
  --ds.packing_samples
  --ds.ring_attn_size 8
  --ds.ring_attn_head_stride 2
  --ds.enable_sleep

  --vllm.num_engines 4
  --vllm.tensor_parallel_size 2
  --vllm.gpu_memory_utilization 0.6
  --vllm.enable_sleep

  --ckpt.path "${CHECKPOINTS:-checkpoints/golong/openrlhf_$ESTIMATOR}"
  --ckpt.save_steps 5
)

exec "${PYTHON:-python3}" -m "$start" "${options[@]}" "$@"
