"""Recognise audio files with sherpa-onnx and the model beside this script.

    python run_sherpa.py FILE...

Needs numpy, soundfile and sherpa-onnx. One channel, 16 kHz.
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
RATE = 16000  # the only one of this kind


class Recogniser:
    """Audio in, text out.

    As OfflineRecognizer.from_omnilingual_asr_ctc, which takes no graph.
    """

    def __init__(self, folder=HERE, model="model.onnx", num_threads=1, graph=""):
        path, tokens = Path(folder) / model, Path(folder) / "tokens.txt"
        meta = parts.read_meta(folder, {"vocabulary": parts.whole(2)})
        parts.read_tokens(folder, meta)
        parts.check_inside(meta, path, {"vocabulary": "vocab_size"})
        kind = sherpa.OfflineOmnilingualAsrCtcModelConfig(model=str(path))
        config = sherpa.OfflineRecognizerConfig(
            model_config=sherpa.OfflineModelConfig(
                omnilingual=kind, tokens=str(tokens), num_threads=num_threads
            ),
            ctc_fst_decoder_config=sherpa.OfflineCtcFstDecoderConfig(graph=graph),
            decoding_method="greedy_search",
        )
        self.recogniser = sherpa.OfflineRecognizer(config)

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
    parser = parts.sherpa_options(__doc__)
    args = parser.parse_args()
    parts.check_graph(parser, args.graph)

    def load(*given):
        return Recogniser(*given, args.graph)

    recogniser = parts.loaded(parser, args, HERE, load)

    def recognise(path):
        result = recogniser.result(parts.read(path, RATE))
        print(f"{path}\t{result.text.strip()}", flush=True)
        for token, start in zip(result.tokens, result.timestamps):
            if args.times:
                print(f"  {start:8.2f}  {token}")

    return parts.each(args.files, recognise)


if __name__ == "__main__":
    parts.run(main)
