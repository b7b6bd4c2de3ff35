"""Whether a model's batch-norm statistics cause its errors on new speech.

Character error rate of a CTC model by best path, with the statistics of its checkpoint,
with those of each batch, and with statistics gathered anew from clean training audio:

    python benchmarks/batch_norm.py exp/asr_reference --dev dump/raw/dev \
        --train dump/raw/train_sp
"""

import argparse
from pathlib import Path
from typing import Iterator

import jiwer
import numpy as np
import torch
from espnet2.fileio.sound_scp import SoundScpReader

from espnet_plugin.checkpoints.checkpoint import choose_checkpoint
from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.decode.best_path import best_path
from espnet_plugin.files import read_pairs

BATCH = 16


def batches(folder: Path, count: int = 0) -> Iterator[tuple[list[str], torch.Tensor]]:
    """Yield transcripts, padded samples and lengths, from the shortest on."""
    texts = read_pairs(folder / "text")
    reader = SoundScpReader(str(folder / "wav.scp"), dtype=np.float32)
    names = list(texts)
    if count:
        order = np.random.RandomState(0).permutation(len(names))
        names = [names[i] for i in order[:count]]
    data = [(texts[name], torch.from_numpy(reader[name][1].copy())) for name in names]
    data.sort(key=lambda item: len(item[1]))
    for start in range(0, len(data), BATCH):
        texts, speech = zip(*data[start : start + BATCH])
        lengths = torch.tensor([len(samples) for samples in speech])
        yield texts, torch.nn.utils.rnn.pad_sequence(speech, batch_first=True), lengths


@torch.no_grad()
def error_rate(model, folder: Path) -> float:
    """Return the character error rate in percent, spaces counted."""
    said, meant = [], []
    for texts, speech, lengths in batches(folder):
        encoding, frames = model.encode(speech, lengths)
        encoding = encoding[0] if isinstance(encoding, tuple) else encoding
        for tokens, _ in best_path(model.ctc.log_softmax(encoding), frames):
            said.append("".join(model.token_list[token] for token in tokens))
        meant += texts
    said = [text.replace("<space>", " ") for text in said]
    return 100 * jiwer.cer(meant, said)


@torch.no_grad()
def main(cmd=None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exp", type=Path, help="of a CTC model of characters")
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--utterances", type=int, default=400, help="of --train")
    args = parser.parse_args(cmd)
    model, _ = load_asr_model(args.exp / "config.yaml", choose_checkpoint(args.exp))
    model.eval()
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    if not norms:
        raise SystemExit(f"{args.exp}: the model has no batch norm")
    print(f"as it is             {error_rate(model, args.dev):.2f} %")
    for norm in norms:
        norm.train()
    print(f"of each batch        {error_rate(model, args.dev):.2f} %")
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    for _, speech, lengths in batches(args.train, args.utterances):
        model.encode(speech, lengths)
    for norm in norms:
        norm.eval()
    print(f"gathered from train  {error_rate(model, args.dev):.2f} %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
