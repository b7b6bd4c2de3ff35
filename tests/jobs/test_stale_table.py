"""Each input of each stage changed once: does it run, skip or refuse? One table.

Stage 3 is shell: tests/recipes/test_stale_stages.py.
"""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_plugin.data.content import Contents
from espnet_plugin.data.prepare import format_set
from espnet_plugin.data.utterance import FormatOptions
from espnet_plugin.decode.best_path import Hypothesis, write_hypotheses
from espnet_plugin.decode.record import decode_inputs, note_decoded, why_decode
from espnet_plugin.errors import UserError
from espnet_plugin.files import file_checksum
from espnet_plugin.jobs.inputs import difference, job_inputs
from espnet_plugin.jobs.models import export_once
from espnet_plugin.jobs.requests import (
    CutRequest,
    DirectRequest,
    DualModeRequest,
    EncRLRequest,
    PlainRequest,
    PretrainingRequest,
)
from espnet_plugin.jobs.trainer import use_trainer
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.jobs.training_job import training_job

RUN, SKIP, REFUSE = "run", "skip", "refuse"
UTTS = ("a", "b", "c")


def write_audio(path, seed, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal(int(16000 * seconds))
    soundfile.write(path, samples, 16000)


class Recipe:
    """A recipe's data, reference and options, all of which can be changed."""

    def __init__(self, root: Path):
        self.root = root
        self.exp = "exp"
        for number, name in enumerate(("train", "dev")):
            for utt in UTTS:
                write_audio(root / f"wav/{name}_{utt}.wav", hash_of(name, utt))
            self.write_set(name)
        self.put(f"{self.exp}/asr_stats/train/feats_stats.npz", "statistics")
        self.put("data/tokens.txt", "<blank>\n<unk>\nONE\n")
        self.put("data/bpe.model", "pieces")
        self.put(f"{self.exp}/asr_reference/config.yaml", "encoder: conformer\n")
        self.put(f"{self.exp}/asr_reference/best.pth", "weights")
        self.put(f"{self.exp}/encrl/valid.loss.ave.pth", "student")
        self.config = {"max_epoch": 3, "optim_conf": {"lr": 0.1}, "batch_bins": 100}
        self.options = {"seed": "1", "ngpu": "0", "num_att_plot": "0"}
        self.tables = {"train": "sound", "dev": "sound"}
        self.layers = [1, 2]

    def path(self, name):
        return self.root / name

    def put(self, name, text):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def write_set(self, name):
        lines = {
            "wav.scp": [f"{u} {self.path(f'wav/{name}_{u}.wav')}" for u in UTTS],
            "text": [f"{u} ONE" for u in UTTS],
            "utt2spk": [f"{u} {u}" for u in UTTS],
            "shape": [f"{u} 8000" for u in UTTS],
        }
        for table, content in lines.items():
            self.put(f"dump/{name}/{table}", "".join(f"{x}\n" for x in content))

    def data_options(self):
        options = []
        for part, name in (("train", "train"), ("valid", "dev")):
            folder = self.path(f"dump/{name}")
            option = f"--{part}_data_path_and_name_and_type"
            options += [option, f"{folder}/wav.scp,speech,{self.tables[name]}"]
            options += [option, f"{folder}/text,text,text"]
            options += [f"--{part}_shape_file", f"{folder}/shape"]
        for name, value in self.options.items():
            options += [f"--{name}", value]
        return options

    def train(self, name, request):
        """Train, unless it is done; "trained" is a file."""
        calls, folder = [], self.path(f"{self.exp}/{name}")

        def trainer(task, cmd):
            calls.append(task)
            (folder / "1epoch.pth").write_text("weights")
            (folder / "config.yaml").write_text("encoder: conformer\n")

        with use_trainer(trainer):
            with trained(folder, Training("a:B", request, request.options)):
                pass
        return RUN if calls else SKIP

    def stage_4(self):
        stats = self.path(f"{self.exp}/asr_stats/train/feats_stats.npz")
        options = [
            *self.data_options(),
            *("--token_list", str(self.path("data/tokens.txt"))),
            *("--bpemodel", str(self.path("data/bpe.model"))),
            *("--normalize_conf", f"stats_file={stats}"),
        ]
        return self.train("asr_new", PlainRequest(self.config, options, "None"))

    def stage_5(self):
        reference = self.path(f"{self.exp}/asr_reference")
        options = [
            *("--reference_config", str(reference / "config.yaml")),
            *("--reference_model_file", str(reference / "best.pth")),
            *self.data_options(),
        ]
        digest = file_checksum(reference / "best.pth")
        return self.train("enc", EncRLRequest(self.config, options, 1, digest))

    def stage_6(self):
        start = file_checksum(self.path(f"{self.exp}/encrl/valid.loss.ave.pth"))
        return self.train(
            "asr_6", PlainRequest(self.config, self.data_options(), start)
        )

    def stage_6_cut(self):
        digest = file_checksum(self.path(f"{self.exp}/encrl/valid.loss.ave.pth"))
        folder = self.path(f"{self.exp}/asr_cut")
        with training_job(
            folder, DirectRequest("encrl", self.layers, digest), again=True
        ) as todo:
            if todo is None:
                return SKIP
            (folder / "model.pth").write_text("weights")
        return RUN

    def stage_2(self):
        target = self.path("formatted/train")
        done = target / "done.json"
        before = done.stat().st_mtime_ns if done.exists() else None
        options = FormatOptions(
            **{"max_seconds": 20.0, "nj": 1, "input_layer": None, **self.formatting}
        )
        format_set(self.path("dump/train"), target, options, list, training=True)
        return SKIP if done.stat().st_mtime_ns == before else RUN

    formatting: dict = {}
    decoding = "best_path"

    def stage_7(self):
        folder = self.path(f"{self.exp}/asr_6/decode/dev")
        checkpoint = self.path(f"{self.exp}/asr_reference/best.pth")
        table = self.path("dump/dev/wav.scp")
        keys = [line.split()[0] for line in table.read_text().splitlines()]
        inputs = decode_inputs(
            self.path(f"{self.exp}/asr_reference/config.yaml"),
            checkpoint,
            (str(table), "speech", self.tables["dev"]),
            keys,
            self.decoding,
            Contents(),
        )
        if why_decode(folder, inputs, keys, checkpoint, table) is None:
            return SKIP
        write_hypotheses(
            folder, [Hypothesis(k, "ONE", ["ONE"], [2], 0.0) for k in keys]
        )
        note_decoded(folder, inputs)
        return RUN


def hash_of(*names):
    return sum(map(ord, "".join(names)))


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


TRAININGS = ("stage_4", "stage_5", "stage_6")
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
STAGES = ("stage_2", *TRAININGS, "stage_6_cut", "stage_7")


def does(recipe, stage):
    try:
        return getattr(recipe, stage)()
    except UserError as error:
        assert "(was " in str(error) and ", is " in str(error)
        return REFUSE


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A recipe after all of its stages."""
    recipe = Recipe(tmp_path_factory.mktemp("made"))
    assert {stage: does(recipe, stage) for stage in STAGES} == dict.fromkeys(
        STAGES, RUN
    )
    return recipe


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


@pytest.mark.parametrize(
    "name, stage, option",
    [
        ("data/tokens.txt", "stage_4", "token_list"),
        ("data/bpe.model", "stage_4", "bpemodel"),
        ("exp/asr_stats/train/feats_stats.npz", "stage_4", "normalize_conf.stats_file"),
        ("exp/asr_reference/config.yaml", "stage_5", "reference_config"),
    ],
)
def test_a_file_that_is_missing_is_named(made, name, stage, option):
    path, kept = made.path(name), made.path("kept")
    path.rename(kept)
    try:
        with pytest.raises(UserError, match=f"{option}: {path} is missing: bring it"):
            getattr(made, stage)()
    finally:
        kept.rename(path)


def test_one_of_several_files_that_is_missing_is_named(tmp_path):
    files = [tmp_path / "one", tmp_path / "two"]
    for file in files:
        file.write_text(f"{file.name} 16000\n")
    options = ["--train_shape_file", *map(str, files)]
    request = PretrainingRequest({}, options, 1)
    contents = Contents(tmp_path / "digests")
    known = {"inputs": job_inputs(request, contents)}
    assert difference(known, request, contents)[0] is None
    files[1].unlink()
    with pytest.raises(UserError, match="train_shape_file: .*two is missing: bring"):
        difference(known, request, contents)


def test_a_training_is_never_replaced_by_a_cut(made):
    folder = made.path(f"{made.exp}/asr_6")
    with pytest.raises(
        UserError, match="different inputs: kind .was PlainRequest, is CutRequest"
    ):
        export_once(folder, CutRequest("family", 1, "0a"), lambda: None)
    assert (folder / "1epoch.pth").read_text() == "weights"


def test_digests_are_read_once(tmp_path):
    audio, table = tmp_path / "a.wav", tmp_path / "wav.scp"
    write_audio(audio, 1)
    table.write_text(f"a {audio}\n")
    first = Contents(tmp_path / "cache")
    said = first.table(table)
    first.save()
    text = (tmp_path / "cache").read_text()
    digest = text.split()[0]
    # A digest that is no file's: it can only come from the cache.
    (tmp_path / "cache").write_text(text.replace(digest, "0" * len(digest)))
    assert Contents(tmp_path / "cache").table(table) != said
    os.utime(audio, (1, 1))
    assert Contents(tmp_path / "cache").table(table) == said
    assert said.startswith("1 utterances, ")


def test_an_archive_counts_with_the_place_in_it(tmp_path):
    archive, table = tmp_path / "a.ark", tmp_path / "wav.scp"
    archive.write_bytes(b"0123456789")
    said = set()
    for place in ("3", "4", "4[0:2]"):
        table.write_text(f"a {archive}:{place}\n")
        said.add(Contents().table(table, "kaldi_ark"))
    archive.write_bytes(b"0123456780")
    said.add(Contents().table(table, "kaldi_ark"))
    assert len(said) == 4


def test_audio_that_is_missing_is_named_and_no_difference(tmp_path):
    for utt in ("a", "b"):
        (tmp_path / f"{utt}.wav").write_bytes(b"RIFF")
    table = tmp_path / "wav.scp"
    table.write_text(f"a {tmp_path}/a.wav\nb {tmp_path}/b.wav\nc sox c.sph |\n")
    before = Contents().table(table)
    (tmp_path / "b.wav").rename(tmp_path / "elsewhere.wav")
    with pytest.raises(UserError, match=r"wav.scp names 1 file\(s\) .* b: .*b.wav"):
        Contents().table(table)
    (tmp_path / "elsewhere.wav").rename(tmp_path / "b.wav")
    assert Contents().table(table) == before


@pytest.mark.parametrize(
    "old, new, said",
    [
        (
            (None, "restart", False, "first"),
            (None, "restart", False, "last"),
            "reference_layers (was first, is last)",
        ),
        # Records of earlier versions have three values.
        (
            (None, "restart", False),
            (None, "restart", False, "first"),
            "reference_layers (was not given, is first)",
        ),
        (
            ("0a" * 32, "restart", False),
            ("0b" * 32, "keep", False),
            f"start_from (was {'0a' * 28}0..., is {'0b' * 28}0...), and 1 more",
        ),
        ((None, "keep", True), (None, "keep", False), "start_whole (was True, is Fal"),
    ],
)
def test_the_start_of_a_dual_mode_training_is_named(old, new, said):
    contents = Contents()
    known = {"inputs": job_inputs(DualModeRequest({}, [], old), contents)}
    found, _ = difference(known, DualModeRequest({}, [], new), contents)
    assert str(found).startswith(said)
    assert difference(known, DualModeRequest({}, [], old), contents)[0] is None
