"""Tiny dual-mode models, as folders, for the tests of streaming exports."""

from pathlib import Path

import numpy as np
import torch
import yaml
from tiny_asr import TOKENS, build_tiny_asr

from espnet_plugin import host
from espnet_plugin.checkpoints.load import load_asr_model

CONF = dict(
    cnn_module_kernel=7, chunk_frames=4, left_context_frames=8, look_ahead_frames=2
)
RATE = 16000


def speech(seconds, seed=0, rate=RATE):
    """Noise whose loudness and colour change, so that frames differ."""
    rng = np.random.default_rng(seed)
    count = int(seconds * rate)
    times = np.arange(count) / rate
    wave = rng.standard_normal(count) * (1 + np.sin(2 * np.pi * 3 * times))
    tone = np.sin(2 * np.pi * (300 + 200 * np.sin(2 * np.pi * times)) * times)
    return (0.05 * wave + 0.1 * tone).astype(np.float32)


def centred(folder, checkpoint, inputs):
    """Let the CTC layer say many things: a new one says one thing of all it hears."""
    with torch.no_grad():
        model, _ = load_asr_model(folder / "config.yaml", checkpoint)
        model.eval().encoder.mode = "streaming"
        encoded = model.encode(inputs, torch.tensor([inputs.shape[1]]))[0][0]
        state = torch.load(checkpoint, weights_only=True)
        weight = state["ctc.ctc_lo.weight"]
        state["ctc.ctc_lo.bias"].copy_(-(weight @ encoded.mean(0)))
    torch.save(state, checkpoint)


def supernet(root, granularity=("heads", "units", "channels"), **conf):
    """A raw model; with masks of heads, units and channels that differ by layer."""
    host.register()
    conf = {**CONF, "attention_heads": 4, **conf}
    if granularity:
        conf["pruning"] = dict(sparsity=0.5, granularity=list(granularity))
    tiny = build_tiny_asr(Path(root), encoder=host.DUAL_MODE, encoder_conf=conf)
    state = torch.load(tiny.checkpoint, weights_only=True)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in state.items():
        if "pruner.mask_" in name:
            mask = torch.rand(len(tensor), generator=generator) > 0.5
            mask[0] = True
            state[name] = mask.to(tensor)
    torch.save(state, tiny.checkpoint)
    centred(tiny.dir, tiny.checkpoint, torch.from_numpy(speech(2.0))[None])
    return tiny


def fbank_model(root, bins=80, **conf):
    """The folder of a model that takes this plugin's Kaldi filter banks."""
    from espnet2.tasks.asr import ASRTask

    from espnet_plugin.data.fbank import kaldi_fbank

    host.register()
    folder = Path(root).resolve() / "exp" / "asr_fbank"
    folder.mkdir(parents=True)
    count, mean, spread = 1000.0, 12.0, 3.0
    np.savez(
        folder / "feats_stats.npz",
        count=np.array(count),
        sum=np.full(bins, mean * count, dtype=np.float32),
        sum_square=np.full(bins, (mean**2 + spread**2) * count, dtype=np.float32),
    )
    (folder / "tokens.txt").write_text("".join(f"{token}\n" for token in TOKENS))
    options = {
        "token_list": str(folder / "tokens.txt"),
        "token_type": "char",
        "frontend": None,
        "input_size": bins,
        "normalize": "global_mvn",
        "normalize_conf": dict(stats_file=str(folder / "feats_stats.npz")),
        "encoder": host.DUAL_MODE,
        "encoder_conf": {
            **dict(output_size=16, attention_heads=2, num_blocks=3, linear_units=32),
            **CONF,
            **conf,
        },
        "model_conf": dict(ctc_weight=1.0),
        "output_dir": str(folder),
        "ngpu": 0,
    }
    train = folder / "train.yaml"
    train.write_text(yaml.safe_dump(options))
    args = ASRTask.get_parser().parse_args(["--config", str(train)])
    torch.manual_seed(0)
    model = ASRTask.build_model(args)
    with torch.no_grad():
        model.ctc.ctc_lo.weight.mul_(8.0)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    train.unlink()
    checkpoint = folder / "valid.cer_ctc.ave.pth"
    torch.save(model.state_dict(), checkpoint)
    features = torch.from_numpy(kaldi_fbank(speech(2.0), RATE, bins))
    centred(folder, checkpoint, features[None])
    return folder
