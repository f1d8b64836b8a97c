#!/usr/bin/env bash
# Everything that a GPU is asked, in one go of less than eight minutes, without a network. Usage:
#   benchmarks/gpu/run.sh [OUTPUT]
set -euo pipefail
cd "$(dirname "$0")/../.."
output=${1:-${OUT:-gpu-output}}
mkdir -p "$output"
export PYTHONPATH=$PWD/src PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
nvidia-smi || true
timeout 470 "${PYTHON:-python3}" -m benchmarks.gpu --json "$output/gpu.json" | tee "$output/gpu.md"
