"""``README.md`` of an export: what it is, how to run it, what was measured."""

from typing import Any, Mapping, Optional

from espnet_plugin.export.card_json import card_lines
from espnet_plugin.export.export_meta import ExportMeta

__all__ = ["dev_lines", "int8_lines", "model_card"]

# Differences of log-probabilities up to this value are rounding errors.
_EXACT = 1e-3


def model_card(meta: ExportMeta, run: str) -> str:
    """Return the card as Markdown.

    Args:
        meta: The facts of the export.
        run: How to run it, as Markdown.
    """
    model = meta.model
    takes = "Kaldi-style feature frames"
    if meta.input == "samples":
        takes = f"audio at {meta.sample_rate} Hz, one channel, samples in [-1, 1)"
    lines = [
        f"# {model['experiment']}",
        "",
        f"A speech recogniser (CTC, ESPnet {model['encoder']}, {model['layers']} "
        f"layers, {model['parameters'] / 1e6:.2f} million parameters), exported by "
        f"espnet_plugin for {meta.target}.",
        "",
        f"* takes {takes}; it recognises whole utterances, not a live stream",
        f"* gives log-probabilities of {meta.vocabulary} tokens every "
        f"{meta.frame_ms:g} ms; the blank is token {meta.blank}",
        "* front end, normalisation and positions are in the graph, so the length is "
        "not limited, but memory grows with the square of the length: cut long "
        "recordings",
        "",
        "| file | bytes |",
        "|---|---|",
        *(f"| {name} | {entry['bytes']} |" for name, entry in meta.files.items()),
        "",
        "## Run it",
        "",
        run.rstrip(),
        "",
        "## Checked when it was written",
        "",
        *_checks(meta.verified),
    ]
    if meta.int8 is not None:
        lines += ["", "## In eight bits", "", *int8_lines(meta.int8)]
    if meta.fixed is not None:
        lines += ["", "## With an input of fixed size", "", *_fixed_lines(meta)]
    lines += ["", *card_lines(meta)]
    return "\n".join(lines) + "\n"


def _fixed_lines(meta: ExportMeta) -> list[str]:
    fixed, name = meta.fixed, meta.inputs[0]
    return [
        f"model.fixed.onnx takes one utterance of at most {fixed['seconds']:g} s. "
        f"`{name}` always has the length {fixed['size']}: put zeros after a shorter "
        "utterance, and give its own length in `lengths`. The size of every tensor is "
        "known before the model runs.",
        "",
        *_checks(fixed),
    ]


def _checks(verified: Mapping[str, Any]) -> list[str]:
    parity = verified["parity"]
    lengths = ", ".join(f"{s:g}" for s in parity["lengths_s"])
    lines = [
        f"* log-probabilities differ from ESPnet's by {parity['max_difference']:.1e} "
        f"at most ({lengths} s" + (", and a batch)" if parity["batch_s"] else ")")
    ]
    lines += dev_lines(verified.get("dev"))
    for ran in verified.get("runner", ()):
        lines.append(
            f"* {ran['script']} with {ran['model']}: {ran['same_texts']} of "
            f"{ran['utterances']} texts as expected"
        )
    return lines


def dev_lines(dev: Optional[Mapping[str, Any]]) -> list[str]:
    """Return lines on the number of utterances with the same tokens."""
    if not dev:
        return []
    line = (
        f"* {dev['same_tokens']} of {dev['utterances']} utterances of "
        f"{dev['folder']} give the same tokens as ESPnet"
    )
    # Exports of earlier versions did not record it.
    largest = dev.get("max_difference", 0.0)
    if largest > _EXACT:
        line += f"; approximate: their log-probabilities differ by up to {largest:.2g}"
    return [line]


def int8_lines(int8: Mapping[str, Any]) -> list[str]:
    """Return lines on the loss of the 8-bit file, or why there is none."""
    if not int8["accepted"]:
        return [f"Not written: {int8['reason']}."]
    low, high = int8["ci95"]
    lines = [
        f"* word error rate on {int8['folder']} ({int8['words']} words): "
        f"{int8['wer_int8']:.2f} %, in 32 bits {int8['wer_fp32']:.2f} % "
        f"(difference {int8['difference']:+.2f} points, 95 % interval {low:+.2f} to "
        f"{high:+.2f})",
        f"* {int8['products']} matrix products are quantised",
    ]
    if int8["kept_fp32"]:
        lines.append(f"* kept in 32 bits: {', '.join(int8['kept_fp32'])}")
    return lines
