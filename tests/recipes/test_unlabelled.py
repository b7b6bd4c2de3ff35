"""What the recipe asks of Python where stage 5 takes audio without transcripts."""

import json
import os
import subprocess
import sys

import pytest
from mini_recipe import ROOT, copy_recipe

# Stands in for Python: notes what it is asked to do.
NOTE = """import json, os, sys
with open(os.environ["CALLS"], "a") as stream:
    stream.write(json.dumps(sys.argv[1:]) + "\\n")
print("model.pth")
"""


@pytest.fixture
def calls(tmp_path):
    recipe = copy_recipe(tmp_path)
    (tmp_path / "note.py").write_text(NOTE)
    for name in (
        "data/train/text",
        "exp/asr_stats_raw_char/.done",
        "exp/asr_reference/meta.json",
        "dump/raw/train+extra+more/utt2num_samples",
    ):
        (recipe / name).parent.mkdir(parents=True, exist_ok=True)
        (recipe / name).touch()

    def run(*options) -> list[list[str]]:
        noted = tmp_path / "calls"
        noted.unlink(missing_ok=True)
        subprocess.run(
            ["./run.sh", "--python", f"{sys.executable} {tmp_path}/note.py", *options],
            cwd=recipe,
            env={
                **os.environ,
                "VENV": sys.prefix,
                "ESPNET_PLUGIN_ROOT": str(ROOT),
                "CALLS": str(noted),
            },
            check=True,
            capture_output=True,
        )
        found = [json.loads(line) for line in noted.read_text().splitlines()]
        checks = [f"espnet_plugin.bin.check_{x}" for x in ("environment", "configs")]
        return [call for call in found if call[0] == "-m" and call[1] not in checks]

    return run


def values(call, option):
    return [call[i + 1] for i, word in enumerate(call) if word == option]


def test_stages_with_and_without(calls):
    check, prepare = calls("--stage", "2", "--stop_stage", "2")
    assert "--unlabelled_sets" not in prepare and "--unlabelled" not in check
    sets = ("--unlabelled_sets", "extra more")
    check, prepare = calls("--stage", "2", "--stop_stage", "2", *sets)
    assert check[1] == "espnet_plugin.bin.check_data"
    start = check.index("--unlabelled")
    assert check[start + 1 : start + 3] == ["data/extra", "data/more"]
    start = prepare.index("--unlabelled_sets")
    assert prepare[start + 1 : start + 4] == ["extra", "more", "--joined_set"]
    assert values(prepare, "--joined_set") == ["train+extra+more"]

    (before,) = calls("--stage", "5", "--stop_stage", "5")
    (train,) = calls("--stage", "5", "--stop_stage", "5", *sets)
    path = "dump/raw/train+extra+more"
    option = "--train_data_path_and_name_and_type"
    assert values(before, option) == [
        "dump/raw/train/wav.scp,speech,sound",
        "dump/raw/train/text,text,text",
    ]
    assert values(train, option) == [f"{path}/wav.scp,speech,sound"]
    assert values(train, "--train_shape_file") == [f"{path}/utt2num_samples"]
    # Nothing else differs.
    for name in (option, "--train_shape_file"):
        for call in (before, train):
            for value in values(call, name):
                del call[call.index(value) - 1 : call.index(value) + 1]
    assert sorted(before) == sorted(train)
