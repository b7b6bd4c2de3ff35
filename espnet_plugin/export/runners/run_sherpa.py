"""Recognise audio files with sherpa-onnx and the model beside this script.

    python run_sherpa.py FILE...

Needs numpy, soundfile and sherpa-onnx. One channel, 16 kHz.
"""

import argparse
from pathlib import Path

import numpy as np
import sherpa_onnx
import soundfile

HERE = Path(__file__).resolve().parent
RATE = 16000


class Recogniser:
    """Audio in, text out."""

    def __init__(self, folder=HERE, model="model.onnx", num_threads=1):
        self.recogniser = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
            model=str(Path(folder) / model),
            tokens=str(Path(folder) / "tokens.txt"),
            num_threads=num_threads,
        )

    def result(self, samples):
        """Return sherpa-onnx's result: text, tokens, times."""
        stream = self.recogniser.create_stream()
        stream.accept_waveform(RATE, samples)
        self.recogniser.decode_stream(stream)
        return stream.result

    def text(self, samples):
        """Return the text of samples in [-1, 1]."""
        return self.result(samples).text.strip()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], allow_abbrev=False
    )
    parser.add_argument("files", nargs="+", help="audio of any format soundfile reads")
    parser.add_argument("--model", default="model.onnx", help="or model.int8.onnx")
    parser.add_argument("--num_threads", type=int, default=1)
    parser.add_argument("--times", action="store_true", help="seconds of each token")
    args = parser.parse_args()
    recogniser = Recogniser(HERE, args.model, args.num_threads)
    for path in args.files:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        if rate != RATE or samples.shape[1] != 1 or not len(samples):
            raise SystemExit(
                f"{path}: {rate} Hz, {samples.shape[1]} channel(s), {len(samples)} "
                f"samples; the model takes {RATE} Hz and one channel"
            )
        if not np.isfinite(samples).all():
            raise SystemExit(f"{path}: some samples are not numbers")
        result = recogniser.result(samples[:, 0])
        print(f"{path}\t{result.text.strip()}", flush=True)
        if args.times:
            for token, start in zip(result.tokens, result.timestamps):
                print(f"  {start:8.2f}  {token}")


if __name__ == "__main__":
    main()
