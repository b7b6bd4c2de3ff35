"""Word error rates with a language model, by ESPnet's CTC prefix beam search."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.checkpoints.load import load_asr_model
from espnet_plugin.data.content import CACHE, Contents
from espnet_plugin.data.kaldi import speech_input
from espnet_plugin.decode.prefix import PrefixSearch, prefix_search
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.decoded import DecodedSet
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meaning import same
from espnet_plugin.files import file_checksum, read_pairs, read_record, write_json
from espnet_plugin.lm.record import Decoded, LMRecord
from espnet_plugin.score.once import ScoreRequest, score_once

__all__ = ["LMDecoding", "check_recogniser", "decode_with_lm"]


@dataclass(frozen=True)
class LMDecoding:
    """How language models are compared.

    Attributes:
        recogniser: Folder of an ESPnet ASR experiment with a CTC layer.
        dump_dir: Folder of the formatted sets (stage 2).
        dev_set: Name of the set on which the weight of the language model is chosen.
        test_set: Name of the set on which the error rate is measured.
        weights: Weights to try, each above 0 and at most 10.
        beam: Beam size, in hypotheses.

    Raises:
        UserError: If a weight or the beam is out of range.
    """

    recogniser: Path
    dump_dir: Path
    dev_set: str
    test_set: str
    weights: Sequence[float]
    beam: int = 10

    def __post_init__(self):
        if not self.weights or not all(0.0 < one <= 10.0 for one in self.weights):
            raise UserError(
                f"--lm_weights {list(self.weights)}: must be one or more numbers "
                "above 0 and at most 10"
            )
        if self.beam < 1:
            raise UserError(f"--beam {self.beam}: must be at least 1 hypothesis")


def check_recogniser(recogniser: Path, lm_folder: Path) -> None:
    """Check that a language model has the tokens of a recogniser.

    Args:
        recogniser: Folder of the recogniser.
        lm_folder: Folder of the language model.

    Raises:
        UserError: If the tokens differ (with the first difference), or a folder does
            not hold such a model.
    """
    from espnet_plugin.checkpoints.config_files import resolve_paths
    from espnet_plugin.experiment.config import read_config
    from espnet_plugin.data.tokens import read_token_list
    from espnet_plugin.lm.load import check_same_tokens, read_lm_config

    config_file = Experiment(recogniser).config_file
    config = resolve_paths(read_config(config_file), config_file)
    tokens = config["token_list"]
    if isinstance(tokens, str):
        tokens = read_token_list(tokens)
    lm = read_lm_config(Experiment(lm_folder).config_file)
    check_same_tokens(lm["token_list"], tokens, str(lm_folder), str(recogniser))


def decode_with_lm(job: LMDecoding, lm_folder: Optional[Path], output: Path) -> Decoded:
    """Choose the weight on the dev set, then decode and score the test set.

    Args:
        job: Recogniser, sets and grid.
        lm_folder: Folder of the language model; None for the same search without one.
        output: Receives ``wer.json`` and folders with the recognised texts. Sets that
            were decoded from the same files before are not decoded again.

    Returns:
        The weight and the error rates.

    Raises:
        UserError: If a model is missing or damaged, or the token lists differ.
    """
    # Here, because it takes many seconds to import.
    from espnet_plugin import host
    from espnet_plugin.lm.load import load_lm

    host.register_lm()
    lm_file = None
    if lm_folder is not None:
        check_recogniser(job.recogniser, lm_folder)
        lm_file = lm_folder / LMRecord.read(lm_folder).checkpoint
        load_lm(lm_folder, lm_file)  # ESPnet would silently ignore missing tensors
    experiment = Experiment(job.recogniser)
    asr_file = experiment.checkpoint()
    _, asr_args = load_asr_model(experiment.config_file, asr_file)

    def rate(name: str, weight: float) -> tuple[float, DecodedSet]:
        decoded = DecodedSet(
            output / f"decode_{job.recogniser.name}/{name}_w{weight:g}"
        )
        search = PrefixSearch(job.beam)
        if lm_folder is not None:
            config = Experiment(lm_folder).config_file
            search = PrefixSearch(job.beam, config, lm_file, weight)
        _decode(job, name, search, asr_args, asr_file, decoded)
        return decoded.score()["wer"], decoded

    grid = {}
    if lm_folder is not None:
        grid = {f"{one:g}": rate(job.dev_set, one)[0] for one in job.weights}
    # The smallest of weights with equal error rates.
    weight = float(min(grid, key=lambda one: (grid[one], float(one)))) if grid else 0.0
    if not grid:
        grid = {"0": rate(job.dev_set, 0.0)[0]}
    wer, decoded = rate(job.test_set, weight)
    result = Decoded(
        recogniser=job.recogniser.name,
        beam=job.beam,
        weight=weight,
        grid=grid,
        wer=wer,
        ci95=tuple(decoded.score()["wer_ci95"]),
        test_set=job.test_set,
        score_file=str(decoded.score_file.relative_to(output)),
    )
    result.write(output)
    logging.info("%s: WER %.2f %% with weight %g", output, wer, weight)
    return result


def _decode(job, name, search, asr_args, asr_file, decoded: DecodedSet) -> None:
    source = job.dump_dir / name
    table, kind = speech_input(source)
    keys = list(read_pairs(source / table))
    contents = Contents(job.recogniser.parent / CACHE)
    inputs = {
        "recogniser": file_checksum(asr_file),
        "lm": None if search.lm_file is None else file_checksum(search.lm_file),
        "options": search.options()[:4] + [f"{search.lm_weight:g}"],
    }
    now = {
        **inputs,
        "config": contents.text_file(Experiment(job.recogniser).config_file),
        "audio": contents.table(source / table, kind, keys),
    }
    contents.save()
    known = read_record(decoded.decoded_file)
    # Earlier versions recorded the table, but not the audio.
    earlier = {**inputs, "table": file_checksum(source / table)}
    if not same(known, earlier if "table" in known else now):
        shutil.rmtree(decoded.folder, ignore_errors=True)
        prefix_search(
            (str(source / table), "speech", kind),
            keys,
            asr_args,
            asr_file,
            decoded.folder,
            search=search,
        )
        write_json(decoded.decoded_file, now)
    request = ScoreRequest(
        source / "text", decoded.text_file, source / "utt2spk", dataset=name
    )
    score_once(request, decoded)
