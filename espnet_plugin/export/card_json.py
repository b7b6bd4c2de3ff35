"""``card.json``: the model card for programs; the same facts as ``README.md``."""

from typing import Any, Mapping

from espnet_plugin.export.export_meta import ExportMeta

__all__ = ["CARD", "card_json", "card_lines", "limits_of"]

CARD = "card.json"
FORMAT = 1
_SPEED = ("rtf_1s", "rtf_3s", "rtf_10s", "chunk_ms", "first_word_s")
_MACHINE = ("process_mb", "threads", "cpu", "others_cores")


def card_json(meta: ExportMeta) -> dict[str, Any]:
    """Return the card.

    Args:
        meta: The facts of the export.

    Returns:
        ``format``, ``name``, ``task``, ``made``, ``license``, ``data``, ``size``,
        ``word_error_rate``, ``speed``, ``latency_ms``, ``limits``. Figures that were
        not measured are not in it.
    """
    model, files = meta.model, meta.measured or {}
    made = dict(meta.made or {})
    rates = {name: _rate(one) for name, one in files.items() if "wer" in one}
    data = {"trained_on": made.pop("trained_on", [])}
    if rates:
        data["measured_on"] = sorted({one["set"] for one in rates.values()})
    streaming = meta.streaming
    return {
        "format": FORMAT,
        "name": model["experiment"],
        "task": "automatic speech recognition (CTC)"
        + (", streaming" if streaming else ", whole utterances"),
        "target": meta.target,
        "license": made.pop("license", None),
        "made": {
            **made,
            "checkpoint": model["checkpoint"],
            "checkpoint_sha256": model["checkpoint_sha256"],
        },
        "data": data,
        "size": {
            "parameters": model["parameters"],
            "layers": model["layers"],
            "bytes": {
                name: one["bytes"]
                for name, one in meta.files.items()
                if name.endswith(".onnx")
            },
        },
        "word_error_rate": rates,
        "speed": {
            name: {key: one[key] for key in (*_SPEED, *_MACHINE) if key in one}
            for name, one in files.items()
            if "rtf_10s" in one
        },
        "latency_ms": streaming and streaming["latency_ms"],
        "limits": limits_of(meta),
    }


def _rate(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "wer": one["wer"],
        "ci95": one["wer_ci95"],
        "words": sum(one["words_by_unit"]),
        "set": one["wer_set"],
    }


def limits_of(meta: ExportMeta) -> list[str]:
    """Return the limits of the model as clauses."""
    limits = ["one channel"]
    if meta.sample_rate:
        limits.append(f"audio at {meta.sample_rate} Hz only")
    if meta.streaming is None:
        limits.append("whole utterances, not a live stream; memory grows with length")
    limits.append(
        "only the languages and speakers of its training data; no punctuation"
    )
    limits += [str(one) for one in meta.warnings or ()]
    if meta.approximate is not None:
        limits.append("approximate: its features differ from those it was trained on")
    int8 = meta.int8
    if int8 and not int8["accepted"]:
        limits.append(f"no 8-bit file: {int8['reason']}")
    return limits


def card_lines(meta: ExportMeta) -> list[str]:
    """Return the sections that the Markdown cards have in common."""
    card = card_json(meta)
    made = card["made"]
    how = f"{made.get('method', 'espnet')} {made.get('variant', '')}".strip()
    lines = [f"* method: {how}" + (f", seed {made['seed']}" if "seed" in made else "")]
    if "kept_layers" in made:
        kept = ", ".join(str(layer + 1) for layer in made["kept_layers"])
        lines.append(f"* layers of the larger model: {kept}")
    if "width" in made:
        lines.append(f"* width of the encoder: {made['width']}")
    if "made_of" in made:
        lines.append(f"* made from the training {made['made_of']}")
    if "reference_sha256" in made:
        lines.append(f"* reference: checkpoint {made['reference_sha256'][:12]}...")
    if "source" in made:
        lines.append(f"* imported from {made['source']}")
    trained = ", ".join(card["data"]["trained_on"]) or "not stated"
    lines.append(f"* trained on: {trained}")
    lines.append(f"* license of the reference: {card['license'] or 'not stated'}")
    found = ["## How it was made", "", *lines]
    if card["word_error_rate"]:
        found += ["", "## Word error rate", "", "| file | WER % [95 %] | words | set |"]
        found.append("|---|---|---|---|")
        for name, one in card["word_error_rate"].items():
            low, high = one["ci95"]
            rate = f"{one['wer']:.2f} [{low:.2f}, {high:.2f}]"
            found.append(f"| {name} | {rate} | {one['words']} | {one['set']} |")
    if card["speed"]:
        found += ["", "## Speed", "", *_speed(card["speed"])]
    limits = [f"* {one}" for one in card["limits"]]
    return [*found, "", "## Limits", "", *limits]


def _speed(files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    columns = {
        "rtf_1s": "RTF 1 s",
        "rtf_3s": "RTF 3 s",
        "rtf_10s": "RTF 10 s",
        "chunk_ms": "ms a chunk",
        "process_mb": "process MB",
        "first_word_s": "first word s",
    }
    lines = [f"| file | {' | '.join(columns.values())} |", "|---" * 7 + "|"]
    for name, one in files.items():
        cells = [f"{one[key]:.3g}" if key in one else "-" for key in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    one = next(iter(files.values()))
    busy = one.get("others_cores")
    lines += ["", f"On {one['threads']} thread(s) of {one['cpu']}"]
    if busy is not None:
        lines[-1] += f", with {busy:.1f} processors kept busy by other programs"
    return [*lines[:-1], f"{lines[-1]}."]
