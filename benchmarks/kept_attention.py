#!/usr/bin/env python3
"""Memory that ESPnet's stored attention matrices take during the student's step.

    demo=egs2/mini_synth/encrl1/conf/demo_reference.yaml
    python benchmarks/kept_attention.py --config $demo
    python benchmarks/kept_attention.py --config conf/large/reference_17.yaml

A teacher with random weights (the encoder of the configuration, without its decoder)
encodes a batch of noise twice: with and without the freeing of attention matrices. It
prints by how many megabytes the memory of the process has grown, and the sum of the
matrices; memory does not depend on what else runs.
"""

import argparse
import gc
import os
import tempfile
from pathlib import Path

import torch
from espnet2.tasks.asr import ASRTask

from espnet_plugin.distill.teacher import FrozenTeacher

RATE = 16000


def resident_mb() -> float:
    """Return the process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def teacher_of(config: Path) -> FrozenTeacher:
    """Build the encoder and the CTC layer of a configuration."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder, "tokens.txt")
        tokens.write_text("".join(f"{t}\n" for t in ("<blank>", "<unk>", *"ABC")))
        options = ["--config", config, "--token_list", tokens, "--output_dir", folder]
        args = ASRTask.get_parser().parse_args([*map(str, options), "--ngpu", "0"])
        args.decoder, args.normalize = None, None
        args.model_conf = {**args.model_conf, "ctc_weight": 1.0}
        return FrozenTeacher(ASRTask.build_model(args))


def kept_mb(teacher: FrozenTeacher, batch: int, seconds: float) -> float:
    """Return what the teacher's step leaves in memory beside its outputs."""
    lengths = torch.full((batch,), int(RATE * seconds))
    speech = 0.1 * torch.randn(batch, int(lengths[0]))
    before = resident_mb()
    outputs = teacher(speech, lengths)
    size = sum(
        value.numel() * value.element_size()
        for value in vars(outputs).values()
        if torch.is_tensor(value)
    )
    gc.collect()
    return resident_mb() - before - size / 1e6


def matrices(teacher: FrozenTeacher) -> list[torch.Tensor]:
    """Return the attention matrices that the modules hold."""
    kept = (getattr(module, "attn", None) for module in teacher.model.modules())
    return [one for one in kept if torch.is_tensor(one)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    teacher = teacher_of(args.config)
    kept_mb(teacher, 1, 1.0)  # what is allocated once
    freed = kept_mb(teacher, args.batch, args.seconds)
    assert not matrices(teacher)
    FrozenTeacher._forget_attention = lambda self: None
    kept = kept_mb(teacher, args.batch, args.seconds)
    size = sum(one.numel() * one.element_size() for one in matrices(teacher)) / 1e6
    print(
        f"{args.config}, {args.batch} x {args.seconds:g} s: {len(matrices(teacher))} "
        f"matrices of {tuple(matrices(teacher)[0].shape)}, {size:.1f} MB; resident "
        f"after the teacher's step {kept:+.1f} MB, with them freed {freed:+.1f} MB"
    )


if __name__ == "__main__":
    main()
