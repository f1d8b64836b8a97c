"""The folder of a chain is a model folder as any other: every verb takes it, and nothing is half-written."""

import importlib
import json
import shutil

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification

import offramp
from conftest import write_classifier
from helpers.chains import LARGE, SMALL, chain_of, write_chain, write_models
from helpers.toys import LABELS, multi, names, pairs, quick, single, write_csv, write_jsonl, write_model
from offramp.backends import REFERENCE, Engine, Runtime
from offramp.benchmark.contenders import engines_of
from offramp.calibration import Calibration, Problem
from offramp.data import Columns, read_labeled, remember, uses_of
from offramp.data.seen import FITTING, temperatures_of
from offramp.errors import BackboneError, CheckFailed, DataError, ModelFolderError, OptionError
from offramp.folder import models_of
from offramp.model import EarlyExitConfig
from offramp.policy import read_operating_points
from offramp.report import make_report, render
from offramp.report.card import write_card
from offramp.words import fit

TEXTS = [row["text"] for row in single(60)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_chain(tmp_path_factory.mktemp("made") / "chain")


@pytest.fixture
def chain(made, tmp_path):
    """A chain that may be changed."""
    return shutil.copytree(made, tmp_path / "chain")


@pytest.fixture
def data(tmp_path):
    return write_jsonl(tmp_path / "data.jsonl", single(60))


@pytest.fixture
def models(tmp_path):
    return write_models(tmp_path)


def test_a_folder_answers_as_its_models_in_memory(made):
    loaded, expected = offramp.load(made), chain_of()
    found, wanted = loaded.predict(TEXTS, threshold=0.8), expected.predict(TEXTS, threshold=0.8)
    np.testing.assert_array_equal(found.exits, wanted.exits)
    assert found.label == wanted.label


def test_a_chain_holds_a_whole_copy_of_each_model(models, tmp_path):
    (models[0] / ".hidden").touch()
    made = offramp.chain(models, output=tmp_path / "new" / "chain")
    assert made.models == tuple(tmp_path / "new" / "chain" / name for name in ("model-1", "model-2"))
    assert made.labels == LABELS
    assert names(made.folder) == ["README.md", "chain.json", "config.json", "model-1", "model-2"]
    for source, copy in zip(models, made.models, strict=True):
        assert names(copy) == [name for name in names(source) if name != ".hidden"]
        shutil.rmtree(source)
    assert offramp.load(made.folder).labels == LABELS


def test_the_card_tells_what_the_models_come_from(models, tmp_path):
    for folder, base, license_ in ((models[0], "owner/small", "mit"), (models[1], "owner/large", "mit")):
        (folder / "README.md").write_text(f"---\nbase_model: {base}\nlicense: {license_}\n---\n")
    made = offramp.chain(models, output=tmp_path / "chain")
    card = (made.folder / "README.md").read_text()
    assert "base_model:\n- owner/small\n- owner/large\n" in card
    assert "license: mit\n" in card
    assert "2 classifiers in a row, the first one first: `small`, `large`." in card
    (models[0] / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    again = offramp.chain(models, output=tmp_path / "chain", overwrite=True)
    assert "license" not in (again.folder / "README.md").read_text().split("---")[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["small"], "a chain takes two models or more, not 1 model; name others"),
        ([], "a chain takes two models or more, not 0 models"),
        ("small", "models is 'small', one model; give a list of two or more"),
        (["small", 3], "models is 3, of type int; give a folder or a name on the hub"),
        (["small", "./small"], "the model small is named twice"),
        (["small", "none"], "there is no folder none; give the folder that 'offramp train' wrote"),
        (["small", "classifier"], "classifier is a 'bert' model, not an offramp one"),
        (["small", "pairs"], "small gives single texts one label, and pairs gives pairs of texts one label"),
        (
            ["small", "other"],
            "small has the labels c, a, b, and other has x, y, z",
        ),
        (["small", "chain"], "chain is a chain itself; name the models in it instead, as chain/model-1"),
    ],
    ids=str,
)
def test_what_cannot_be_a_chain_is_refused_and_nothing_is_written(given, message, made, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "pairs", text_pair=True)
    write_model(tmp_path / "other", labels=("x", "y", "z"))
    write_classifier(tmp_path / "classifier")
    shutil.copytree(made, tmp_path / "chain")
    before = names(tmp_path)
    with pytest.raises((OptionError, ModelFolderError), match=message):
        offramp.chain(given, output="new")
    assert names(tmp_path) == before


def test_the_output_is_neither_there_nor_one_of_the_models(models, tmp_path):
    small, large = models
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "notes.txt").touch()
    (tmp_path / "around").mkdir()
    shutil.copytree(large, tmp_path / "around" / "large")
    (tmp_path / "around" / "training.json").touch()
    for output, overwrite, message in (
        (tmp_path / "there", False, "exists and is not empty; choose another output or add `overwrite`"),
        (tmp_path / "there", True, "holds something other than an offramp model"),
        (small / "chain", False, "is or lies in the model"),
    ):
        with pytest.raises(OptionError, match=message):
            offramp.chain(models, output=output, overwrite=overwrite)
    with pytest.raises(OptionError, match="lies in output"):
        offramp.chain([small, tmp_path / "around" / "large"], output=tmp_path / "around", overwrite=True)


def test_an_interruption_leaves_nothing(models, tmp_path):
    def interrupt(what, done, total):
        if done == 1:
            raise KeyboardInterrupt

    before = names(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        offramp.chain(models, output=tmp_path / "chain", on_progress=interrupt)
    assert names(tmp_path) == before


def test_transformers_and_whoever_finds_it_without_its_record_is_told_what_it_is(chain):
    with pytest.raises(ModelFolderError, match=r"is a chain of several models, .* load it with .*: model-1, model-2"):
        AutoModelForSequenceClassification.from_pretrained(chain)
    (chain / "chain.json").unlink()
    with pytest.raises(ModelFolderError, match=r"is a chain without chain\.json; restore it"):
        offramp.load(chain)


def test_an_export_is_of_all_models_or_of_none(chain, data, toy_backend, monkeypatch):
    checked = []

    def check(classifier, *answers):
        checked.append(classifier)
        if len(checked) == 2:
            raise CheckFailed("the export is too far from PyTorch")
        return 1.0, 0.0

    monkeypatch.setattr("offramp.exporting.run._check", check)
    before = sorted(chain.rglob("*"))
    with pytest.raises(CheckFailed) as caught:
        offramp.export(chain, backend="toy", data=data, threads=1)
    assert caught.value.__notes__ == ["so it is with model 2 of the chain; of the others none was exported either"]
    assert sorted(chain.rglob("*")) == before


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["model-1"], "names the models model-1, not two or more different ones"),
        (["model-1", "../small"], "the model '../small' is not the name of a subfolder"),
        (["model-1", "."], "the model '.' is not the name of a subfolder"),
        (["model-1", 2], r"models\[1\] is 2, not text"),
        (["model-1", "model-3"], "there is no folder .*model-3"),
    ],
    ids=str,
)
def test_a_damaged_chain_is_told_as_such(chain, data, models, message):
    (chain / "chain.json").write_text(json.dumps({"schema": 1, "models": models}))
    with pytest.raises(ModelFolderError, match=message):
        offramp.calibrate(chain, data)


def test_models_may_run_in_engines_of_their_own(chain, data, toy_backend):
    assert engines_of(chain, precisions=["fp32"]) == [REFERENCE]
    done = offramp.export(chain, backend="toy", data=data, threads=1)
    assert {REFERENCE, Engine("toy", "fp32"), offramp.load(chain).engine} == set(engines_of(chain, precisions=["fp32"]))
    assert [one.folder for one in (*done.before, done)] == [one / "toy" / "fp32" for one in models_of(chain)]
    toy, torch = offramp.load(chain, backend="toy"), offramp.load(chain, backend="torch")
    assert (toy.engine, torch.engine) == (Engine("toy", "fp32"), REFERENCE)
    mixed = offramp.load(chain, backend="toy,torch", precision="fp32,bf16")
    assert mixed.engine == Engine("toy,torch", "fp32,bf16")
    assert str(mixed.engine) == "toy fp32 then torch bf16"
    assert len({toy.fingerprint, torch.fingerprint, mixed.fingerprint}) == 3
    found = offramp.load(chain, backend="torch,toy").predict(TEXTS, threshold=0.7)
    assert set(found.exits) & {0, 1}
    for backend, message in (
        ("toy,torch,toy", "backend 'toy,torch,toy' names 3, but this is a chain of 2 models; name one for all, or"),
        ("toy,none", "backend 'none' is not known"),
    ):
        with pytest.raises(OptionError, match=message):
            offramp.load(chain, backend=backend)
    with pytest.raises(OptionError, match="backend 'torch,torch' names 2, but this is one model"):
        offramp.load(chain / "model-1", backend="torch,torch")


def test_a_point_holds_for_the_engines_it_was_tuned_in(chain, data, toy_backend):
    offramp.export(chain, backend="toy", data=data, threads=1)
    unseen = write_jsonl(chain.parent / "unseen.jsonl", single(60, seed=1))
    offramp.tune(chain, unseen, **quick(threshold=0.6, name="here", backend="toy,torch"))
    (point,) = read_operating_points(chain).points
    assert (point.engine, len(point.seen.exits)) == (Engine("toy,torch", "fp32"), 5)
    mixed = offramp.load(chain, backend="toy,torch")
    assert mixed.operating_point("here") == point
    with pytest.raises(OptionError, match="was tuned for toy fp32 then torch fp32, and the model runs in torch fp32"):
        offramp.load(chain, backend="torch").operating_point("here")


@pytest.mark.parametrize("changed", ["temperatures", "weights", "order"])
def test_a_point_is_void_once_any_model_is_another(chain, changed):
    unseen = write_jsonl(chain.parent / "unseen.jsonl", single(60, seed=1))
    offramp.tune(chain, unseen, **quick(threshold=0.6, name="here"))
    assert offramp.load(chain).operating_point("here").name == "here"
    if changed == "temperatures":
        Calibration((0.7, 1.5), "", 0, ()).save(chain / "model-1")
    elif changed == "weights":
        other = write_chain(chain.parent / "other", labels=LABELS)
        shutil.copytree(other / "model-1", chain / "model-1", dirs_exist_ok=True)
    else:
        (chain / "chain.json").write_text(json.dumps({"schema": 1, "models": ["model-2", "model-1"]}))
    with pytest.raises(ModelFolderError, match="tuned for other weights or temperatures"):
        offramp.load(chain).operating_point("here")


def test_temperatures_of_all_exits_are_fitted_to_the_same_rows(chain, data):
    unseen = write_jsonl(chain.parent / "unseen.jsonl", single(60, seed=1))
    offramp.tune(chain, unseen, **quick(threshold=0.6, name="here"))
    classifier = offramp.load(chain)
    done = offramp.calibrate(classifier, data)
    assert done.before.temperatures == (*SMALL.temperatures, *LARGE.temperatures)
    assert [one.name for one in done.after.exits] == list(classifier.exit_names)
    assert [one.layers for one in done.after.exits] == [2, 4, 5, 6, 8]
    assert [point.name for point in done.void] == ["here"]
    kept = [Calibration.load(model) for model in models_of(chain)]
    assert kept[0].temperatures + kept[1].temperatures == done.after.temperatures
    assert [one.name for one in kept[1].exits] == ["layer 1", "layer 2", "layer 4"]
    assert {one.fitted_on for one in kept} == {done.after.fitted_on}
    assert classifier.calibration == offramp.load(chain).calibration == done.after
    # The exits of the first model are fitted by the names of labels, not by their places.
    assert done.after.exits[1].accuracy == Calibration.load(chain / "model-1").exits[1].accuracy
    alone = offramp.calibrate(write_models(chain.parent / "alone")[0], data)
    assert kept[0] == alone.after


def test_split_keeps_new_temperatures_where_each_model_has_its_own(chain):
    rows = write_jsonl(chain.parent / "rows.jsonl", single(120, seed=1))
    offramp.tune(chain, rows, **quick(threshold=0.6, name="here", split=True))
    classifier = offramp.load(chain)
    assert classifier.operating_point("here").name == "here"
    assert not set(classifier.calibration.temperatures) & {*SMALL.temperatures, *LARGE.temperatures}
    assert [one.name for one in Calibration.load(chain / "model-2").exits] == ["layer 1", "layer 2", "layer 4"]


def test_a_model_of_words_comes_along_with_its_weights(tmp_path, toy_backend):
    models = write_models(tmp_path)
    for folder, own in zip(models, (SMALL, LARGE), strict=True):
        about = EarlyExitConfig.from_pretrained(folder).labels
        targets = np.array([about.index(row["label"]) for row in single(200, seed=5)])
        texts = [row["text"] for row in single(200, seed=5)]
        fit(texts, targets, labels=about, problem=Problem.SINGLE_LABEL).save(folder)
        weights = (0.0, *[0.3] * len(own.temperatures))
        Calibration((1.0, *own.temperatures), "", 0, (), evidence=weights).save(folder)
    chain = offramp.chain(models, output=tmp_path / "chain").folder
    names = offramp.load(chain).exit_names
    assert (names[0], names[3]) == ("words of model 1", "words of model 2")
    fresh, rows = (write_jsonl(tmp_path / f"{seed}.jsonl", single(120, seed=seed)) for seed in (1, 2))
    after = offramp.calibrate(chain, fresh).after
    assert [one.name for one in after.exits] == list(names)
    done = offramp.export(chain, backend="toy", data=fresh, threads=1)
    assert done.export.agreement == 1
    offramp.tune(chain, rows, **quick(threshold=0.6, name="here", split=True, backend="toy,torch"))
    classifier = offramp.load(chain, backend="toy,torch")
    assert classifier.operating_point("here").name == "here"
    kept = [Calibration.load(chain / "model-1"), Calibration.load(chain / "model-2")]
    assert [len(one.temperatures) for one in kept] == [3, 4]
    assert classifier.calibration.temperatures[3:] == kept[1].temperatures
    assert classifier.calibration.evidence[3:] == (kept[1].evidence or (0.0,) * 4)


def test_rows_that_a_model_has_seen_are_seen_by_the_chain(models, data, tmp_path):
    rows = read_labeled(data, Columns())
    remember(models[0], rows, FITTING)
    remember(models[1], rows, temperatures_of(REFERENCE), "operating point safe of torch fp32")
    chain = offramp.chain(models, output=tmp_path / "chain").folder
    assert uses_of(chain, rows) == {FITTING: 1.0, temperatures_of(REFERENCE): 1.0}
    for verb in (offramp.tune, offramp.calibrate):
        with pytest.raises(DataError, match="were used to make this model"):
            verb(chain, data)


def test_it_is_evaluated_and_reported(chain, tmp_path):
    data = write_csv(tmp_path / "test.csv", single(60, seed=2))
    offramp.tune(chain, write_jsonl(tmp_path / "unseen.jsonl", single(60, seed=1)), **quick(threshold=0.6, name="here"))
    found = offramp.evaluate(chain, data, thresholds=[0.5, 0.9], seconds=0.01)
    assert found.model.backbone == "distilbert then bert"
    assert found.model.exit_names == offramp.load(chain).exit_names
    assert [point.mean_layers for point in (*found.truncated, found.full)] == [2, 4, 1, 2, 4]
    assert found.truncated[0].setting == "cut after layer 2 of model 1"
    assert found.truncated[1].setting == "model 1 alone"
    assert found.full.speedup == 1
    assert [one.point.name for one in found.operating_points] == ["here"]
    report = make_report(found)
    page = render(report)
    assert "layer 4 of model 1" in page
    write_card(chain, report)
    assert "## Speed and accuracy" in (chain / "README.md").read_text()


@pytest.mark.parametrize(
    ("rows", "config"), [(pairs, {"text_pair": True}), (multi, {"problem_type": "multi_label_classification"})]
)
def test_pairs_and_several_labels_run_through_the_verbs(rows, config, tmp_path):
    chain = write_chain(tmp_path / "chain", **config)
    columns = Columns(text="first", text_pair="second") if rows is pairs else Columns()
    fresh, unseen, test = (write_jsonl(tmp_path / f"{seed}.jsonl", rows(60, seed=seed)) for seed in range(3))
    offramp.calibrate(chain, fresh, columns=columns)
    offramp.tune(chain, unseen, columns=columns, **quick(threshold=0.7, name="here"))
    scored = offramp.predict(chain, input=test, output=tmp_path / "out.csv", columns=columns, at="here")
    assert scored.rows == 60
    assert sum(scored.exits.values()) == 60
    assert list(scored.exits) == list(offramp.load(chain).exit_names)


@pytest.mark.parametrize("rows", [0, 20, 40])
def test_a_file_that_was_broken_off_ends_like_an_unbroken_one(made, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("offramp.engine.predict_file"), "WINDOW", 7)
    source, options = write_jsonl(tmp_path / "in.jsonl", single(60)), {"threshold": 0.7, "probabilities": True}

    def give_up(what, done, total):
        if done > rows:
            raise KeyboardInterrupt

    whole = offramp.predict(made, input=source, output=tmp_path / "whole.jsonl", **options)
    with pytest.raises(KeyboardInterrupt):
        offramp.predict(made, input=source, output=tmp_path / "out.jsonl", on_progress=give_up, **options)
    assert offramp.predict(made, input=source, output=tmp_path / "out.jsonl", resume=True, **options) == whole
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_what_needs_one_model_says_so(chain, data, tmp_path):
    with pytest.raises(BackboneError, match="it is a chain of models, and has no classifier of its own; give that of"):
        offramp.attach(chain, data, output=tmp_path / "new")
    with pytest.raises(BackboneError, match="it is a chain of models, and has no encoder of its own"):
        offramp.train(chain, data, output=tmp_path / "new")


def test_transformers_reads_each_of_its_models(chain):
    from transformers import AutoModelForSequenceClassification

    for model in models_of(chain):
        assert AutoModelForSequenceClassification.from_pretrained(model).config.labels[0] in LABELS


def test_a_runtime_is_spread_over_the_models():
    assert Runtime("a,b", "auto", 3).of_models(2) == (Runtime("a", "auto", 3), Runtime("b", "auto", 3))


def test_nothing_is_written_over_a_model_of_a_chain(tmp_path, toy_backend):
    models = write_models(tmp_path)
    chain = offramp.chain(models, output=tmp_path / "chain").folder
    with pytest.raises(OptionError, match=r"lies in the chain .*chain, whose models belong together"):
        offramp.chain(models, output=chain / "model-1", overwrite=True)
