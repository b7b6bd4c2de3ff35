"""Results of the EncRL paper, for context: other data, not measured here.

Source: Hannan et al., Interspeech 2025, https://doi.org/10.21437/Interspeech.2025-1704.
These are the paper's own figures: WER in percent, without intervals.
"""

from espnet_plugin.report.table import Table
from espnet_plugin.results.results import Results

__all__ = ["PUBLISHED_HEADING", "PUBLISHED_SOURCE", "published_tables"]

PUBLISHED_HEADING = "Published, other data, not measured here"
PUBLISHED_SOURCE = (
    "Hannan et al., Interspeech 2025, "
    "https://doi.org/10.21437/Interspeech.2025-1704. LibriSpeech and TED-LIUM 3, one "
    "run each, without intervals. Recipe, data and decoding differ from those above, "
    "so these figures cannot be compared with those above. For the paper's own "
    "models, only fine-tuning epochs are counted. †: models of other authors, as "
    "cited in the paper. n/r: not reported."
)

_LIBRISPEECH = (
    # model, epochs, layers, params (M), test-clean, test-other
    ("Conformer (reference)", "150", "12", "18.60", "5.60", "14.38"),
    ("Conformer †", "n/r", "12", "31.601", "6.5", "17.7"),
    ("Conformer from scratch", "150", "6", "9.462", "8.61", "20.97"),
    ("Conformer †", "n/r", "6", "15.963", "7.6", "20.0"),
    ("EncRL, fine-tuned", "50", "6", "9.462", "6.27", "17.47"),
    ("Conformer from scratch", "150", "4", "6.416", "8.91", "22.18"),
    ("Conformer †", "n/r", "4", "10.750", "9.8", "24.3"),
    ("EncRL, fine-tuned", "50", "4", "6.416", "7.95", "21.82"),
    ("Conformer from scratch", "150", "2", "3.370", "15.57", "32.57"),
    ("Conformer †", "n/r", "2", "5.537", "17.6", "36.1"),
    ("EncRL, fine-tuned", "50", "2", "3.370", "14.68", "33.70"),
)
_TEDLIUM = (
    # layers, reference or from scratch, dagger, EncRL
    ("12", "15.28 (reference)", "16.4", "-"),
    ("6", "21.82", "25.5", "19.72"),
    ("4", "49.30", "35.4", "22.86"),
)
_DYNAMIC = (
    # layers, EncRL, early exit, random layer dropping: WER and params (M)
    ("6", "6.27 (9.46 M)", "6.8 (15.96 M)", "7.98 (15.96 M)"),
    ("4", "7.95 (6.41 M)", "11.6 (10.75 M)", "12.54 (10.75 M)"),
    ("2", "14.68 (3.37 M)", "23.9 (5.53 M)", "43.62 (5.53 M)"),
)
_LOSSES = (
    ("CLIP", "9.06"),
    ("MAE", "6.40"),
    ("MSE", "6.36"),
    ("CLIP + MAE", "6.42"),
    ("CLIP + MSE", "6.27"),
    ("no EncRL: 6 layers of the reference, fine-tuned", "7.41"),
    ("EncRL without fine-tuning", "about 95"),
)


_TABLES = (
    Table(
        ("model", "epochs", "layers", "params (M)", "clean WER %", "other WER %"),
        _LIBRISPEECH,
        title="LibriSpeech (its table 1)",
    ),
    Table(
        ("layers", "from scratch", "†", "EncRL"),
        _TEDLIUM,
        title="TED-LIUM 3 test, WER % (its table 2)",
    ),
    Table(
        ("layers", "EncRL", "early exit", "random layer dropping"),
        _DYNAMIC,
        title="Models of variable depth, LibriSpeech test-clean, WER % (its table 3)",
    ),
    Table(
        ("objectives of EncRL", "WER %"),
        _LOSSES,
        title="What to match, 6 layers, LibriSpeech test-clean (its table 4 and text)",
    ),
)


def published_tables(results: Results) -> tuple[Table, ...]:
    """Return the paper's tables 1 to 4, the last with two figures from its text.

    If the results have no model of EncRL, no tables are returned.
    """
    shown = any(group.method.startswith("encrl") for group in results.groups)
    return _TABLES if shown else ()
