"""Every rival: fitted to rows, it is a function from texts to labels, and a size.

What a rival needs is imported where it is fitted: each runs in an environment of its own, which has nothing of the
others and, but for our own, nothing of offramp. All are used as their documentation says; what is left to choose is
chosen on rows that are held out of the training rows.
"""

import json
import pickle
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

STRENGTHS = (1, 10, 100)
FASTTEXT = ({"epoch": 5, "lr": 0.5}, {"epoch": 25, "lr": 0.5}, {"epoch": 25, "lr": 1.0})
HELD_OUT = 0.2
DISTILLED = "distilled.json"
"""In the work folder: what distilling took."""


class Fitted(NamedTuple):
    """A classifier: from texts to labels; the bytes that it takes on a disk; packages that its figures depend on."""

    predict: Callable[[list[str]], Sequence[str]]
    size: int
    packages: tuple[str, ...]


def words(texts: list[str], labels: list[str], encoder: Path, work: Path) -> Fitted:
    """Our model of words, as it is read from its file."""
    from offramp.calibration import Problem
    from offramp.folder import WORDS
    from offramp.words import Words, fit

    names = np.array(sorted(set(labels)))
    model = fit(texts, np.searchsorted(names, labels), labels=names.tolist(), problem=Problem.SINGLE_LABEL)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        loaded, size = Words.load(Path(folder)), (Path(folder) / WORDS).stat().st_size
    return Fitted(lambda texts: names[loaded.logits(texts).argmax(axis=1)], size, ("offramp", "numpy", "scipy"))


def tfidf(texts: list[str], labels: list[str], encoder: Path, work: Path) -> Fitted:
    """Words and pairs of words, weighed by how rare they are."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    head = _logistic(vectorizer.fit_transform(texts), labels)
    return Fitted(
        lambda texts: head.predict(vectorizer.transform(texts)),
        len(pickle.dumps((vectorizer, head))),
        ("scikit-learn", "numpy", "scipy"),
    )


def fasttext(texts: list[str], labels: list[str], encoder: Path, work: Path) -> Fitted:
    """Averaged vectors of words and pairs of words; the texts are prepared as in fastText's tutorial."""
    import fasttext as library

    names = sorted(set(labels))
    lines = [f"__label__{names.index(label)} {_separated(text)}" for text, label in zip(texts, labels, strict=True)]

    def train(lines: Sequence[str], settings: dict[str, float]) -> Any:
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            return library.train_supervised(
                input=file.name, wordNgrams=2, dim=50, bucket=200_000, thread=1, verbose=0, seed=0, **settings
            )

    def predict(model: Any, texts: Sequence[str]) -> list[str]:
        found, _ = model.predict([_separated(text) for text in texts])
        return [names[int(label[0].removeprefix("__label__"))] for label in found]

    seen, unseen = _held_out(labels)

    def right(settings: dict[str, float]) -> int:
        predicted = predict(train([lines[row] for row in seen], settings), [texts[row] for row in unseen])
        return sum(label == labels[row] for label, row in zip(predicted, unseen, strict=True))

    model = train(lines, max(FASTTEXT, key=right))
    with tempfile.TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model.bin")
        size = _bytes(Path(folder))
    return Fitted(lambda texts: predict(model, texts), size, ("fasttext-community", "numpy"))


def static(texts: list[str], labels: list[str], encoder: Path, work: Path) -> Fitted:
    """Averaged vectors of an encoder's tokens, distilled without texts; a linear layer on them."""
    model, folder = distilled(encoder, work), work / "distilled"

    def embed(texts: list[str]) -> Any:
        return model.encode(texts, max_length=None, use_multiprocessing=False)

    head = _logistic(embed(texts), labels)
    return Fitted(
        lambda texts: head.predict(embed(texts)),
        _bytes(folder) + len(pickle.dumps(head)),
        ("model2vec", "scikit-learn", "tokenizers", "numpy"),
    )


def static_tuned(texts: list[str], labels: list[str], encoder: Path, work: Path) -> Fitted:
    """The same vectors, trained further with the library's own head; run without PyTorch."""
    from model2vec.train import StaticModelForClassification

    trainer = StaticModelForClassification.from_static_model(model=distilled(encoder, work))
    pipeline = trainer.fit(texts, labels, device="cpu").to_pipeline()
    with tempfile.TemporaryDirectory() as folder:
        pipeline.save_pretrained(folder)
        size = _bytes(Path(folder))
    return Fitted(
        lambda texts: pipeline.predict(texts, max_length=None, use_multiprocessing=False),
        size,
        ("model2vec", "torch", "tokenizers", "numpy"),
    )


def encoder(texts: list[str], labels: list[str], encoder: Path, work: Path) -> Fitted:
    """Sentence embeddings and a linear layer on them: what SetFit is before the encoder itself is trained."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(encoder), device="cpu")

    def embed(texts: list[str]) -> Any:
        return model.encode(texts, show_progress_bar=False)

    head = _logistic(embed(texts), labels)
    return Fitted(
        lambda texts: head.predict(embed(texts)),
        _bytes(encoder) + len(pickle.dumps(head)),
        ("sentence-transformers", "transformers", "torch", "scikit-learn"),
    )


def setfit(texts: list[str], labels: list[str], encoder: Path, work: Path) -> Fitted:
    """An encoder trained on pairs of texts of the same label and of others, each pair of the former once."""
    import datasets
    from setfit import SetFitModel, Trainer, TrainingArguments

    names = sorted(set(labels))
    model = SetFitModel.from_pretrained(str(encoder), labels=names, device="cpu")
    rows = datasets.Dataset.from_dict({"text": texts, "label": [names.index(label) for label in labels]})
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, sampling_strategy="undersampling", num_epochs=1, save_strategy="no", seed=0
        )
        Trainer(model=model, args=arguments, train_dataset=rows).train()
    return Fitted(
        lambda texts: model.predict(texts, show_progress_bar=False),
        _bytes(encoder) + len(pickle.dumps(model.model_head)),
        ("setfit", "sentence-transformers", "transformers", "torch", "scikit-learn"),
    )


def distilled(encoder: Path, work: Path) -> Any:
    """The static vectors of an encoder, which depend on no data: made once, with what that took beside them."""
    from model2vec import StaticModel

    folder, seconds = work / "distilled", work / DISTILLED
    if not seconds.is_file():
        from model2vec.distill import distill

        wall, process = time.perf_counter(), time.process_time()
        distill(str(encoder), device="cpu").save_pretrained(folder)
        took = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - process}
        seconds.write_text(json.dumps(took), encoding="utf-8")
    return StaticModel.from_pretrained(folder)


def _logistic(features: Any, labels: Sequence[str]) -> Any:
    """Logistic regression; its strength is the one that is best on rows held out, in turn until a larger is worse."""
    from sklearn.linear_model import LogisticRegression

    targets = np.array(labels)
    seen, unseen = _held_out(labels)
    scores: list[float] = []
    for strength in STRENGTHS:
        head = LogisticRegression(C=strength, max_iter=300).fit(features[seen], targets[seen])
        scores.append(head.score(features[unseen], targets[unseen]))
        if scores[-1] < max(scores):
            break
    return LogisticRegression(C=STRENGTHS[int(np.argmax(scores))], max_iter=300).fit(features, targets)


def _held_out(labels: Sequence[str]) -> tuple[Any, Any]:
    """Rows to fit with, and rows to choose with."""
    order = np.random.default_rng(0).permutation(len(labels))
    unseen, seen = np.split(order, [int(HELD_OUT * len(labels))])
    return seen, unseen


def _separated(text: str) -> str:
    """Lower case, marks apart from words, on one line."""
    return " ".join(re.sub(r"([.!?,'/()\"])", r" \1 ", text.lower()).split())


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


BEFORE = {"static": distilled, "static_tuned": distilled}
"""What some rivals make once for all data sets, with the seconds of it apart."""
