#!/usr/bin/env bash
# GRPO, 4B, as GoLongRL published it: a random 8,000 of its rows, 16 nodes x 8 GPUs. See settings.sh and docs/verl.md.
#   MODEL=Qwen/Qwen3-4B-Thinking-2507 TRAIN_FILE=train.parquet VAL_FILE=val.parquet bash training/verl/grpo_4b.sh
set -euo pipefail

NAME=grpo_4b
ESTIMATOR=golong_grpo  # verl's own grpo, with metrics by task, and without rows that have no score
ROWS=8000
TP=8 CP=8 EP=1

source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
launch "$@"
