"""Two ranks train a supernet as one process does: the same masks and weights."""

import pytest
import torch
import yaml
from tiny_asr import TOKENS, write_stats, write_utterances
from two_ranks import exit_codes, start

from espnet_plugin.tasks.dual_mode import DualModeASRTask

pytestmark = pytest.mark.slow
TRAINING = {
    **{"encoder": "dual_mode_conformer", "model": "dual_mode", "frontend": "default"},
    "frontend_conf": {"n_mels": 20, "hop_length": 160},
    "encoder_conf": {
        **{"output_size": 16, "attention_heads": 2, "linear_units": 32},
        **{"num_blocks": 1, "cnn_module_kernel": 7, "macaron_style": True},
        # What is drawn at random would be drawn by each rank for itself.
        **{"dropout_rate": 0.0, "positional_dropout_rate": 0.0, "chunk_frames": 4},
        "pruning": {"sparsity": 0.5, "end": 0.5, "every": 1},
    },
    "model_conf": {
        "ctc_weight": 1.0,
        "report_wer": False,
        "dual_mode": {"distillation_weight": 0.1},
    },
    **{"batch_type": "sorted", "batch_size": 3, "min_batch_size": 2},
    **{"num_workers": 0, "use_matplotlib": False, "use_tensorboard": False},
    **{"optim": "sgd", "optim_conf": {"lr": 0.01}, "max_epoch": 2, "grad_clip": 5},
    "best_model_criterion": [["valid", "cer_final", "min"]],
    "keep_nbest_models": 2,
}


def test_the_masks_and_weights_are_those_of_one_process(tmp_path):
    data, stats = write_utterances(tmp_path / "data"), write_stats(tmp_path, 20)
    (tmp_path / "tokens.txt").write_text("".join(f"{token}\n" for token in TOKENS))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(TRAINING))
    cmd = ["--config", f"{tmp_path / 'config.yaml'}", "--ngpu", "0"]
    cmd += ["--token_list", f"{tmp_path / 'tokens.txt'}", "--token_type", "char"]
    cmd += ["--normalize", "global_mvn", "--normalize_conf", f"stats_file={stats}"]
    for part in ("train", "valid"):
        cmd += [f"--{part}_shape_file", f"{data.dir / 'utt2num_samples'}"]
        for entry in ("wav.scp,speech,sound", "text,text,text"):
            path = f"{data.dir / entry}"
            cmd += [f"--{part}_data_path_and_name_and_type", path]

    started, logs = start(cmd, tmp_path, main=_Train(tmp_path / "two"))
    assert exit_codes(started, logs) == [0, 0]
    DualModeASRTask.main(cmd=[*cmd, "--output_dir", f"{tmp_path / 'one'}"])
    two, one = (
        torch.load(tmp_path / name / "2epoch.pth", weights_only=True)
        for name in ("two", "one")
    )
    masks = [name for name in one if "pruner.mask_" in name]
    assert int(two["encoder.pruner.frozen"]) == 1 and len(masks) >= 3
    assert any(not one[name].all() for name in masks)
    for name, value in one.items():
        assert torch.allclose(two[name].double(), value.double(), atol=2e-5), name


class _Train:
    """Started in a process of its own, which gets it by pickling."""

    def __init__(self, output):
        self.output = output

    def __call__(self, cmd):
        DualModeASRTask.main(cmd=[*cmd, "--output_dir", f"{self.output}"])
        return 0
