"""``README.md`` of a streaming export."""

from espnet_plugin.export.card import dev_lines, int8_lines
from espnet_plugin.export.card_json import card_lines
from espnet_plugin.export.export_meta import ExportMeta

__all__ = ["onnx_card", "sherpa_card"]


def onnx_card(meta: ExportMeta) -> str:
    """Return the card of a folder for onnxruntime as Markdown."""
    rate, parity = meta.sample_rate, meta.verified["parity"]
    longest = max(parity["lengths"]) / rate
    caches = ", ".join(cache["name"] for cache in meta.streaming["caches"])
    return "\n".join(
        [
            *_head(meta),
            "",
            "## Run it",
            "",
            "    pip install numpy soundfile onnxruntime",
            "    python recognise.py FILE...",
            f"    arecord -q -f S16_LE -r {rate} -t raw | python recognise.py -",
            "    python recognise.py mic        (with the package sounddevice)",
            "",
            "To use the model in your own program, port recognise.py: front_end.onnx "
            "makes features from samples; chunk.onnx makes log-probabilities from a "
            f"chunk of features, and its caches ({caches}), which start as zeros, are "
            "passed from call to call. At the end of the audio `present` gives the "
            "number of encoder frames, so no silence has to be appended. meta.json "
            "has all sizes.",
            "",
            "## Checked when it was written",
            "",
            f"* log-probabilities differ from torch's stream() by "
            f"{parity['max_difference']:.1e} at most ({len(parity['lengths'])} "
            f"utterances of 0 to {longest:.1f} s, {parity['frames']} frames, chunk by "
            "chunk), and the same tokens are recognised in all of them",
            *dev_lines(meta.verified.get("dev")),
            *(
                ["", "## In eight bits", "", *int8_lines(meta.int8)]
                if meta.int8 is not None
                else []
            ),
            "",
            *card_lines(meta),
            "",
        ]
    )


def sherpa_card(meta: ExportMeta) -> str:
    """Return the card of a folder for sherpa-onnx as Markdown."""
    sherpa, streaming = meta.sherpa, meta.streaming
    options = [
        f"--wenet-ctc-chunk-size={streaming['chunk_frames']}",
        f"--wenet-ctc-num-left-chunks={sherpa['num_left_chunks']}",
    ]
    if sherpa["high_freq"]:
        options.append(f"--high-freq={sherpa['high_freq']:g}")
    lines = [
        *_head(meta),
        "",
        "## Run it",
        "",
        "    pip install numpy soundfile sherpa-onnx",
        "    python run_sherpa.py FILE...",
        "",
        "sherpa-onnx's command line:",
        "",
        "    sherpa-onnx --wenet-ctc-model=model.onnx --tokens=tokens.txt \\",
        f"      {' '.join(options)} FILE.wav",
        "",
        f"* **Append {sherpa['tail_s']:g} s of silence at the end of the audio.** "
        "sherpa-onnx never decodes frames that do not fill a chunk, so without it "
        "the last words are missing.",
        "* **The program `sherpa-onnx` puts 0.5 s of digital silence before each "
        "file** (version 2.0.1; run_sherpa.py, and your own program, do not): its "
        "times are 0.5 s late, and its texts differ, because chunks begin elsewhere "
        "and the model was not trained on such silence.",
    ]
    if sherpa["high_freq"]:
        lines.append(
            f"* **Set high_freq to {sherpa['high_freq']:g}** (`--high-freq`, or "
            "`FeatureExtractorConfig(high_freq=...)`; run_sherpa.py does): the "
            "highest filter of the model ends there. "
            "`OnlineRecognizer.from_wenet_ctc` has no such argument, so it computes "
            "different features, which end 400 Hz lower."
        )
    lines += ["", "## Checked when it was written", ""]
    verified = meta.verified
    parity = verified["parity"]
    lines.append(
        f"* log-probabilities differ from torch's stream() on the same features by "
        f"{parity['max_difference']:.1e} at most ({parity['frames']} frames, chunk by "
        "chunk)"
    )
    tried = verified.get("sherpa")
    if tried:
        lines.append(
            f"* sherpa-onnx {tried['version']}: the same tokens as torch in "
            f"{tried['same_tokens']} of {tried['utterances']} utterances"
        )
    else:
        lines.append("* sherpa-onnx was not installed, so it was not tried in it")
    loss = meta.approximate
    if loss:
        lines += [
            "",
            "## Approximate",
            "",
            "This model was trained on ESPnet's log-mel features, and sherpa-onnx "
            "computes Kaldi's. A matrix that was fitted on audio converts the latter "
            f"into the former; the remaining difference is {loss['rms']:.3f} standard "
            "deviations (root mean square). On audio that it was not fitted on "
            f"({loss['folder']}, {loss['utterances']} utterances, {loss['words']} "
            f"words): word error rate {loss['wer_exact']:.2f} % with the model's own "
            f"features, {loss['wer_approximate']:.2f} % with these; "
            f"{loss['same_tokens']} utterances with the same tokens.",
        ]
    if meta.int8 is not None:
        lines += ["", "## In eight bits", "", *int8_lines(meta.int8)]
    lines += ["", *card_lines(meta), ""]
    return "\n".join(lines)


def _head(meta: ExportMeta) -> list[str]:
    model, streaming = meta.model, meta.streaming
    chunk_ms = streaming["chunk_frames"] * meta.frame_ms
    return [
        f"# {model['experiment']}",
        "",
        "A speech recogniser that works while a person speaks (CTC, "
        f"{model['encoder']}, {model['layers']} layers, "
        f"{model['parameters'] / 1e6:.2f} million parameters), exported by "
        f"espnet_plugin for {meta.target}.",
        "",
        f"* takes audio at {meta.sample_rate} Hz, one channel",
        f"* text comes every {chunk_ms:g} ms; it waits at most "
        f"{streaming['latency_ms']:.0f} ms for audio, plus the computing time",
        f"* {meta.vocabulary} tokens; the blank is token {meta.blank}",
        "",
        "| file | bytes |",
        "|---|---|",
        *(f"| {name} | {entry['bytes']} |" for name, entry in meta.files.items()),
    ]
