"""Recognise audio files with sherpa-onnx and the streaming model beside this script.

    python run_sherpa.py FILE...

Needs numpy, soundfile and sherpa-onnx. One channel, at the model's rate.
"""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the folder stays as it was exported
try:
    import numpy as np
    import script_parts as parts
    from sherpa_onnx import OnlineRecognizer
    from sherpa_onnx.lib import _sherpa_onnx as sherpa
except (ImportError, OSError) as error:
    raise SystemExit(
        f"{error}: pip install numpy soundfile sherpa-onnx, or copy the whole folder"
    )

HERE = Path(__file__).resolve().parent
# Keys of meta.json that are read, and which values are allowed.
KEYS = {
    "vocabulary": parts.whole(2),
    "sample_rate": parts.whole(100),
    "streaming.chunk_frames": parts.whole(1),
    "sherpa.feature_dim": parts.whole(1),
    "sherpa.num_left_chunks": parts.whole(0),
    "sherpa.high_freq": lambda value: value is None or parts.number(0, 1e6)(value),
    "sherpa.tail_s": parts.number(0, 1e3),
}
# Properties in a model's file, by the key of meta.json.
INSIDE = {
    **{"vocabulary": "vocab_size", "sample_rate": "sample_rate"},
    "streaming.chunk_frames": "chunk_frames",
    "sherpa.feature_dim": "feature_dim",
    "sherpa.num_left_chunks": "num_left_chunks",
    "sherpa.high_freq": "high_freq",
    "sherpa.tail_s": "tail_s",
}


def recogniser_of(meta, folder, model, num_threads):
    """As OnlineRecognizer.from_wenet_ctc, which cannot set high_freq."""
    kind, features = meta["sherpa"], {}
    if kind["high_freq"]:
        features["high_freq"] = kind["high_freq"]
    config = sherpa.OnlineRecognizerConfig(
        feat_config=sherpa.FeatureExtractorConfig(
            sampling_rate=meta["sample_rate"],
            feature_dim=kind["feature_dim"],
            **features,
        ),
        model_config=sherpa.OnlineModelConfig(
            wenet_ctc=sherpa.OnlineWenetCtcModelConfig(
                model=str(Path(folder) / model),
                chunk_size=meta["streaming"]["chunk_frames"],
                num_left_chunks=kind["num_left_chunks"],
            ),
            tokens=str(Path(folder) / "tokens.txt"),
            num_threads=num_threads,
        ),
        endpoint_config=sherpa.EndpointConfig(),
        enable_endpoint=False,
        decoding_method="greedy_search",
    )
    recogniser = OnlineRecognizer.__new__(OnlineRecognizer)
    recogniser.recognizer, recogniser.config = sherpa.OnlineRecognizer(config), config
    return recogniser


class Recogniser:
    """Samples in, text out; text that was returned never changes."""

    def __init__(self, folder=HERE, model="model.onnx", num_threads=1):
        meta = parts.read_meta(folder, KEYS)
        parts.read_tokens(folder, meta)
        parts.check_inside(meta, Path(folder) / model, INSIDE)
        self.meta, self.rate = meta, meta["sample_rate"]
        self.recogniser = recogniser_of(meta, folder, model, num_threads)
        # What does not fill a chunk is never decoded, so silence has to follow.
        self.tail = np.zeros(round(meta["sherpa"]["tail_s"] * self.rate), np.float32)
        self.reset()

    def reset(self):
        """Begin the next utterance."""
        self.stream = self.recogniser.create_stream()

    def accept(self, samples, last=False):
        """Take any number of samples in [-1, 1]; return the text so far."""
        if last:
            samples = np.concatenate([samples, self.tail])
        self.stream.accept_waveform(self.rate, np.asarray(samples, np.float32))
        if last:
            self.stream.input_finished()
        while self.recogniser.is_ready(self.stream):
            self.recogniser.decode_stream(self.stream)
        return self.recogniser.get_result(self.stream).strip()


def main():
    parser = parts.options(__doc__)
    parser.add_argument("--block_ms", type=float, default=100.0)
    parser.add_argument("--json", action="store_true", help="tokens and times as well")
    args = parser.parse_args()
    if not 0 < args.block_ms < 1e6:
        parser.error(f"--block_ms {args.block_ms:g}: must be above 0, up to 1000000")
    recogniser = parts.loaded(parser, args, HERE, Recogniser)
    block = max(1, round(recogniser.rate * args.block_ms / 1000))

    def recognise(path):
        samples = parts.read(path, recogniser.rate)
        recogniser.reset()
        for start in range(0, len(samples), block):
            recogniser.accept(samples[start : start + block])
        text = recogniser.accept(samples[:0], last=True)
        print(f"{path}\t{text}", flush=True)
        if args.json:
            kind, stream = recogniser.recogniser, recogniser.stream
            tokens, times = kind.tokens(stream), kind.timestamps(stream)
            print(json.dumps({"tokens": tokens, "times": times}), flush=True)

    return parts.each(args.files, recognise)


if __name__ == "__main__":
    parts.run(main)
