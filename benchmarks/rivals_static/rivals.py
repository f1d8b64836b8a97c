"""Who is set beside whom, and what each needs to be installed."""

from dataclasses import dataclass

_TORCH = "torch==2.13.0"


@dataclass(frozen=True, slots=True)
class Rival:
    """A way to classify texts.

    Attributes:
        name: of its function in :mod:`benchmarks.rivals_static.classifiers`.
        title: as people write it.
        environment: of the virtual environment that it runs in; None for the one that this runs in.
        slow: whether an encoder reads the texts, so that fewer rows have to do.
        rows_per_label: rows that it learns from; None for all.
        most_labels: it is left out where there are more.
    """

    name: str
    title: str
    environment: str | None
    slow: bool = False
    rows_per_label: int | None = None
    most_labels: int | None = None


RIVALS = (
    Rival("words", "offramp's model of words", None),
    Rival("tfidf", "TF-IDF and logistic regression (scikit-learn)", "scikit-learn"),
    Rival("fasttext", "fastText", "fasttext"),
    Rival("static", "model2vec and logistic regression", "model2vec"),
    Rival("static_tuned", "model2vec, fine-tuned with its own head", "model2vec"),
    Rival("encoder", "sentence embeddings and logistic regression", "setfit", slow=True),
    # With many labels the pairs to learn from are too many for a few minutes of one core.
    Rival("setfit", "SetFit, 8 rows a label", "setfit", slow=True, rows_per_label=8, most_labels=5),
)

REQUIREMENTS = {
    "scikit-learn": ("scikit-learn==1.9.1",),
    "fasttext": ("fasttext-community==0.11.9",),
    "model2vec": (_TORCH, "model2vec[distill,train]==0.10.0", "scikit-learn==1.9.1"),
    "setfit": (_TORCH, "setfit==1.2.0", "sentence-transformers==6.2.0", "scikit-learn==1.9.1"),
}
"""What is installed into each virtual environment."""
