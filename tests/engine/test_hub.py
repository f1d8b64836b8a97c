"""Models on the hub: from a cache laid out as the hub's own, and through its API."""

import shutil

import huggingface_hub
import pytest
from huggingface_hub.errors import HTTPError

import offramp
from helpers.toys import single, write_model
from offramp.engine import Classifier, hub
from offramp.errors import ModelFolderError, OptionError, StorageError

TEXTS = [row["text"] for row in single(20)]
COMMIT = "0" * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def cache(tmp_path, folder):
    """A cache as the hub's client lays it out: blobs, and snapshots of links to them."""
    repository = tmp_path / "cache" / "models--owner--name"
    snapshot, blobs = repository / "snapshots" / COMMIT, repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for place, path in enumerate(sorted(folder.iterdir())):
        shutil.copy(path, blobs / str(place))
        (snapshot / path.name).symlink_to(f"../../blobs/{place}")
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def same(one, other):
    assert one.fingerprint == other.fingerprint
    assert one.predict(TEXTS).label == other.predict(TEXTS).label


def test_a_model_of_the_hub_is_read_from_the_cache(cache, folder, monkeypatch):
    same(Classifier.from_pretrained("owner/name", cache_dir=cache), offramp.load(folder))
    same(Classifier.from_pretrained("owner/name", cache_dir=cache, revision=COMMIT), offramp.load(folder))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    loaded = offramp.load("owner/name")
    same(loaded, offramp.load(folder))
    assert loaded.folder == cache / "models--owner--name" / "snapshots" / COMMIT


def test_what_is_on_the_disk_comes_first(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "snapshot_download", lambda *args, **options: pytest.fail("the hub was asked"))
    shutil.copytree(folder, tmp_path / "owner" / "name")
    assert offramp.load("owner/name").folder is not None
    same(Classifier.from_pretrained("owner/name"), offramp.load(folder))


@pytest.mark.parametrize("name", ["model", "a/b/c", "./a/b", "/a/b", "../b", "a/b/", "a//b", "owner/na me", "a/..", ""])
def test_other_names_never_reach_the_hub(name, monkeypatch):
    monkeypatch.setattr(hub, "snapshot_download", lambda *args, **options: pytest.fail("the hub was asked"))
    with pytest.raises(ModelFolderError):
        offramp.load(name)


def test_a_name_that_the_hub_does_not_know_is_one_sentence(tmp_path):
    with pytest.raises(ModelFolderError, match="no folder owner/other, and the Hugging Face hub did not give a model"):
        offramp.load("owner/other")
    assert list(tmp_path.iterdir()) == []


def test_how_it_is_fetched_can_be_chosen(folder, monkeypatch):
    asked = []

    def download(name, **options):
        asked.append((name, options))
        return str(folder)

    monkeypatch.setattr(hub, "snapshot_download", download)
    Classifier.from_pretrained("owner/name", token="secret", revision="v1", threads=1)
    offramp.load("owner/name", revision="v2")
    (first, options), (second, others) = asked
    assert first == second == "owner/name"
    assert (options["token"], options["revision"], others["revision"]) == ("secret", "v1", "v2")


class Hub:
    """Keeps what would be uploaded."""

    def __init__(self):
        self.calls = {}

    def create_repo(self, repo_id, **options):
        huggingface_hub.utils.validate_repo_id(repo_id)
        self.calls["create_repo"] = (repo_id, options)
        return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

    def upload_folder(self, **options):
        self.calls["upload_folder"] = options
        return "https://huggingface.co/owner/name/commit/1"


@pytest.fixture
def remote(monkeypatch):
    found = Hub()
    monkeypatch.setattr(hub, "HfApi", lambda **options: found)
    return found


def test_a_model_folder_is_pushed_whole(folder, remote):
    address = offramp.load(folder).push_to_hub("owner/name", private=True, commit_message="first", create_pr=True)
    assert address == "https://huggingface.co/owner/name/commit/1"
    assert remote.calls["create_repo"] == ("owner/name", {"private": True, "exist_ok": True})
    sent = remote.calls["upload_folder"]
    assert (sent["repo_id"], sent["folder_path"], sent["create_pr"]) == ("owner/name", folder, True)
    names = [".README.md.x.partial/README.md", "onnx/.hidden", "model.safetensors", "openvino/int8/stage-0.bin"]
    kept = list(huggingface_hub.utils.filter_repo_objects(names, ignore_patterns=sent["ignore_patterns"]))
    assert kept == ["model.safetensors", "openvino/int8/stage-0.bin"]


def unreachable(**_):
    """As the client of the hub puts it, with an error that is none of the operating system's."""
    raise HTTPError("Connection refused")


def test_what_cannot_be_pushed_is_one_sentence(folder, remote, monkeypatch):
    classifier = offramp.load(folder)
    with pytest.raises(OptionError, match=r"'a b' is no name on the hub .* give one as owner/name"):
        classifier.push_to_hub("a b")
    monkeypatch.setattr(remote, "upload_folder", unreachable)
    with pytest.raises(StorageError, match=r"cannot push .* \(Connection refused\); check the name, the network"):
        classifier.push_to_hub("owner/name")
    classifier.folder = None
    with pytest.raises(OptionError, match="in memory alone"):
        classifier.push_to_hub("owner/name")
    monkeypatch.undo()
    with pytest.raises(StorageError, match=r"cannot push .* hf auth login"):
        offramp.load(folder).push_to_hub("owner/name")
