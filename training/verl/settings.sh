# The settings that all four launch files share: those that GoLongRL published, under the names of verl 0.9.
# A launch file sets what differs and sources this. docs/verl.md says how to come from nothing to here.
#
# What must be given, as environment variables:
#   MODEL       checkpoint: a folder that every node sees, or a name on the hub
#   TRAIN_FILE  rows: parquet or JSON lines; several as [a.parquet,b.parquet]
#   VAL_FILE    rows
# What may be given:
#   NNODES, GPUS      nodes (16) and GPUs a node (8)
#   ROLLOUT           sglang, as published, or vllm
#   CHECKPOINTS       folder of checkpoints, which every node sees
#   PYTHON            the interpreter
# Arguments go to verl as they are, and win: bash grpo_4b.sh trainer.total_epochs=1
#
# More than one node: start Ray first, the same environment on all, then run the launch file on the first.
#   ray start --head --port=6379                  # on the first node
#   ray start --address=FIRST_NODE:6379           # on each other

: "${MODEL:?name the checkpoint: MODEL=path/to/checkpoint}"
: "${TRAIN_FILE:?name the rows to train on: TRAIN_FILE=train.parquet}"
: "${VAL_FILE:?name the rows to validate on: VAL_FILE=val.parquet}"
NNODES="${NNODES:-16}"
GPUS="${GPUS:-8}"
ROLLOUT="${ROLLOUT:-sglang}"
CHECKPOINTS="${CHECKPOINTS:-checkpoints/golong/$NAME}"

PROMPT=163840   # tokens; longer prompts are left out
RESPONSE=16384  # tokens, thinking included

# Without this a Ray that is not up would be a new one on this node alone.
if [ "$NNODES" -gt 1 ]; then export RAY_ADDRESS="${RAY_ADDRESS:-auto}"; fi

settings=(
  model_engine=megatron

  # Reward: golong-eval's, strict. Exactly one closed thinking, or 0: as the published code has it, and needed where the
  # chat template opens the thinking. verl ignores custom_reward_function at the top level; it must stand under reward.
  reward.custom_reward_function.path=pkg://golong_eval.adapters.verl
  reward.custom_reward_function.name=compute_score
  +reward.custom_reward_function.reward_kwargs.require_think=True

  # Advantage. Groups whose rewards are all equal are dropped and replaced; published: 512 prompts are generated for
  # the 128 of a step, up to 32 times. verl's default trainer has no such limit of rounds, and 4 x 128 under way.
  algorithm.adv_estimator="$ESTIMATOR"
  algorithm.use_kl_in_reward=False
  algorithm.filter_groups.enable=True
  algorithm.filter_groups.metric=reward
  algorithm.filter_groups.max_inflight_gen_batches=4
  # Published: importance weights of the rollout clipped to [0.5, 5] a token. verl 0.9 clips above alone.
  algorithm.rollout_correction.rollout_is=token
  algorithm.rollout_correction.rollout_is_threshold=5.0

  data.train_files="$TRAIN_FILE"
  data.val_files="$VAL_FILE"
  data.train_max_samples="$ROWS"
  data.seed=42
  data.shuffle=True
  data.train_batch_size=128
  data.max_prompt_length="$PROMPT"
  data.max_response_length="$RESPONSE"
  data.filter_overlong_prompts=True
  data.filter_overlong_prompts_workers=16
  data.truncation=error

  actor_rollout_ref.model.path="$MODEL"
  actor_rollout_ref.model.use_remove_padding=True

  # One optimiser step a batch; token-mean loss; no KL.
  actor_rollout_ref.actor.ppo_mini_batch_size=128
  actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=1
  actor_rollout_ref.actor.ppo_epochs=1
  actor_rollout_ref.actor.use_dynamic_bsz=False
  actor_rollout_ref.actor.policy_loss.loss_mode=vanilla
  actor_rollout_ref.actor.loss_agg_mode=token-mean
  actor_rollout_ref.actor.clip_ratio_low=0.2
  actor_rollout_ref.actor.clip_ratio_high=0.28
  actor_rollout_ref.actor.clip_ratio_c=3.0
  actor_rollout_ref.actor.use_kl_loss=False
  actor_rollout_ref.actor.entropy_coeff=0
  actor_rollout_ref.actor.use_torch_compile=False
  actor_rollout_ref.actor.optim.lr=2e-6
  actor_rollout_ref.actor.optim.lr_warmup_steps=5
  actor_rollout_ref.actor.optim.weight_decay=0.1
  actor_rollout_ref.actor.optim.clip_grad=1.0

  actor_rollout_ref.actor.megatron.tensor_model_parallel_size="$TP"
  actor_rollout_ref.actor.megatron.pipeline_model_parallel_size=1
  actor_rollout_ref.actor.megatron.context_parallel_size="$CP"
  actor_rollout_ref.actor.megatron.expert_model_parallel_size="$EP"
  actor_rollout_ref.actor.megatron.expert_tensor_parallel_size=1
  actor_rollout_ref.actor.megatron.param_offload=True
  actor_rollout_ref.actor.megatron.optimizer_offload=True
  actor_rollout_ref.actor.megatron.override_transformer_config.recompute_method=uniform
  actor_rollout_ref.actor.megatron.override_transformer_config.recompute_granularity=full
  actor_rollout_ref.actor.megatron.override_transformer_config.recompute_num_layers=1
  actor_rollout_ref.actor.megatron.override_transformer_config.attention_backend=flash
  +actor_rollout_ref.actor.megatron.override_transformer_config.moe_router_dtype=fp32

  actor_rollout_ref.rollout.name="$ROLLOUT"
  actor_rollout_ref.rollout.n=16
  actor_rollout_ref.rollout.temperature=1.0
  actor_rollout_ref.rollout.top_p=1.0
  actor_rollout_ref.rollout.top_k=-1
  actor_rollout_ref.rollout.tensor_model_parallel_size=8
  actor_rollout_ref.rollout.max_model_len="$((PROMPT + RESPONSE))"
  actor_rollout_ref.rollout.max_num_seqs=512
  actor_rollout_ref.rollout.gpu_memory_utilization=0.6
  actor_rollout_ref.rollout.multi_stage_wake_up=True
  actor_rollout_ref.rollout.calculate_log_probs=True
  actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=1
  actor_rollout_ref.rollout.agent.num_workers="$NNODES"
  actor_rollout_ref.rollout.val_kwargs.do_sample=True
  actor_rollout_ref.rollout.val_kwargs.temperature=0.6
  actor_rollout_ref.rollout.val_kwargs.top_p=0.95
  actor_rollout_ref.rollout.val_kwargs.n=1

  # Rollouts wait here for the trainer, a row about 5 MB: at least two units a node.
  transfer_queue.backend.SimpleStorage.num_data_storage_units="$((2 * NNODES))"

  trainer.nnodes="$NNODES"
  trainer.n_gpus_per_node="$GPUS"
  trainer.total_epochs=10
  trainer.save_freq=5
  trainer.test_freq=-1
  trainer.val_before_train=False
  trainer.resume_mode=auto
  trainer.project_name=golong
  trainer.experiment_name="$NAME"
  trainer.default_local_dir="$CHECKPOINTS"
  trainer.logger='["console","tensorboard"]'
)

launch() {
  exec "${PYTHON:-python3}" -m verl.trainer.main_ppo "${settings[@]}" "$@"
}
