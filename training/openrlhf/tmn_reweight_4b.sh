#!/usr/bin/env bash
# TMN-Reweight with OpenRLHF 0.11.2, one node x 8 GPUs; GRPO by its own estimator with ESTIMATOR=group_norm.
#   MODEL=Qwen/Qwen3-4B-Thinking-2507 TRAIN_FILE=train.jsonl bash training/openrlhf/tmn_reweight_4b.sh
# TRAIN_FILE comes from golong_eval.adapters.openrlhf.write_openrlhf_rows; docs/openrlhf.md says how to get there.
# Further options go to OpenRLHF as they are.
set -euo pipefail

: "${MODEL:?name the checkpoint: MODEL=path/to/checkpoint}"
: "${TRAIN_FILE:?name the rows: TRAIN_FILE=train.jsonl}"
ESTIMATOR="${ESTIMATOR:-tmn_reweight}"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

PROMPT=65536
RESPONSE=16384

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

  --data.prompt_dataset "$TRAIN_FILE"
  --data.input_key prompt
  --data.label_key label
  --data.apply_chat_template
  --data.max_len "$((PROMPT + RESPONSE))"

  --rollout.n_samples_per_prompt 16
  --rollout.batch_size 128
  --rollout.micro_batch_size 1
  --rollout.max_new_tokens "$RESPONSE"
  --rollout.temperature 1.0
  --rollout.top_p 1.0

  --actor.model_name_or_path "$MODEL"
  --actor.num_nodes 1
  --actor.num_gpus_per_node 8
  --actor.gradient_checkpointing_enable
  --actor.eps_clip_low_high 0.2 0.28
  --train.batch_size 2048  # rows: one optimiser step a rollout
  --train.micro_batch_size 1
  --train.num_episodes 10
  --train.colocate_all
  --ds.zero_stage 3
  --ds.adam_offload
  --ds.packing_samples
  --ds.ring_attn_size 4
  --ds.ring_attn_head_stride 2
  --ds.enable_sleep

  --vllm.num_engines 4
  --vllm.tensor_parallel_size 2
  --vllm.gpu_memory_utilization 0.6
  --vllm.enable_sleep

  --ckpt.path "${CHECKPOINTS:-checkpoints/golong/openrlhf_$ESTIMATOR}"
  --ckpt.save_steps 20
)

exec "${PYTHON:-python3}" -m "$start" "${options[@]}" "$@"
