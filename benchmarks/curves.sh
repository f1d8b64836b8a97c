#!/usr/bin/env bash
# Trains and evaluates early-exit models on the data sets in a folder and leaves one JSON and one picture for each:
#
#     benchmarks/curves.sh DATA MINILM MPNET OUTPUT [NAME ...]
#
# DATA holds sst2/, snli/ and clinc150/, each with {train,dev,test}.jsonl.gz; MINILM and MPNET are folders of a 6-layer
# and a 12-layer encoder. What is there already is not made again. Times are taken with one thread.
set -euo pipefail
data=$1 minilm=$2 mpnet=$3 output=$4
shift 4
names=${*:-sst2-minilm sst2-mpnet snli-minilm clinc150-minilm}
mkdir -p "$output"

for name in $names; do
  set=${name%-*}
  columns=()
  encoder=$minilm
  settings=(--learning-rate 6e-5 --epochs 4)
  case $name in
    *-mpnet) encoder=$mpnet settings=(--learning-rate 3e-5 --epochs 3) ;;
    clinc150-*) settings=(--learning-rate 2e-4 --head-learning-rate 5e-3 --epochs 4) ;;
    snli-*) columns=(--text-pair-column text_pair) settings=(--learning-rate 1e-4 --epochs 4) ;;
  esac
  if [ ! -f "$output/$name/config.json" ]; then
    offramp train "$data/$set/train.jsonl.gz" --dev "$data/$set/dev.jsonl.gz" --model "$encoder" \
      --output "$output/$name" "${columns[@]}" "${settings[@]}"
  fi
  if [ ! -f "$output/$name.json" ]; then
    offramp evaluate "$output/$name" --data "$data/$set/test.jsonl.gz" "${columns[@]}" --threads 1 --seconds 90 \
      --json "$output/$name.json" --picture "$output/$name.svg"
  fi
done
