import json

import pytest

from conftest import tiny_backbone, tiny_model
from offramp.errors import BackboneError, OptionError
from offramp.model import save
from offramp.model.finding import check_checkpoint, check_classifier, check_exits


def declare(folder, **content):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(content))
    return str(folder)


def test_the_depth_is_read_from_encoders_and_from_models_with_exits(tmp_path):
    tiny_backbone().save_pretrained(tmp_path / "encoder")
    (tmp_path / "model").mkdir()
    save(tiny_model(), tmp_path / "model")
    for name in ("encoder", "model"):
        declared = check_checkpoint(str(tmp_path / name))
        check_exits(declared, "1,4")
        with pytest.raises(OptionError, match="after layer 5: this encoder has 4 layers"):
            check_exits(declared, "5")


def test_the_depth_has_another_name_in_distilbert(tmp_path):
    with pytest.raises(OptionError, match="this encoder has 6 layers"):
        check_exits(check_checkpoint(declare(tmp_path / "a", model_type="distilbert", n_layers=6)), (7,))


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"num_hidden_layers": "many"}', '{"id2label": 7}', '{"id2label": {"a": 1}}']
)
def test_what_cannot_be_read_here_is_left_to_transformers(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    declared = check_classifier(str(tmp_path))
    check_exits(declared, "99")
    with pytest.raises(OptionError, match="exits 'x' are not layer numbers"):
        check_exits(declared, "x")


def test_exits_have_to_lie_before_the_cut(tmp_path):
    declared = check_checkpoint(declare(tmp_path / "a", model_type="bert", num_hidden_layers=6))
    check_exits(declared, "1,2", layers=2)
    with pytest.raises(OptionError, match="this encoder has 2 layers"):
        check_exits(declared, "3", layers=2)
    with pytest.raises(OptionError, match="layers is 7: this encoder has 6 layers"):
        check_exits(declared, None, layers=7)


def test_an_own_head_takes_other_exits(tmp_path):
    declared = check_checkpoint(declare(tmp_path / "a", model_type="bert", num_hidden_layers=6))
    check_exits(declared, "6")
    with pytest.raises(OptionError, match=r"exits are \[6\]: the classifier itself"):
        check_exits(declared, "6", own_head=True)


def test_outputs_without_names_are_counted_as_transformers_does(tmp_path):
    check_classifier(declare(tmp_path / "two", model_type="bert"), ["no", "yes"])
    check_classifier(declare(tmp_path / "three", model_type="bert", num_labels=3), ["a", "b", "c"])
    with pytest.raises(OptionError, match="has 2 outputs"):
        check_classifier(str(tmp_path / "two"), ["a", "b", "c"])


def test_code_is_needed_only_where_transformers_does_not_know_the_kind(tmp_path):
    brings = {"AutoConfig": "configuration_my.MyConfig"}
    for kind in ("bert", "xlm-roberta", "data2vec-text", "offramp"):
        check_checkpoint(declare(tmp_path / kind, model_type=kind, auto_map=brings))
    check_checkpoint(declare(tmp_path / "no code", model_type="mybert"))
    with pytest.raises(BackboneError, match="code from checkpoints is never run"):
        check_checkpoint(declare(tmp_path / "code", model_type="mybert", auto_map=brings))
