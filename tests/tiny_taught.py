"""A tiny dual-mode training that a reference teaches: data, row and command."""

from types import SimpleNamespace

import torch
import yaml
from tiny_asr import write_stats, write_utterances

from espnet_plugin.bin.dual_mode_train import main
from espnet_plugin.experiment.folder import Experiment

CONFIG = "conf/dualmode/tiny.yaml"
TEACHING = {
    # The projection is trained along, and is of no use afterwards.
    "objectives": {
        "clip": {"projection": True},
        "kl": {},
        "frame_contrast": {"max_delay": 1},
    },
    "weight": 2.0,
    "delay_frames": 1,
}


def write_data(root, reference):
    """Write six utterances for training and development below ``root``.

    Returns:
        ``root``, ``folder`` of the tables, and ``options`` of ESPnet.
    """
    written, stats = write_utterances(root / "data"), write_stats(root, 20)
    tokens = reference.dir / "tokens.txt"
    options = ["--token_list", f"{tokens}", "--token_type", "char", "--ngpu", "0"]
    options += ["--normalize", "global_mvn", "--normalize_conf", f"stats_file={stats}"]
    options += ["--use_tensorboard", "false", "--num_att_plot", "0"]
    for part in ("train", "valid"):
        options += [f"--{part}_shape_file", f"{written.dir / 'utt2num_samples'}"]
        for entry in ("wav.scp,speech,sound", "text,text,text"):
            path = f"{written.dir / entry}"
            options += [f"--{part}_data_path_and_name_and_type", path]
    return SimpleNamespace(root=root, folder=written.dir, options=options)


def write_row(data, teaching, name="taught"):
    """Write what the row changes in the configuration; return its file."""
    row = {"variant": name, "changes": {"model_conf": {"teaching": teaching}}}
    path = data.root / f"{name}.yaml"
    path.write_text(yaml.safe_dump(row))
    return path


def train(data, row, *more):
    """Run the command; return its exit status."""
    words = [
        "--config",
        CONFIG,
        "--rows",
        f"{row}",
        "--exp_dir",
        f"{data.root / 'exp'}",
    ]
    return main([*words, *more, *data.options])


def trained(folder):
    """Return the statistics of all epochs, and the weights after the last one."""
    whole = torch.load(Experiment(folder).resume_file, weights_only=True)
    return whole["reporter"]["stats"], whole["model"]
