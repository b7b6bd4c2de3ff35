"""Each input of each stage changed once: does it run, skip or refuse? One table.

Stage 3 is shell: tests/recipes/test_stale_stages.py.
"""

import os
import re
import shutil

import pytest
from stale_recipe import (
    REFUSE,
    RUN,
    SKIP,
    STAGES,
    TRAININGS,
    does,
    finished_recipe,
    write_audio,
)


def append(name, text):
    def change(recipe):
        path = recipe.path(name.replace("EXP", recipe.exp))
        path.write_text(path.read_text() + text)

    return change


def edit(name, old, new):
    def change(recipe):
        path = recipe.path(name)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def exchange(name):
    """Other audio of the same length, and the times of the file as they were."""

    def change(recipe):
        path = recipe.path(f"wav/{name}.wav")
        before, size = path.stat(), path.stat().st_size
        write_audio(path, 99)
        assert path.stat().st_size == size
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def one_sample(name):
    """One byte in the middle of a file, which no header and no end shows."""

    def change(recipe):
        path = recipe.path(f"wav/{name}.wav")
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)

    return change


def move_audio(recipe):
    shutil.move(recipe.path("wav"), recipe.path("corpus"))
    for name in ("train", "dev"):
        edit(f"dump/{name}/wav.scp", "/wav/", "/corpus/")(recipe)


def move_exp(recipe):
    shutil.move(recipe.path("exp"), recipe.path("moved"))
    recipe.exp = "moved"


def touch_all(recipe):
    for path in recipe.root.rglob("*"):
        if path.is_file() and path.suffix in (".wav", ".scp", ".txt", ".npz"):
            os.utime(path)


def sort_tables(recipe):
    for name in ("train", "dev"):
        for table in ("wav.scp", "text"):
            path = recipe.path(f"dump/{name}/{table}")
            path.write_text("".join(sorted(path.open(), reverse=True)))


def option(name, value):
    def change(recipe):
        recipe.options[name] = value

    return change


def config(name, value):
    def change(recipe):
        recipe.config[name] = value

    return change


def epochs_by_option(recipe):
    recipe.options["max_epoch"] = "3"  # what the configuration says already


def rewritten_yaml(recipe):
    """Other order, quotes, kind of line ends, and a key without a value."""
    path = recipe.path(f"{recipe.exp}/asr_reference/config.yaml")
    assert path.read_text() == "encoder: conformer\n"
    path.write_bytes(b'init: null\r\n"encoder": "conformer"\r\n')


def without_meanings(recipe):
    """Records as earlier versions wrote them: with digests of the bytes alone."""
    records = [*recipe.root.rglob("request.json"), *recipe.root.rglob("decoded.json")]
    shortened = 0
    for path in records:
        text, count = re.subn(" means [0-9a-f]{20}", "", path.read_text())
        path.write_text(text)
        shortened += count
    assert shortened >= 3


def without_meanings_and_a_comment(recipe):
    without_meanings(recipe)
    append("EXP/asr_reference/config.yaml", "# mine\n")(recipe)


def drop_utterance(recipe):
    for table in ("wav.scp", "text", "utt2spk", "shape"):
        for name in ("train", "dev"):
            path = recipe.path(f"dump/{name}/{table}")
            path.write_text("".join(path.read_text().splitlines(True)[:-1]))


def as_ark(recipe):
    recipe.tables = {"train": "kaldi_ark", "dev": "kaldi_ark"}


def formatting(**options):
    def change(recipe):
        recipe.formatting = options

    return change


def decoding(recipe):
    recipe.decoding = "prefix"


def layers(recipe):
    recipe.layers = [0, 1]


STUDENT = "EXP/encrl/valid.loss.ave.pth"
# What is changed, and what each stage does then. A stage that is not named skips.
TABLE = {
    "nothing": (lambda recipe: None, {}),
    "a transcript": (
        edit("dump/train/text", "b ONE", "b TWO"),
        {"stage_2": RUN, **dict.fromkeys(TRAININGS, REFUSE)},
    ),
    "a transcript of dev": (
        edit("dump/dev/text", "b ONE", "b TWO"),
        dict.fromkeys(TRAININGS, REFUSE),
    ),
    "audio of train exchanged, same length and times": (
        exchange("train_a"),
        {"stage_2": RUN, **dict.fromkeys(TRAININGS, REFUSE)},
    ),
    "one bit of audio of train": (
        one_sample("train_c"),
        {"stage_2": RUN, **dict.fromkeys(TRAININGS, REFUSE)},
    ),
    "audio of dev exchanged": (
        exchange("dev_a"),
        {"stage_7": RUN, **dict.fromkeys(TRAININGS, REFUSE)},
    ),
    "an utterance less": (
        drop_utterance,
        {"stage_2": RUN, "stage_7": RUN, **dict.fromkeys(TRAININGS, REFUSE)},
    ),
    "the shape file": (
        append("dump/train/shape", "d 1\n"),
        dict.fromkeys(TRAININGS, REFUSE),
    ),
    "the type of the audio": (
        as_ark,
        {"stage_7": RUN, **dict.fromkeys(TRAININGS, REFUSE)},
    ),
    "the tokens": (append("data/tokens.txt", "TWO\n"), {"stage_4": REFUSE}),
    "the BPE model": (append("data/bpe.model", "x"), {"stage_4": REFUSE}),
    "the statistics": (
        append("EXP/asr_stats/train/feats_stats.npz", "x"),
        {"stage_4": REFUSE},
    ),
    "the reference's weights": (
        append("EXP/asr_reference/best.pth", "x"),
        {"stage_5": REFUSE, "stage_7": RUN},
    ),
    "the reference's configuration": (
        append("EXP/asr_reference/config.yaml", "x: 1\n"),
        {"stage_5": REFUSE, "stage_7": RUN},
    ),
    "the student of stage 5": (
        append(STUDENT, "x"),
        {"stage_6": REFUSE, "stage_6_cut": RUN},
    ),
    "the layers that are cut out": (layers, {"stage_6_cut": RUN}),
    "the learning rate": (
        config("optim_conf", {"lr": 0.2}),
        dict.fromkeys(TRAININGS, REFUSE),
    ),
    "a key of the configuration": (
        config("accum_grad", 2),
        dict.fromkeys(TRAININGS, REFUSE),
    ),
    "the seed": (option("seed", "2"), dict.fromkeys(TRAININGS, REFUSE)),
    "the epochs": (option("max_epoch", "4"), dict.fromkeys(TRAININGS, REFUSE)),
    "the decoding": (decoding, {"stage_7": RUN}),
    "the longest utterance": (formatting(max_seconds=10.0), {"stage_2": RUN}),
    # What decides nothing.
    "the same epochs by an option": (epochs_by_option, {}),
    "GPUs": (option("ngpu", "2"), {}),
    "workers": (option("num_workers", "3"), {}),
    "the log": (option("log_interval", "10"), {}),
    "a comment in the reference's configuration": (
        append("EXP/asr_reference/config.yaml", "# mine\n"),
        {},
    ),
    "the reference's configuration, written in another way": (rewritten_yaml, {}),
    "the GPUs in the reference's configuration": (
        append("EXP/asr_reference/config.yaml", "ngpu: 4\nnum_workers: 2\n"),
        {},
    ),
    "line ends of the tokens": (
        edit("data/tokens.txt", "<blank>\n<unk>\nONE\n", "<blank>\n<unk> \nONE"),
        {},
    ),
    "an empty line after the tokens, which ESPnet reads as a token": (
        append("data/tokens.txt", "\n"),
        {"stage_4": REFUSE},
    ),
    "line ends of a shape file": (
        edit("dump/train/shape", "c 8000\n", "c 8000 "),
        {},
    ),
    "records of an earlier version": (without_meanings, {}),
    # Nobody can know that only a comment was added.
    "records of an earlier version, and a comment": (
        without_meanings_and_a_comment,
        {"stage_5": REFUSE, "stage_7": RUN},
    ),
    "processes of stage 2": (formatting(nj=2), {}),
    "where the audio lies": (move_audio, {"stage_2": RUN}),
    "where the experiments lie": (move_exp, {}),
    "the times of all files": (touch_all, {}),
    "the order of the tables": (sort_tables, {"stage_7": RUN}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return finished_recipe(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize("what", TABLE)
def test_each_input_changed_once(made, tmp_path, monkeypatch, what):
    # The same folders, so that only what is changed differs.
    kept = tmp_path / "kept"
    shutil.copytree(made.root, kept, copy_function=shutil.copy2)
    recipe = made
    try:
        change, expected = TABLE[what]
        state = dict(vars(recipe))
        for name in ("config", "options", "tables"):
            setattr(recipe, name, dict(getattr(recipe, name)))
        change(recipe)
        found = {stage: does(recipe, stage) for stage in STAGES}
    finally:
        vars(recipe).clear()
        vars(recipe).update(state)
        shutil.rmtree(recipe.root)
        shutil.copytree(kept, recipe.root, copy_function=shutil.copy2)
    assert found == {stage: expected.get(stage, SKIP) for stage in STAGES}
