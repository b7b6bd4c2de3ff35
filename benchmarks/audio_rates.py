#!/usr/bin/env python3
"""Hours of audio that one core processes in an hour: stages 2 and 3, and loading.

    python benchmarks/audio_rates.py --wav_scp egs2/.../data/train/wav.scp

Some utterances are re-coded to 16-bit FLAC first, as LibriSpeech has them. Figures are
of processor time, so that other work on the machine does not count.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import soundfile
import torch
from espnet2.asr.frontend.default import DefaultFrontend

from espnet_plugin.data.audio import read_audio
from espnet_plugin.data.utterance import FormatOptions, Utterance, format_utterance
from espnet_plugin.files import read_pairs


def main() -> None:
    """Measure and print hours of audio per hour of a core."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wav_scp", type=Path, required=True)
    parser.add_argument("--utterances", type=int, default=40)
    args = parser.parse_args()
    torch.set_num_threads(1)
    options = FormatOptions()
    limits = 0.0, float("inf")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").mkdir()
        files, seconds, size = [], 0.0, 0
        for utt, path in list(read_pairs(args.wav_scp).items())[: args.utterances]:
            samples = read_audio(path, 16000)
            files.append(f"{folder}/{utt}.flac")
            soundfile.write(files[-1], samples, 16000, subtype="PCM_16")
            seconds += len(samples) / 16000
            size += Path(files[-1]).stat().st_size
        frontend = DefaultFrontend(n_fft=512, win_length=400, hop_length=160)

        def stage_2(speed: float) -> None:
            for number, path in enumerate(files):
                one = Utterance(
                    *(f"u{number}", path, None, speed),
                    *(Path(folder), options, limits, 1),
                )
                assert format_utterance(one).problem is None

        def load() -> None:
            for path in files:
                soundfile.read(path, dtype="float32")

        def stage_3() -> None:
            with torch.no_grad():
                for path in files:
                    speech = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
                    frontend(speech[None], torch.tensor([len(speech)]))

        stage_2(0.9)  # filters are made, libraries loaded
        for name, work in (
            ("stage 2, checking", lambda: stage_2(1.0)),
            ("stage 2, a copy of another speed", lambda: stage_2(0.9)),
            ("stage 3", stage_3),
            ("loading in training", load),
        ):
            start = time.process_time()
            work()
            spent = time.process_time() - start
            print(json.dumps({"what": name, "hours_per_core_hour": seconds / spent}))
    print(
        json.dumps(
            {
                "utterances": len(files),
                "audio_seconds": seconds,
                "flac_megabytes_per_hour": size / 1e6 / (seconds / 3600),
            }
        )
    )


if __name__ == "__main__":
    main()
