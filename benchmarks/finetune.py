"""Fine-tunes a plain classifier with transformers alone, as one that exits are attached to later.

python -m benchmarks.finetune TRAIN DEV ENCODER OUTPUT [--text-pair-column NAME] [--learning-rate R] [--epochs N]
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    Trainer,
    TrainingArguments,
    set_seed,
)

from offramp.data import Columns, LabeledTexts, encode_labels, read_labeled
from offramp.model.encoding import encode
from offramp.training import Recipe, recipe_named
from offramp.training.rows import Rows, RowSet


def fine_tune(
    train: LabeledTexts,
    dev: LabeledTexts,
    encoder: str,
    output: Path,
    *,
    recipe: Recipe,
    max_length: int | None = None,
    seed: int = 0,
) -> None:
    """Fine-tunes an encoder with one new head, keeps the epoch with the best dev accuracy and writes the folder.

    Args:
        recipe: its epochs, batch size, first learning rate, warm-up, weight decay, norm of gradients and precision; no
            more.
        max_length: tokens at which texts are cut; by default what the tokenizer says.
    """
    set_seed(seed)  # the new head is random, too
    names = train.label_names()
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    tokenizer.model_max_length = max_length or tokenizer.model_max_length
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder,
        dtype=torch.float32,
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
    )

    def rows(part: LabeledTexts) -> RowSet:
        """The part as Trainer wants it."""
        encoded = encode(tokenizer, part.texts, part.text_pairs)
        return RowSet(Rows(encoded, encode_labels(part, names, multi_label=False)))

    trainer = Trainer(
        model=model,
        args=_arguments(output, recipe, seed),
        train_dataset=rows(train),
        eval_dataset=rows(dev),
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=_accuracy,
    )
    started = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - started
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    shutil.rmtree(trainer.args.output_dir, ignore_errors=True)
    (output / "training.json").write_text(json.dumps({"seconds": seconds}) + "\n", encoding="utf-8")


def _arguments(output: Path, recipe: Recipe, seed: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=f"{output}.checkpoints",
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rates[0],
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64,
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        bf16=recipe.bf16,
        use_cpu=not torch.cuda.is_available(),
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        logging_strategy="epoch",
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        seed=seed,
    )


def _accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """Share of rows that are right."""
    return {"accuracy": float((np.argmax(prediction.predictions, -1) == prediction.label_ids).mean())}


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "dev", "encoder", "output"):
        parser.add_argument(name)
    parser.add_argument("--text-pair-column")
    parser.add_argument("--learning-rate", type=float, default=6e-5)
    parser.add_argument("--epochs", type=float, default=4)
    options = parser.parse_args()
    columns = Columns(text_pair=options.text_pair_column)
    fine_tune(
        read_labeled(options.train, columns),
        read_labeled(options.dev, columns),
        options.encoder,
        Path(options.output),
        recipe=recipe_named("default", learning_rates=(options.learning_rate,), epochs=options.epochs),
    )


if __name__ == "__main__":
    main()
