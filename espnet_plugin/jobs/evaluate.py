"""Finished model folders, decoded, scored and timed."""

import logging
from pathlib import Path
from typing import Sequence

from espnet_plugin.data.kaldi import speech_input
from espnet_plugin.decode.parts import decode_in_parts
from espnet_plugin.files import read_json
from espnet_plugin.measure.speed import write_rtf
from espnet_plugin.score.result_text import write_score
from espnet_plugin.score.wer import score_files

__all__ = ["evaluate_model", "measure_speed"]


def evaluate_model(
    folder: Path,
    dump_dir: Path,
    sets: Sequence[str],
    decoding: str = "best_path",
    num_threads: int = 1,
    ngpu: int = 0,
    nj: int = 1,
) -> None:
    """Decode and score sets with a model, where that is not done yet.

    Leaves ``decode_<decoding>/<set>/{text,token,token_int,score,score.json,...}``.

    Args:
        folder: A model folder with ``meta.json``.
        dump_dir: Where stage 2 put the sets.
        sets: Names below ``dump_dir``.
        decoding: ``best_path`` or ``prefix``.

    Raises:
        UserError: If the model or a set is missing.
    """
    wanted = []
    for name in sets:
        source = dump_dir / name
        scp, how = speech_input(source)
        output = folder / f"decode_{decoding}" / name
        wanted.append((name, [f"{source / scp},speech,{how}"], output))
    decode_in_parts(
        folder / "config.yaml",
        _checkpoint(folder),
        wanted,
        nj,
        method=decoding,
        num_threads=num_threads,
        ngpu=ngpu,
    )
    for name, _, output in wanted:
        source = dump_dir / name
        score = score_files(source / "text", output / "text", source / "utt2spk")
        write_score(score, output, name)


def measure_speed(folder: Path, overwrite: bool = False) -> None:
    """Write ``rtf.json`` of a model where it is not there yet.

    Args:
        folder: Of any ESPnet ASR experiment; without meta.json the best checkpoint is
            taken.
        overwrite: Measure again.

    An EncRL run, from which models are cut, is passed over.
    """
    ours = (folder / "meta.json").is_file()
    if ours and "checkpoint" not in read_json(folder / "meta.json"):
        logging.info("%s is not timed: models come from it, it is none", folder)
        return
    write_rtf(folder, _checkpoint(folder).name if ours else None, overwrite=overwrite)


def _checkpoint(folder: Path) -> Path:
    return folder / read_json(folder / "meta.json")["checkpoint"]
