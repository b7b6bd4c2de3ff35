"""A small recipe whose inputs can be changed, and which runs real stages on them."""

from pathlib import Path

import numpy as np
import soundfile

from espnet_plugin.data.content import Contents
from espnet_plugin.data.prepare import format_set
from espnet_plugin.data.utterance import FormatOptions
from espnet_plugin.decode.best_path import Hypothesis, write_hypotheses
from espnet_plugin.decode.record import decode_inputs, note_decoded, why_decode
from espnet_plugin.errors import UserError
from espnet_plugin.files import file_checksum
from espnet_plugin.jobs.requests import DirectRequest, EncRLRequest, PlainRequest
from espnet_plugin.jobs.trainer import use_trainer
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.jobs.training_job import training_job

RUN, SKIP, REFUSE = "run", "skip", "refuse"
UTTS = ("a", "b", "c")
TRAININGS = ("stage_4", "stage_5", "stage_6")
STAGES = ("stage_2", *TRAININGS, "stage_6_cut", "stage_7")


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


def does(recipe, stage):
    try:
        return getattr(recipe, stage)()
    except UserError as error:
        assert "(was " in str(error) and ", is " in str(error)
        return REFUSE


def finished_recipe(root):
    """Return a recipe after all of its stages."""
    recipe = Recipe(root)
    assert {stage: does(recipe, stage) for stage in STAGES} == dict.fromkeys(
        STAGES, RUN
    )
    return recipe
