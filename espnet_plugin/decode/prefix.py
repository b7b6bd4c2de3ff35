"""Decode with ESPnet's own CTC prefix search."""

import argparse
import logging
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence, Union

from espnet_plugin.decode.best_path import FILES
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_pairs, write_lines, write_text
from espnet_plugin.yaml_files import write_yaml

__all__ = ["PrefixSearch", "prefix_search"]


@dataclass(frozen=True)
class PrefixSearch:
    """Options of ESPnet's search.

    Attributes:
        beam: Beam size.
        lm_config: Configuration of a language model; None to use none.
        lm_file: Its weights, which must be checked before: ESPnet loads with
        ``strict=False``.
        lm_weight: Weight of its log-probability; the weight of CTC is 1.
    """

    beam: int = 1
    lm_config: Optional[Path] = None
    lm_file: Optional[Path] = None
    lm_weight: float = 0.0

    def options(self) -> list[str]:
        """Return the options of ``espnet2.bin.asr_inference``."""
        options = ["--ctc_weight", "1.0", "--beam_size", str(self.beam)]
        if self.lm_config is not None:
            options += ["--lm_train_config", str(self.lm_config)]
            options += ["--lm_file", str(self.lm_file)]
            options += ["--lm_weight", str(self.lm_weight)]
        return options


def prefix_search(
    data: tuple[str, str, str],
    keys: Sequence[str],
    train_args: argparse.Namespace,
    checkpoint: Union[str, Path],
    output_dir: Union[str, Path],
    ngpu: int = 0,
    search: PrefixSearch = PrefixSearch(),
) -> None:
    """Run ``espnet2.bin.asr_inference`` with CTC only, and keep its best texts.

    Args:
        data: Path, ``speech`` and type, as ESPnet's ``--data_path_and_name_and_type``.
        keys: Ids of the utterances to decode, in the order of the output.
        train_args: Configuration of the model, with paths of existing files.
        checkpoint: The model, which must be checked before: ESPnet loads with
        ``strict=False``.
        output_dir: Output folder for the files of ``1best_recog``.
        ngpu: 1 to decode on a GPU.
        search: Beam and language model; by default beam 1 and none.
    """
    # Imported only here, because it takes seconds more.
    from espnet2.bin import asr_inference

    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output_dir, prefix=".prefix_") as scratch:
        # Its paths are already resolved, so they do not depend on its folder.
        config = Experiment(scratch).config_file
        write_yaml(config, vars(train_args))
        # ESPnet decodes in the order of the table.
        path, name, kind = data
        table = read_pairs(path)
        scp = Path(scratch) / Path(path).name
        write_lines(scp, (f"{key} {table[key]}" for key in keys))
        options = asr_inference.get_parser().parse_args(
            ["--output_dir", f"{scratch}/out"]
            + ["--asr_train_config", str(config), "--asr_model_file", str(checkpoint)]
            + [*search.options(), "--batch_size", "1"]
            + ["--num_workers", "0", "--ngpu", str(min(ngpu, 1))]
            + ["--data_path_and_name_and_type", f"{scp},{name},{kind}"]
        )
        options = vars(options)
        options.pop("config", None)
        logging.info("prefix search of %d utterances of %s", len(keys), path)
        asr_inference.inference(**options)
        found = Path(scratch) / "out" / "1best_recog"
        short = _too_short(found / "score", found / "token")
        for key in short:
            logging.warning("%s: too short for the model; its text is empty", key)
        for file in FILES:
            source = found / file
            text = source.read_text(encoding="utf-8") if source.is_file() else ""
            if file != "score" and short:
                text = "".join(
                    (
                        f"{line.split(maxsplit=1)[0]} \n"
                        if line.split(maxsplit=1)[0] in short
                        else f"{line}\n"
                    )
                    for line in text.splitlines()
                )
            if file == "score":
                # ESPnet writes str() of a tensor.
                text = re.sub(r" tensor\(([^,)]*).*\)$", r" \1", text, flags=re.M)
            write_text(output_dir / file, text)


def _too_short(score: Path, token: Path) -> set[str]:
    """Return the utterances that were too short for a single frame.

    ESPnet writes ``<space>`` for them, and a plain ``0.0`` as their score; scores of a
    search are printed as tensors.
    """
    if not (score.is_file() and token.is_file()):
        return set()
    scores, tokens = read_pairs(score), read_pairs(token)
    return {
        key
        for key, value in scores.items()
        if value == "0.0" and tokens.get(key) == "<space>"
    }
