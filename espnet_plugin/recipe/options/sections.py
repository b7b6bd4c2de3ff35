"""Headings of ``--help``, under which options are declared."""

__all__ = [
    "BASELINES",
    "BESIDE",
    "DATA",
    "DECODING",
    "ENCRL",
    "EXPORT",
    "GENERAL",
    "MEASURING",
    "REFERENCE",
    "SECTIONS",
    "TRAINING",
]

GENERAL = "General"
DATA = "Data"
REFERENCE = "Reference model (stages 3 and 4)"
BESIDE = (
    "Next to a finished recipe of ESPnet (asr.sh run to stage 11), which is only read"
)
ENCRL = "EncRL (stage 5), fine-tuning (stage 6)"
TRAINING = "Training (stages 4 and 5)"
BASELINES = "Baselines (stage 8)"
DECODING = "Decoding (stage 7), report (stage 9)"
MEASURING = "Measuring (stage 6), decoding (stage 7), report (stage 8)"
EXPORT = "Export to a device (stage 10); needs pip install '.[device]'"
# The order in which they are printed.
SECTIONS = (
    GENERAL,
    DATA,
    REFERENCE,
    BESIDE,
    ENCRL,
    TRAINING,
    BASELINES,
    DECODING,
    MEASURING,
    EXPORT,
)
