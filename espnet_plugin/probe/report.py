"""Table, JSON and picture of the probes."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Sequence

from matplotlib.ticker import MaxNLocator

from espnet_plugin.files import write_json, write_text
from espnet_plugin.probe.experiment import ProbedMode
from espnet_plugin.probe.options import ProbeOptions
from espnet_plugin.report.plots.colours import method_styles
from espnet_plugin.report.plots.style import add_legend, plt, save_figure

__all__ = ["STEM", "probe_json", "probe_table", "write_probes"]

STEM = "layer_probes"


def probe_table(probed: Sequence[ProbedMode]) -> str:
    """Return a Markdown table with a row for each layer and a column for each mode."""
    lines = [
        ["layer", *(one.label for one in probed)],
        ["---", *("---:" for _ in probed)],
    ]
    for number in range(1, max(len(one.layers) for one in probed) + 1):
        rates = {
            column: score.rate
            for column, one in enumerate(probed)
            for score in one.layers
            if score.layer == number
        }
        cells = [f"{rates[n]:.1f}" if n in rates else "" for n in range(len(probed))]
        lines.append([str(number), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def probe_json(
    probed: Sequence[ProbedMode], options: ProbeOptions, train: Path, dev: Path
) -> dict[str, Any]:
    """Return all results with the options and data used."""
    return {
        "train": str(train),
        "dev": str(dev),
        "options": asdict(options),
        "probes": [
            {
                "experiment": one.experiment,
                "checkpoint": one.checkpoint,
                "mode": one.mode,
                "layers": [
                    {**asdict(score), "token_error_rate": score.rate}
                    for score in one.layers
                ],
            }
            for one in probed
        ],
    }


def write_probes(
    folder: Path,
    probed: Sequence[ProbedMode],
    options: ProbeOptions,
    train: Path,
    dev: Path,
) -> list[Path]:
    """Write ``layer_probes`` as .md, .json, .png and .svg.

    Args:
        folder: Output folder; it is created if necessary.
        probed: The results.
        options: Training options of the probes.
        train: Training data of the probes.
        dev: Data on which errors were counted.

        Returns:
            Paths of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table, content = folder / f"{STEM}.md", folder / f"{STEM}.json"
    words = (
        f"Token error rate in % of a linear CTC probe on each frozen layer, on {dev} "
        f"({probed[0].layers[0].tokens} tokens). Probes trained on {train}, "
        f"{options.epochs} epochs, seed {options.seed}."
    )
    write_text(table, f"{words}\n\n{probe_table(probed)}\n")
    write_json(content, probe_json(probed, options, train, dev))
    picture = _draw(folder, probed)
    return [table, content, picture, picture.with_suffix(".svg")]


def _draw(folder: Path, probed: Sequence[ProbedMode]) -> Path:
    figure, panel = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    # A colour for each recogniser, a marker for each of its modes.
    styles = method_styles((one.experiment, one.mode) for one in probed)
    for one in probed:
        colour, marker = styles[one.experiment, one.mode]
        panel.plot(
            [score.layer for score in one.layers],
            [score.rate for score in one.layers],
            color=colour,
            marker=marker,
            linewidth=1.2,
            label=one.label,
        )
    panel.set_xlabel("layer")
    panel.set_ylabel("token error rate of the probe (%)")
    panel.set_ylim(bottom=0)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(True, color="#dddddd", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    add_legend(figure, [panel])
    return save_figure(figure, folder / STEM)
