import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import FAMILIES, LAYERS
from offramp.errors import OptionError
from offramp.model import EarlyExitConfig, default_exits, resolve_exits

DEPTHS = st.integers(1, 48)


def config(**changes):
    return EarlyExitConfig(**{"backbone_config": FAMILIES["bert"].to_dict(), **changes})


@pytest.mark.parametrize(("depth", "exits"), [(6, (1, 2, 4, 6)), (12, (1, 4, 7, 12)), (24, (1, 5, 13, 24))])
def test_default_exits_are_the_papers(depth, exits):
    assert default_exits(depth) == resolve_exits(None, depth) == exits


@given(DEPTHS)
def test_default_exits_fit_every_depth(depth):
    exits = default_exits(depth)
    assert list(exits) == sorted(set(exits))
    assert exits[0] == 1
    assert exits[-1] == depth
    assert len(exits) == min(depth, 4)


@given(DEPTHS, st.data())
def test_exits_are_sorted_and_end_at_full_depth(depth, data):
    chosen = data.draw(st.lists(st.integers(1, depth), min_size=1, max_size=6, unique=True))
    expected = tuple(sorted({*chosen, depth}))
    assert resolve_exits(chosen, depth) == expected
    assert resolve_exits(",".join(map(str, chosen)), depth) == expected


@given(DEPTHS)
def test_all_exits(depth):
    assert resolve_exits("all", depth) == tuple(range(1, depth + 1))


def test_exits_may_be_written_with_spaces():
    assert resolve_exits(" 1, 3 ", 4) == (1, 3, 4)


@pytest.mark.parametrize("exits", ["", "x", "1,,2", "1.5", "ALL", [1.5], [None], ["x"], 5])
def test_exits_that_are_no_numbers(exits):
    with pytest.raises(OptionError, match="are not layer numbers; write them as 1,2,4 or 'all'"):
        resolve_exits(exits, 4)


@pytest.mark.parametrize(("exits", "repeated"), [("2,2", "2"), ((1, 3, 3, 1), "1, 3"), ("4,4", "4")])
def test_exits_that_repeat_a_layer(exits, repeated):
    with pytest.raises(OptionError, match=f"exits name layer {repeated} more than once; name each layer once"):
        resolve_exits(exits, 4)


@pytest.mark.parametrize(("exits", "wrong"), [("0", "0"), ("5", "5"), ([-1, 2, 9], "-1, 9")])
def test_exits_outside_the_encoder(exits, wrong):
    with pytest.raises(
        OptionError, match=f"no exit fits after layer {wrong}: this encoder has 4 layers, so use 1 to 4"
    ):
        resolve_exits(exits, 4)


def test_round_trip_through_json():
    before = config(
        exits=(1, 3),
        pooling="mean",
        head_dropout=0.25,
        text_pair=True,
        id2label={0: "no", 1: "yes", 2: "ünsure"},
        label2id={"no": 0, "yes": 1, "ünsure": 2},
        problem_type="multi_label_classification",
    )
    after = EarlyExitConfig.from_dict(json.loads(before.to_json_string(use_diff=False)))
    assert after.to_dict() == before.to_dict()
    assert type(after.backbone_config) is type(FAMILIES["bert"])
    assert after.exits == [1, 3, LAYERS]
    assert after.labels == ("no", "yes", "ünsure")
    assert after.problem_type == "multi_label_classification"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_survives_the_disk(family, tmp_path):
    EarlyExitConfig(backbone_config=FAMILIES[family]).save_pretrained(tmp_path)
    after = EarlyExitConfig.from_pretrained(tmp_path)
    assert type(after.backbone_config) is type(FAMILIES[family])
    assert after.backbone_config.num_hidden_layers == LAYERS
    assert after.exits == list(default_exits(LAYERS))


def test_without_arguments_for_transformers():
    assert EarlyExitConfig().backbone_config.model_type == "bert"


def test_labels_stand_in_the_order_of_the_logits():
    assert config(id2label={2: "c", 0: "a", 1: "b"}).labels == ("a", "b", "c")
    assert config(num_labels=3).labels == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "max"}, "pooling 'max' is not known; valid: pooler, cls, mean"),
        ({"exits": [9]}, "this encoder has 4 layers"),
        ({"problem_type": "regression"}, "problem_type 'regression' is not known"),
        ({"id2label": {0: "a", 2: "b"}}, r"id2label has the keys \[0, 2\]; they must count from 0"),
    ],
)
def test_values_that_are_refused(changes, message):
    with pytest.raises(OptionError, match=message):
        config(**changes)
