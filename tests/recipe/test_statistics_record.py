"""The record beside statistics, against the shell lines that wrote it before."""

import subprocess

import pytest
import yaml

from espnet_plugin.recipe.statistics_record import StatisticsRecord

# As encrl.sh had it.
SHELL = r"""
front_end_of() {
    awk -v keys="^($1):" '
        /^[^ #]/ { kept = $0 ~ keys }
        { sub(/ *#.*/, "") }
        kept && NF' config.yaml
}
sha256() { sha256sum | cut -d ' ' -f 1; }
if [ "$1" = now ]; then
    echo "training set: $(sha256 < train.json)"
    echo "development set: $(sha256 < valid.json)"
    echo "features: raw ${2:+of an imported reference}"
    [ -n "$2" ] || echo "front end: $(front_end_of \
        "(frontend|preprocessor)(_conf)?|speech_volume_normalize" | xargs)"
else
    {
        cat train.json valid.json
        echo "raw ${2:+imported}"
        [ -n "$2" ] || front_end_of "frontend(_conf)?"
    } | sha256
fi
"""
CONFIGS = {
    "usual": "frontend: default\nfrontend_conf:\n    n_mels: 40  # bins\nencoder: x\n",
    "none": "encoder: conformer\n",
    "empty": "",
    "quotes": "frontend_conf:\n  a: 'b  c'\n  d: \"e\\f\"  # it's\n\n  g: h\\ i\n",
    "list": "preprocessor_conf:\n- a\n- b\nfrontend: c # d\n",
    "others": "# frontend: x\nfrontends: y\nspeech_volume_normalize: 0.5\nseed: 1\n"
    "preprocessor: z\n# c\n  \n  more: 1\nseed: 2\n",
    "no end": "frontend: default",
    "flow": "frontend_conf: {n_mels: 40, hop_length: 128}\r\nx: y\r\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.json").write_text('{"digest": "1"}\n')
    (tmp_path / "valid.json").write_text('{"digest": "2"}\n')
    return tmp_path


def shell(kind, imported):
    command = ["bash", "-euo", "pipefail", "-c", SHELL, "bash", kind, imported]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize("imported", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_same_as_the_shell_wrote(folder, name, imported):
    (folder / "config.yaml").write_bytes(CONFIGS[name].encode())
    config = None if imported else folder / "config.yaml"
    record = StatisticsRecord(
        folder / "train.json", folder / "valid.json", "raw", config
    )
    done = folder / ".done"
    assert record.why_made(done) == "there are no statistics yet"
    for kind in ("now", "earlier"):
        done.write_bytes(shell(kind, "yes" if imported else ""))
        assert record.why_made(done) == "", kind
    record.write(done)
    # An own configuration's values are noted as well, for other ways to write them.
    lines = done.read_bytes().splitlines(keepends=True)
    own = not imported and read_back(CONFIGS[name]) is not None
    kept = lines[:-1] if own else lines
    assert b"".join(kept) == shell("now", "yes" if imported else "")
    assert not own or lines[-1].startswith(b"values of the front end: ")


def read_back(text):
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return content if isinstance(content, dict) else None


@pytest.mark.parametrize(
    "text, why",
    [
        ("frontend_conf: {hop_length: 128, 'n_mels': 40}\nfrontend: default\n", ""),
        ("frontend: default\nseed: 7\nfrontend_conf:\n    n_mels: 40.0\n"
         "    hop_length: 128\n", ""),
        ("frontend: default\nfrontend_conf: {n_mels: 40}\n", "a different front end"),
    ],
)  # fmt: skip
def test_other_ways_to_write_the_same_values(folder, text, why):
    config = folder / "config.yaml"
    config.write_text(
        "frontend: default\nfrontend_conf:\n    n_mels: 40\n    hop_length: 128\n"
    )
    files = (folder / "train.json", folder / "valid.json")
    record, done = StatisticsRecord(*files, "raw", config), folder / ".done"
    record.write(done)
    config.write_text(text)
    assert record.why_made(done).startswith(why) and bool(why) == bool(
        record.why_made(done)
    )
    # Also beside other data.
    files[0].write_text("{}")
    assert record.why_made(done).startswith("a different training set")


def test_the_first_input_that_differs_is_named(folder):
    config = folder / "config.yaml"
    config.write_text("frontend: a\n")
    files = (folder / "train.json", folder / "valid.json")
    record, done = StatisticsRecord(*files, "raw", config), folder / ".done"
    record.write(done)
    config.write_text("frontend: b\n")
    why = record.why_made(done)
    assert why == "a different front end (was frontend: a, is frontend: b)"
    files[1].write_text("{}")
    assert record.why_made(done) == "a different development set"
    # As a power cut leaves it: the statistics may be of any front end.
    done.write_text("")
    assert record.why_made(done) == f"{done} is empty"
