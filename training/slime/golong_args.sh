# The arguments by which slime 0.3 rewards and normalises with golong-eval. Source it in a launch file of slime's own
# (its scripts/ has one a model), and add "${GOLONG_ARGS[@]}" to the arguments of train.py:
#   TRAIN_FILE=train.jsonl source training/slime/golong_args.sh
# TRAIN_FILE comes from golong_eval.adapters.slime.write_slime_rows.
#
# It sets the rows, the reward, the advantages, 128 prompts of 16 rollouts a step in one optimiser step, temperature 1 and the
# clipping of 0.2 / 0.28. It does not set, and the published 4B run (GoLongRL, arXiv 2605.19577) had: lr 2e-6, constant, with 5
# warm-up steps; weight decay 0.1; gradient clip 1.0; dual clip 3.0; no KL; prompts of 163,840 tokens and responses of 16,384;
# top-p 1; 512 prompts generated at once and groups of equal rewards dropped; 10 epochs; a checkpoint every 5 steps. Those, and
# all that depends on the model and the machines, belong to slime's own launch file.

: "${TRAIN_FILE:?name the rows: TRAIN_FILE=train.jsonl}"

GOLONG_ARGS=(
  --prompt-data "$TRAIN_FILE"
  --input-key prompt
  --label-key label
  --metadata-key metadata
  --apply-chat-template
  --rollout-shuffle

  --custom-rm-path golong_eval.adapters.slime.reward
  --custom-reward-post-process-path golong_eval.adapters.slime.post_process
  --custom-config-path "$(dirname "${BASH_SOURCE[0]}")/golong.yaml"

  # Takes what post_process returns as the advantage of every token. No --normalize-advantages beside it.
  --advantage-estimator grpo

  --rollout-batch-size 128
  --n-samples-per-prompt 16
  --global-batch-size 2048
  --rollout-temperature 1.0
  --eps-clip 0.2
  --eps-clip-high 0.28
)
