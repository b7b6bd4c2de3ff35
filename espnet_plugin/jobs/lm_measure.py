"""Stage 6 of lmprune.sh: measure perplexity, size and speed of language models."""

import logging
import os
from pathlib import Path

from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.jobs.lm_current import measured_from
from espnet_plugin.jobs.lm_text import LMText
from espnet_plugin.lm.record import LMRecord, Measured

__all__ = ["measure_lm"]


def measure_lm(folder: Path, text: LMText, speed: bool = False) -> Measured:
    """Measure a finished model and write its ``measured.json``.

    Args:
        folder: Folder of the model.
        text: Text of the sets; perplexity is measured on dev and all test sets.
        speed: Whether to measure the time per token in milliseconds, which needs a
            machine without other load.

    Returns:
        The measured values.

    Raises:
        UserError: If the model or a text is missing.
    """
    # Here, because they import ESPnet.
    from espnet_plugin.lm.load import load_lm
    from espnet_plugin.lm.perplexity import text_figures
    from espnet_plugin.lm.speed import ms_per_token
    from espnet_plugin.lm.text import read_sentences

    record, experiment = LMRecord.read(folder), Experiment(folder)
    loaded = load_lm(folder, folder / record.checkpoint)
    sentences = {
        name: read_sentences(text.text(name), loaded.args)
        for name in ("valid", *text.tests())
    }
    sets = {name: text_figures(loaded.model, one) for name, one in sentences.items()}
    cut = None
    start = experiment.start.model_file
    if start.is_file():
        before = load_lm(experiment.config_file, start)
        cut = text_figures(before.model, sentences["valid"]).perplexity
    load = os.getloadavg()[0]
    measured = Measured(
        sets=sets,
        cut_perplexity=cut,
        file_bytes=(folder / record.checkpoint).stat().st_size,
        ms_per_token=ms_per_token(loaded.model) if speed else None,
        load_average=round(load, 2) if speed else None,
        made_of=measured_from(folder, text, list(sets)),
    )
    measured.write(folder)
    logging.info(
        "%s: perplexity %s",
        folder,
        ", ".join(f"{name} {one.perplexity:.3f}" for name, one in sets.items()),
    )
    return measured
