"""Fine-tunes a plain classifier with transformers alone, as one that exits are attached to later.

python benchmarks/finetune.py TRAIN DEV ENCODER OUTPUT [--text-pair-column NAME] [--learning-rate R] [--epochs N]
"""

import argparse

import numpy as np
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    Trainer,
    TrainingArguments,
)

from offramp.data import Columns, LabelledTexts, encode_labels, read_labelled
from offramp.model.encoding import encode
from offramp.training.trainer import EncodedRows


def accuracy(prediction: EvalPrediction) -> dict[str, float]:
    """Share of rows that are right."""
    return {"accuracy": float((np.argmax(prediction.predictions, -1) == prediction.label_ids).mean())}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "dev", "encoder", "output"):
        parser.add_argument(name)
    parser.add_argument("--text-pair-column")
    parser.add_argument("--learning-rate", type=float, default=6e-5)
    parser.add_argument("--epochs", type=float, default=4)
    options = parser.parse_args()
    columns = Columns(text_pair=options.text_pair_column)
    train, dev = read_labelled(options.train, columns), read_labelled(options.dev, columns)
    names = train.label_names()
    tokenizer = AutoTokenizer.from_pretrained(options.encoder)
    model = AutoModelForSequenceClassification.from_pretrained(
        options.encoder, id2label=dict(enumerate(names)), label2id={name: index for index, name in enumerate(names)}
    )

    def rows(part: LabelledTexts) -> EncodedRows:
        """The part as Trainer wants it."""
        encoded = encode(tokenizer, part.texts, part.text_pairs)
        return EncodedRows(encoded, encode_labels(part, names, multi_label=False))

    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=f"{options.output}.checkpoints",
            num_train_epochs=options.epochs,
            learning_rate=options.learning_rate,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=64,
            warmup_steps=0.1,
            weight_decay=0.01,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model="accuracy",
            logging_strategy="epoch",
            train_sampling_strategy="group_by_length",
            remove_unused_columns=False,
            report_to="none",
            seed=0,
        ),
        train_dataset=rows(train),
        eval_dataset=rows(dev),
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=accuracy,
    )
    trainer.train()
    model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
