"""Ways in which files get damaged, and what an error about it has to look like."""

import errno
import json

from safetensors.torch import load_file, save_file

from offramp.errors import OfframpError

WEIGHTS, TOKENIZER, TOKENIZER_CONFIG = "model.safetensors", "tokenizer.json", "tokenizer_config.json"


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def drop_tensors(folder, *parts):
    tensors = load_file(folder / WEIGHTS)
    left = {name: tensor for name, tensor in tensors.items() if not any(part in name for part in parts)}
    assert len(left) < len(tensors)
    save_file(left, folder / WEIGHTS, metadata={"format": "pt"})


def halve(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def declare_pooling(folder, content):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(content)


def forbid_writing(monkeypatch):
    """Makes every folder one that may not be written, as it shows where somebody tries, also for root."""

    def forbidden(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", forbidden)


def assert_plain(error):
    """One line, for people: no traceback and no multi-line report of a library."""
    assert isinstance(error, OfframpError)
    assert "\n" not in str(error)
    assert "Traceback" not in str(error)
    assert len(str(error)) < 600
