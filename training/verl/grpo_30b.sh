#!/usr/bin/env bash
# GRPO, 30B-A3B, as GoLongRL published it: all of its rows, 16 nodes x 8 GPUs.
#   MODEL=Qwen/Qwen3-30B-A3B-Thinking-2507 TRAIN_FILE=train.parquet VAL_FILE=val.parquet bash training/verl/grpo_30b.sh
set -euo pipefail

NAME=grpo_30b
ESTIMATOR=golong_grpo
ROWS=-1
TP=4 CP=8 EP=4

source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
launch "$@"
