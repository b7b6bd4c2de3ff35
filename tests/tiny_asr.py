"""A tiny random ESPnet ASR model and a few utterances, for the tests.

It is built by ESPnet's own task, so its configuration and its checkpoint have exactly
the form of a trained experiment folder.
"""

import string
from pathlib import Path
from types import SimpleNamespace
from typing import Optional

import numpy as np
import soundfile
import torch
import yaml

SAMPLE_RATE = 16000
TOKENS = ["<blank>", "<unk>", "<space>", *string.ascii_uppercase, "<sos/eos>"]
DURATIONS_S = (0.9, 0.5, 1.4, 0.7, 1.1, 0.61)


def write_utterances(folder: Path) -> SimpleNamespace:
    """Write wav.scp, text, utt2spk and utt2num_samples of six noisy sines."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    tables = {name: [] for name in ("wav.scp", "text", "utt2spk", "utt2num_samples")}
    for index, duration in enumerate(DURATIONS_S):
        times = np.arange(int(duration * SAMPLE_RATE)) / SAMPLE_RATE
        sweep = np.sin(2 * np.pi * (200 + 300 * index + 400 * times) * times)
        envelope = np.sin(2 * np.pi * 3 * times) ** 2
        wave = 0.3 * sweep * envelope + 0.02 * rng.standard_normal(len(times))
        name, speaker = f"spk{index % 2}-utt{index}", f"spk{index % 2}"
        path = folder / f"{name}.wav"
        soundfile.write(path, wave.astype(np.float32), SAMPLE_RATE)
        tables["wav.scp"].append(f"{name} {path}")
        tables["text"].append(f"{name} " + " ".join(["ONE", "TWO"][: 1 + index % 2]))
        tables["utt2spk"].append(f"{name} {speaker}")
        tables["utt2num_samples"].append(f"{name} {len(times)}")
    for name, lines in tables.items():
        (folder / name).write_text("".join(f"{line}\n" for line in sorted(lines)))
    return SimpleNamespace(dir=folder, wav_scp=folder / "wav.scp", text=folder / "text")


def load_speech(tiny: SimpleNamespace, name: str) -> torch.Tensor:
    """Return the samples of an utterance, ``(samples,)``."""
    return torch.from_numpy(soundfile.read(tiny.data_dir / f"{name}.wav")[0]).float()


def write_stats(folder: Path, num_mels: int) -> Path:
    """Write a feats_stats.npz with the mean and the spread that log-mels have."""
    count, mean, spread = 1000.0, -6.0, 3.0
    path = folder / "feats_stats.npz"
    np.savez(
        path,
        count=np.array(count),
        sum=np.full(num_mels, mean * count, dtype=np.float32),
        sum_square=np.full(num_mels, (mean**2 + spread**2) * count, dtype=np.float32),
    )
    return path


def build_tiny_asr(
    root: Path,
    *,
    name: str = "asr_tiny",
    ctc_weight: float = 1.0,
    num_blocks: int = 3,
    encoder: str = "conformer",
    encoder_conf: Optional[dict] = None,
    decoder: str = "transformer",
    model_conf: Optional[dict] = None,
    seed: int = 0,
) -> SimpleNamespace:
    """Write ``root/exp/<name>`` and ``root/dump/raw/test``.

    Returns:
        ``dir``, ``config``, ``checkpoint``, ``stats``, ``token_list`` (a list),
        ``wav_scp``, ``text`` and ``data_dir``; paths are absolute.
    """
    from espnet2.tasks.asr import ASRTask

    root = Path(root).resolve()
    data = write_utterances(root / "dump" / "raw" / "test")
    folder = root / "exp" / name
    folder.mkdir(parents=True)
    num_mels = 20
    stats = write_stats(folder, num_mels)
    tokens_txt = folder / "tokens.txt"
    tokens_txt.write_text("".join(f"{token}\n" for token in TOKENS))
    if encoder_conf is None:
        encoder_conf = dict(cnn_module_kernel=7, rel_pos_type="latest")
    options = {
        "token_list": str(tokens_txt),
        "token_type": "char",
        "frontend": "default",
        "frontend_conf": dict(fs="16k", n_fft=512, hop_length=160, n_mels=num_mels),
        "specaug": "specaug",
        "specaug_conf": dict(
            apply_time_warp=False,
            freq_mask_width_range=[0, 4],
            time_mask_width_range=[0, 10],
        ),
        "normalize": "global_mvn",
        "normalize_conf": dict(stats_file=str(stats)),
        "encoder": encoder,
        "encoder_conf": {
            "output_size": 16,
            "attention_heads": 2,
            "num_blocks": num_blocks,
            "dropout_rate": 0.1,
            "input_layer": "conv2d",
            **({} if encoder == "branchformer" else {"linear_units": 32}),
            **encoder_conf,
        },
        "model_conf": dict(ctc_weight=ctc_weight, lsm_weight=0.1, **(model_conf or {})),
        "output_dir": str(folder),
        "ngpu": 0,
        "seed": seed,
    }
    if ctc_weight < 1.0:
        options["decoder"] = decoder
        options["decoder_conf"] = (
            dict(hidden_size=8)
            if decoder == "transducer"
            else dict(attention_heads=2, linear_units=32, num_blocks=1)
        )
        if decoder == "transducer":
            options["joint_net_conf"] = dict(joint_space_size=8)
    train_config = folder / "train.yaml"
    train_config.write_text(yaml.safe_dump(options))
    args = ASRTask.get_parser().parse_args(["--config", str(train_config)])
    torch.manual_seed(seed)
    model = ASRTask.build_model(args)
    with torch.no_grad():
        # A fresh CTC layer prefers one token everywhere; a steep one emits many.
        model.ctc.ctc_lo.weight.mul_(8.0)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(vars(args)))
    train_config.unlink()
    checkpoint = folder / "valid.cer_ctc.ave.pth"
    torch.save(model.state_dict(), checkpoint)
    return SimpleNamespace(
        dir=folder,
        config=config,
        checkpoint=checkpoint,
        stats=stats,
        token_list=list(TOKENS),
        wav_scp=data.wav_scp,
        text=data.text,
        data_dir=data.dir,
    )


def data_options(folder: Path) -> list[str]:
    """Return ESPnet's options to train and validate on such utterances."""
    options = ["--ngpu", "0", "--num_att_plot", "0"]
    for part in ("train", "valid"):
        kind = f"--{part}_data_path_and_name_and_type"
        options += [kind, f"{folder}/wav.scp,speech,sound"]
        options += [kind, f"{folder}/text,text,text"]
        options += [f"--{part}_shape_file", f"{folder}/utt2num_samples"]
    return options
