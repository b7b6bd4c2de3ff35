"""Recognise audio files with sherpa-onnx and the model beside this script.

    python run_sherpa_kaldi.py FILE...

Needs numpy, soundfile and sherpa-onnx. One channel, at the model's rate.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the folder stays as it was exported
try:
    import script_parts as parts
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
    "model.feature_dim": parts.whole(1),
    "high_freq": parts.number(-1e6, 1e6),
}
# Properties in a model's file, by the key of meta.json.
INSIDE = {
    **{"vocabulary": "vocab_size", "sample_rate": "sample_rate"},
    **{"model.feature_dim": "feature_dim", "high_freq": "high_freq"},
}


class Recogniser:
    """Audio in, text out.

    As OfflineRecognizer.from_zipformer_ctc, which cannot set high_freq.
    """

    def __init__(self, folder=HERE, model="model.onnx", num_threads=1, graph=""):
        path, tokens = Path(folder) / model, Path(folder) / "tokens.txt"
        meta = parts.read_meta(folder, KEYS)
        parts.read_tokens(folder, meta)
        parts.check_inside(meta, path, INSIDE)
        self.rate = meta["sample_rate"]
        config = sherpa.OfflineRecognizerConfig(
            feat_config=sherpa.FeatureExtractorConfig(
                sampling_rate=self.rate,
                feature_dim=meta["model"]["feature_dim"],
                high_freq=meta["high_freq"],
            ),
            model_config=sherpa.OfflineModelConfig(
                zipformer_ctc=sherpa.OfflineZipformerCtcModelConfig(model=str(path)),
                tokens=str(tokens),
                num_threads=num_threads,
            ),
            ctc_fst_decoder_config=sherpa.OfflineCtcFstDecoderConfig(graph=graph),
            decoding_method="greedy_search",
        )
        self.recogniser = sherpa.OfflineRecognizer(config)

    def result(self, samples):
        """Return sherpa-onnx's result: text, tokens, times."""
        stream = self.recogniser.create_stream()
        stream.accept_waveform(self.rate, samples)
        self.recogniser.decode_stream(stream)
        return stream.result

    def text(self, samples):
        """Return the text of samples in [-1, 1]."""
        return self.result(samples).text.strip()


def main():
    parser = parts.sherpa_options(__doc__)
    args = parser.parse_args()
    parts.check_graph(parser, args.graph)

    def load(*given):
        return Recogniser(*given, args.graph)

    recogniser = parts.loaded(parser, args, HERE, load)

    def recognise(path):
        result = recogniser.result(parts.read(path, recogniser.rate))
        print(f"{path}\t{result.text.strip()}", flush=True)
        for token, start in zip(result.tokens, result.timestamps):
            if args.times:
                print(f"  {start:8.2f}  {token}")

    return parts.each(args.files, recognise)


if __name__ == "__main__":
    parts.run(main)
