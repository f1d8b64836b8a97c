"""The reproduction in small: all steps on made-up texts, killed and taken up again."""

import json
import shutil
from dataclasses import replace

import pytest

from benchmarks.paper import measuring, running, words
from benchmarks.paper.__main__ import main
from benchmarks.paper.analysis import analyse
from benchmarks.paper.document import read_results, read_steps, write_document
from benchmarks.paper.plan import AGAIN, PLAN, Run
from benchmarks.paper.preparing import prepare
from benchmarks.paper.smoke import place_in, smoke, tiny_plan
from benchmarks.paper.tables import regimes
from benchmarks.paper.training import train
from benchmarks.paper.ways import Models
from benchmarks.rivals.recipes import RIVALS
from offramp.errors import OptionError
from offramp.files import locked, read_json
from offramp.policy import CRITERIA
from offramp.report.words import percent


@pytest.fixture(scope="module", autouse=True)
def _timed_once():
    with pytest.MonkeyPatch.context() as patch:
        for module in (measuring, words):
            patch.setattr(module, "SINGLES", 12)
            patch.setattr(module, "REPEATS", 1)
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished small reproduction."""
    folder = tmp_path_factory.mktemp("reproduction")
    said = []
    smoke(folder, tiny_plan(), said.append)
    return folder, said


def place_of(folder):
    return place_in(folder, tiny_plan())


def test_every_run_leaves_logits_and_a_record(done):
    folder, said = done
    place = place_of(folder)
    runs = place.plan.runs()
    assert all(place.is_done(run) for run in runs)
    assert sum(line.endswith(" s") for line in said) == len(runs)
    record = place.record_of(Run("snli", "minilm", "joint", 0))
    assert record["settings"]["fingerprints"].keys() == {"train", "dev", "test"}
    assert record["processor_seconds"] > 0
    assert record["parameters"]["exits"] > 0


def test_what_is_done_is_not_done_again(done, monkeypatch):
    folder, _ = done
    monkeypatch.setattr(running, "train", lambda *_: pytest.fail("trained again"))
    said = []
    smoke(folder, tiny_plan(), said.append)
    assert said == []


def test_other_data_or_settings_are_another_run(done, tmp_path):
    folder, _ = done
    run = Run("sst2", "minilm", "joint", 0)
    before = place_of(folder)
    plan = replace(before.plan, encoders=PLAN.encoders)
    other = replace(before, plan=plan)
    assert other.model(run) != before.model(run)
    assert before.model(run) != before.model(Run("sst2", "minilm", "joint", 1))
    (tmp_path / "data" / "sst2").mkdir(parents=True)
    for part in ("train", "dev", "test"):
        rows = before.data_file("sst2", part).read_text().splitlines()
        (tmp_path / "data" / "sst2" / f"{part}.jsonl").write_text("\n".join(rows[:50]))
    shorter = replace(before, work=tmp_path, source=None)
    assert shorter.model(run).name != before.model(run).name


def test_the_page_is_made_of_the_results_alone(done, tmp_path):
    folder, _ = done
    plan = tiny_plan()
    results = read_results(plan, folder / "results")
    assert [one.name for one in results] == ["sst2-minilm", "snli-minilm"]
    write_document(plan, results, {}, tmp_path)
    pages = {}
    for page in ("reproduction.md", "reproduction/tables.md"):
        pages[page] = (tmp_path / page).read_text()
        assert pages[page] == (folder / "docs" / page).read_text()
        assert "{" not in pages[page]
    for picture in ("sst2-minilm", "snli-minilm", "rivals"):
        assert (tmp_path / "reproduction" / f"{picture}.svg").stat().st_size < 100_000
    assert "(reproduction/snli-minilm.svg)" in pages["reproduction.md"]
    assert "(rivals.svg)" in pages["reproduction/tables.md"]


def test_results_of_another_plan_are_refused(done):
    folder, _ = done
    plan = tiny_plan()
    other = replace(plan, encoders={"minilm": replace(plan.encoders["minilm"], exits=(2, 4, 6))})
    with pytest.raises(OptionError, match=r"joint has exits .1, 2, 4, 6., in the plan .2, 4, 6.; run 'analyse' again"):
        read_results(other, folder / "results")


def test_the_page_quotes_what_a_training_step_costs(done, tmp_path):
    folder, _ = done
    plan = tiny_plan()
    measured = {
        "exits": [1, 2, 4, 6],
        "time": {"median": 1.0312, "quartiles": [1.02, 1.04]},
        "parameters": {"more": 77, "share": 0.00011},
    }
    (tmp_path / "step-minilm.json").write_text(json.dumps(measured))
    write_document(plan, read_results(plan, folder / "results"), read_steps(plan, tmp_path), tmp_path)
    assert "+3.1 % with exits after layers 1, 2, 4, 6 (MiniLM, 6 layers)" in (tmp_path / "reproduction.md").read_text()
    assert "1, 2, 4, 6 | 1.031 (1.020–1.040) | 77: 0.0110" in (tmp_path / "reproduction" / "tables.md").read_text()


def test_results_compare_with_baselines_and_name_what_is_missing(done):
    folder, _ = done
    sst2, snli = read_results(tiny_plan(), folder / "results")
    groups = {ours: {one.group for one in sst2.comparisons if one.ours == ours} for ours in sst2.ours}
    assert groups == {
        "paper": {"efficient", "rivals", "models", "calibration"},
        "joint": {"efficient", "rivals", "models"},
        "attached": {"efficient", "rivals", "models"},
        "tuned": {"efficient", "rivals", "models"},
    }
    assert {one.ours for one in snli.comparisons} == {"paper"}
    assert {one.name for one in sst2.lines if one.group == "rivals"} == {
        rival.name for rival in RIVALS if rival.method in ("weighted", "sweet", "attach model")
    }
    assert snli.missing == sst2.missing == ()
    assert len(sst2.several.accuracies) == 4
    assert max(sst2.several.accuracies) > 0.6
    assert sst2.several.area_dev is not None
    assert sst2.standard.area_dev is None
    assert json.dumps(sst2.to_dict())
    assert all(low <= value <= high for one in sst2.comparisons for low, value, high in [_ends(one)])


def test_a_mean_over_data_sets_is_of_methods_that_were_run_on_all(done):
    folder, _ = done
    results = read_results(tiny_plan(), folder / "results")
    lines = regimes(tiny_plan(), results, "dev").splitlines()
    header, *rows = ([cell.strip("* ") for cell in line.split("|")[1:-1]] for line in lines if "---" not in line)
    assert header[-1] == "mean, MiniLM, 6 layers"
    means = {row[0]: row[-1] for row in rows}
    joint = [one.method("joint").area_dev for one in results]
    assert means["joint"] == percent(sum(joint) / len(joint))
    assert means["sweet"] == "–"  # on one of two


def test_tuned_pupils_start_from_the_standard_model_and_learn_from_it(done):
    folder, _ = done
    place = place_of(folder)
    run = Run("sst2", "minilm", AGAIN, 0)
    standard = place.model(Run("sst2", "minilm", "standard", 0))
    record = json.loads((place.model(run) / "training.json").read_text())
    assert (record["backbone"], record["regime"]["teacher"]) == (str(standard), str(standard))
    assert place.settings(run)["teacher"] == standard.name


def _ends(comparison):
    gain = comparison.versus.gain
    return gain.low - 1e-9, gain.value, gain.high + 1e-9


def test_an_interrupted_run_goes_on(done, tmp_path, monkeypatch):
    folder, _ = done
    place = replace(place_of(folder), work=tmp_path / "work", results=tmp_path / "results")
    run = Run("sst2", "minilm", "standard", 0)

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(running, "keep_logits", killed)
        with pytest.raises(Killed):
            running.run_all(place, [run], lambda _: None)
    assert place.model(run).is_dir()
    assert not place.is_done(run)
    running.run_all(place, [run], lambda _: None)
    assert place.is_done(run)
    assert place.record_of(run)["processor_seconds"] is None
    assert train(place, run) is None


def test_answers_are_enough_where_no_other_run_needs_the_model(done, tmp_path, monkeypatch):
    folder, _ = done
    results = tmp_path / "results"
    shutil.copytree(folder / "results", results)
    place = replace(place_of(folder), work=tmp_path / "work", results=results)
    runs = {method: Run("sst2", "minilm", method, 0) for method in ("standard", "joint", AGAIN)}
    prepare(place, place.plan.data_sets["sst2"])
    assert all(place.is_done(run) and not place.is_here(run) for run in runs.values())
    (models,) = Models.of(place, list(runs.values()))
    assert models.are_enough
    assert analyse(models).to_dict()["methods"] == read_json(results / "sst2-minilm.json")["methods"]
    trained = []
    monkeypatch.setattr(running, "train", lambda place, run: trained.append(run.method) or train(place, run))
    running.run_all(place, list(runs.values()), lambda _: None)
    assert not trained
    place.record(runs[AGAIN]).unlink()
    running.run_all(place, list(runs.values()), lambda _: None)
    assert trained == ["standard", AGAIN]
    assert place.is_here(runs["standard"])


def test_a_run_that_another_process_is_at_is_left_to_it(done, tmp_path):
    folder, _ = done
    place = replace(place_of(folder), work=tmp_path / "work", results=tmp_path / "results")
    run = Run("sst2", "minilm", "standard", 0)
    prepare(place, place.plan.data_sets["sst2"])
    lock = place.model(run).with_suffix(".lock")
    lock.parent.mkdir(parents=True)
    with locked(lock):
        running.run_all(place, [run], lambda _: None)
    assert not place.model(run).is_dir()


def test_networks_are_timed_once_unless_asked_again(done):
    folder, _ = done
    place = place_of(folder)
    said: list[str] = []
    running.time_all(place, place.plan.runs(), said.append)
    assert not said
    running.time_all(place, [Run("snli", "minilm", "joint", 0)], said.append, again=True)
    assert said == ["timing snli minilm", "timing words of snli"]


def test_every_rival_is_in_the_plan_with_a_rule_that_exists():
    methods = {run.method for run in PLAN.runs()}
    assert {rival.method for rival in RIVALS} <= methods
    assert {rival.rule for rival in RIVALS} <= CRITERIA.keys()


def test_every_method_of_the_plan_can_be_read():
    for run in PLAN.runs():
        if run.targets is None and run.method != "classifier":
            assert run.regime is not None
    with pytest.raises(OptionError, match="regime 'nonsense' is not known"):
        _ = Run("sst2", "minilm", "nonsense", 0).regime


def test_list_says_what_is_missing(tmp_path, capsys):
    main(["list", "--work", str(tmp_path), "--only", "sst2-minilm-joint-0"])
    assert "missing" in capsys.readouterr().out


def test_words_that_fit_no_run_are_refused(tmp_path):
    with pytest.raises(SystemExit, match="no run has sst2 and imdb in its name; `list` shows all names"):
        main(["list", "--work", str(tmp_path), "--only", "sst2", "imdb"])
