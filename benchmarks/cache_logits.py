"""Runs a model once over labeled texts and keeps the logits of all exits, for the other benchmarks to replay.

python benchmarks/cache_logits.py MODEL DATA OUT.npz [--text-pair-column NAME] [--threads N]
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import offramp
from offramp.data import Columns, read_labeled
from offramp.engine import answers_of

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder that offramp train wrote")
    parser.add_argument("data", help="labeled texts that neither training nor calibration saw")
    parser.add_argument("output", type=Path, help="the .npz file to write")
    parser.add_argument("--text-pair-column", help="column of the second texts, for models trained on pairs")
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    classifier = offramp.load(options.model)
    rows = read_labeled(options.data, Columns(text_pair=options.text_pair_column))
    answers = answers_of(classifier, rows)
    np.savez_compressed(
        options.output,
        logits=answers.logits,
        targets=answers.targets,
        lengths=answers.tokens,
        layers=np.array(answers.layers),
        temperatures=np.array(answers.temperatures),
    )
    print(f"{options.output}: {len(rows)} rows of {rows.source}, fingerprint {rows.fingerprint}")
