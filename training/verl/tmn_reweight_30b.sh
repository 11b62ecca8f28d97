#!/usr/bin/env bash
# TMN-Reweight, 30B-A3B: what grpo_30b.sh has, with the 4B run's estimator. GoLongRL published no such run.
#   MODEL=Qwen/Qwen3-30B-A3B-Thinking-2507 TRAIN_FILE=train.parquet VAL_FILE=val.parquet bash training/verl/tmn_reweight_30b.sh
set -euo pipefail

NAME=tmn_reweight_30b
ESTIMATOR=tmn_reweight
ROWS=-1
TP=4 CP=8 EP=4

source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
settings+=(
  +algorithm.tmn.alpha=0.8
  +algorithm.tmn.gamma=1.0
  +algorithm.tmn.decay=0.0
)
launch "$@"
