#!/usr/bin/env bash
# TMN-Reweight, 4B, as GoLongRL published it: a random 8,000 of its rows, 16 nodes x 8 GPUs.
#   MODEL=Qwen/Qwen3-4B-Thinking-2507 TRAIN_FILE=train.parquet VAL_FILE=val.parquet bash training/verl/tmn_reweight_4b.sh
set -euo pipefail

NAME=tmn_reweight_4b
ESTIMATOR=tmn_reweight
ROWS=8000
TP=8 CP=8 EP=1

source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
settings+=(
  +algorithm.tmn.alpha=0.8
  +algorithm.tmn.gamma=1.0
  +algorithm.tmn.decay=0.0  # published: the scale of the batch alone. 0.9 keeps a running one, for tasks that are rare
)
launch "$@"
