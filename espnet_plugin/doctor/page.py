"""One HTML page with the findings and histograms of each set; it loads no files."""

import html
from pathlib import Path
from typing import Sequence

import numpy as np

from espnet_plugin.doctor.kinds import ERROR, KINDS
from espnet_plugin.doctor.outliers import figures_of
from espnet_plugin.doctor.report import Verdict, set_facts, where
from espnet_plugin.doctor.sets import DataSet
from espnet_plugin.doctor.store import Store
from espnet_plugin.files import write_text

__all__ = ["write_page"]

_SHOWN = 20
_BINS, _WIDTH, _HEIGHT = 40, 340, 130
_CHARACTERS = 120
_STYLE = """
:root { --text: #1d1f23; --soft: #63666c; --line: #d8dade; --bar: #3566a8;
  --page: #ffffff; --error: #b3261e; --warning: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e7e9; --soft: #a3a7ae;
  --line: #3a3d43; --bar: #7ba6dd; --page: #17181b; --error: #f2938c;
  --warning: #e3b25b; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--page); max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .8rem;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
figure { margin: 0; } figcaption { color: var(--soft); font-size: .9rem; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg rect { fill: var(--bar); } svg line { stroke: var(--line); }
details { border-bottom: 1px solid var(--line); padding: .4rem 0; }
summary { cursor: pointer; } .error { color: var(--error); }
.warning { color: var(--warning); } p.way { color: var(--soft); margin: .3rem 0; }
ul { font-family: ui-monospace, monospace; font-size: .85rem; padding-left: 1.2rem;
  overflow-wrap: anywhere; }
.letters { font-family: ui-monospace, monospace; line-height: 1.9; }
.letters span { display: inline-block; margin-right: .9rem; }
.letters small { color: var(--soft); }
"""


def write_page(
    path: Path, store: Store, sets: Sequence[DataSet], verdict: Verdict, listed: Path
) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        store: Rows and findings.
        sets: The sets that were checked.
        verdict: Counts of the findings.
        listed: The file that lists all findings.
    """
    names = ", ".join(html.escape(one.name) for one in sets)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'>",
        f"<title>Data: {names}</title><style>{_STYLE}</style><body>",
        f"<h1>Data: {names}</h1>",
        f"<p>{verdict.sentence}. All of them are in "
        f"<code>{html.escape(listed.name)}</code>.</p>",
        _overview(store, sets),
        "<h2>Findings</h2>",
        *(_findings(store, verdict, kind) for kind in verdict.kinds),
        "" if verdict.kinds else "<p>Nothing.</p>",
    ]
    for s, one in enumerate(sets):
        parts += [
            f"<h2>{html.escape(str(one.folder))}</h2>",
            _plots(store, s),
            _letters(one),
        ]
    write_text(path, "\n".join(parts) + "\n</body></html>\n")


def _overview(store: Store, sets: Sequence[DataSet]) -> str:
    rows = []
    for s, one in enumerate(sets):
        facts = set_facts(store, s, one)
        median = facts.get("seconds", {}).get("median")
        rate = facts.get("characters_a_second", {}).get("median")
        cells = [
            html.escape(one.name),
            f"{facts['utterances']:,}",
            f"{facts['hours']:.2f}",
            f"{facts['speakers']:,}",
            f"{facts['words']:,}",
            f"{facts['characters']}",
            "-" if median is None else f"{median:.2f}",
            "-" if rate is None else f"{rate:.1f}",
        ]
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    heads = (
        "set", "utterances", "hours", "speakers", "words", "characters",
        "median seconds", "characters a second",
    )  # fmt: skip
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<div class=wide><table><tr>{head}</tr>{body}</table></div>"


def _findings(store: Store, verdict: Verdict, kind: str) -> str:
    severity, number = verdict.severity(kind), verdict.counts[kind]
    items = "".join(
        f"<li>{html.escape(where(one))}: "
        f"{html.escape(one.id + ': ' if one.id else '')}{html.escape(one.reason)}</li>"
        for one in store.findings(kind, _SHOWN)
    )
    more = f"<li>and {number - _SHOWN:,} more</li>" if number > _SHOWN else ""
    opened = " open" if severity == ERROR else ""
    return (
        f"<details{opened}><summary><b class={severity}>{severity}</b> "
        f"{html.escape(KINDS[kind].title)}: {number:,}</summary>"
        f"<p class=way>{html.escape(KINDS[kind].way_out)}</p>"
        f"<ul>{items}{more}</ul></details>"
    )


def _plots(store: Store, s: int) -> str:
    counted = store.rows("select words from txt where s=?", s)
    words = np.fromiter((row[0] for row in counted), dtype=float)
    plots = [
        _histogram("length, seconds", figures_of(store, s, "seconds")),
        _histogram("characters a second", figures_of(store, s, "rate")),
        _histogram("level, dB of full scale", figures_of(store, s, "level")),
        _histogram("words of a transcript", words, whole=True),
    ]
    return f"<div class=plots>{''.join(plots)}</div>"


def _histogram(title: str, values: np.ndarray, whole: bool = False) -> str:
    """Draw a histogram; the outermost 1 % is put into the first and last bar."""
    if not len(values):
        return ""
    low, high = np.percentile(values, [0.5, 99.5])
    if whole:
        low, high = np.floor(low) - 0.5, np.ceil(high) + 0.5
        bins = int(min(_BINS, high - low))
    else:
        bins = _BINS
    # Values that differ by a rounding error have no edges between them.
    if high - low <= 1e-6 * max(1.0, abs(high)):
        low, high, bins = low - 0.5, low + 0.5, 1
    counts, edges = np.histogram(values.clip(low, high), bins, (low, high))
    step, most = _WIDTH / bins, counts.max()
    bars = "".join(
        f"<rect x={n * step:.1f} y={_HEIGHT - h:.1f} width={max(step - 1, 1):.1f} "
        f"height={h:.1f}><title>{a:.3g} to {b:.3g}: {c:,}</title></rect>"
        for n, (c, a, b) in enumerate(zip(counts, edges, edges[1:]))
        if (h := _HEIGHT * c / most)
    )
    ticks = "".join(
        f"<text x={x} y={_HEIGHT + 15} text-anchor={anchor}>{value:.3g}</text>"
        for x, value, anchor in (
            (0, edges[0], "start"),
            (_WIDTH / 2, (edges[0] + edges[-1]) / 2, "middle"),
            (_WIDTH, edges[-1], "end"),
        )
    )
    return (
        f"<figure><svg width={_WIDTH} height={_HEIGHT + 20} role=img "
        f"aria-label='{title}'><line x1=0 x2={_WIDTH} y1={_HEIGHT} y2={_HEIGHT} />"
        f"{bars}{ticks}</svg><figcaption>{title}; {len(values):,} utterances, from "
        f"{values.min():.3g} to {values.max():.3g}, most in a bar {most:,}</figcaption>"
        "</figure>"
    )


def _letters(one: DataSet) -> str:
    common = one.facts.characters.most_common(_CHARACTERS)
    if not common:
        return ""
    spans = "".join(
        f"<span>{html.escape('space' if c == ' ' else c)} <small>{n:,}</small></span>"
        for c, n in common
    )
    rest = len(one.facts.characters) - len(common)
    more = f"<span><small>and {rest} more</small></span>" if rest > 0 else ""
    return f"<p class=letters>{spans}{more}</p>"
