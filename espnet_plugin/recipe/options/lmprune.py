"""The options of ``lmprune.sh``: a language model for a recogniser, made smaller."""

from dataclasses import dataclass
from functools import partial

from espnet_plugin.recipe.option import option, same_option
from espnet_plugin.recipe.options.dualmode import DualmodeOptions
from espnet_plugin.recipe.options.sections import DATA, MEASURING, TRAINING
from espnet_plugin.recipe.options.shared import SharedOptions
from espnet_plugin.recipe.values.numbers import MOST_SEED, Number, Several, Whole
from espnet_plugin.recipe.values.text import Text, Words
from espnet_plugin.recipe.values.words import Flag

__all__ = ["LmpruneOptions"]

_shared = partial(same_option, SharedOptions)
_data = partial(option, DATA)
_training = partial(option, TRAINING)
_measuring = partial(option, MEASURING)

_ROWS = (
    "cut_first_order_50 cut_magnitude_50 units_first_order_50 cut_first_order_25 "
    "cut_first_order_steps svd_50 svd_activations_50 svd_first_order_50 "
    "svd_activations_25 svd_activations_steps further_4 further_8 scratch_50 scratch_25"
)


@dataclass(frozen=True)
class LmpruneOptions:
    """The options of ``lmprune.sh``."""

    stage: int = _shared("stage", kind=Whole(1, 8))
    stop_stage: int = _shared("stop_stage", kind=Whole(1, 8), default="8")
    nj: int = _shared("nj")
    num_threads: int = _shared("num_threads")
    python: tuple[str, ...] = _shared("python")
    datadir: str = _shared("datadir")
    dumpdir: str = _shared("dumpdir")
    expdir: str = _shared("expdir")
    dry_run: bool = same_option(DualmodeOptions, "dry_run")

    train_set: str = _shared("train_set")
    valid_set: str = _shared("valid_set")
    test_sets: tuple[str, ...] = _shared("test_sets")
    local_data_opts: tuple[str, ...] = _shared("local_data_opts")
    lm_train_text: tuple[str, ...] = _data(
        "", Words(), "More Kaldi text files to train on, in quotes if several."
    )
    fs: int = _shared("fs")
    token_type: str = _shared("token_type")
    nbpe: int = _shared("nbpe")
    nlsyms: str = _shared("nlsyms")
    asr_exp: str = _data(
        "",
        Text(),
        "Folder of a recogniser: stage 3 uses its tokens, stage 7 decodes with it.",
    )

    lm_config: str = _training(
        "conf/lmprune/train_lm.yaml", Text(), "Configuration of the dense model."
    )
    fine_tuning_config: str = _training(
        "conf/lmprune/fine_tune.yaml",
        Text(),
        "Changes to lm_config for fine-tuning after compression.",
    )
    row_dir: str = _training(
        "conf/lmprune/rows",
        Text(),
        "Folder with a file for each row, which says how the dense model is made "
        "smaller.",
    )
    rows: tuple[str, ...] = _training(
        _ROWS, Words(), "Names of files in row_dir, in quotes if several."
    )
    epochs: int = _training(
        "",
        Whole(1, optional=True),
        "Epochs of the dense model, instead of the configuration's.",
    )
    seeds: tuple[int, ...] = _training(
        "1",
        Several(Whole(0, MOST_SEED)),
        "Seeds, in quotes if several: stages 4 and 5 run for each, stages 6 and 7 "
        "measure and decode their models. The table of stage 8 has all seeds.",
    )

    speed: bool = _measuring(
        "false",
        Flag(),
        "Stage 6 also measures the time per token; needs a quiet machine.",
    )
    lm_weights: tuple[str, ...] = _measuring(
        "0.2 0.4 0.6",
        Several(Number(0, above=True, example="0.4"), meta='"X..."'),
        "Weights of the language model; one is chosen on valid_set.",
    )
    beam: int = _measuring("10", Whole(1), "Beam size.")
    results: str = _measuring(
        "",
        Text(),
        "File for the table of stage 8; if empty, EXPDIR/lm_RESULTS.md.",
    )
    results_json: str = _measuring(
        "",
        Text(),
        "File for the figures behind the table; if empty, EXPDIR/lm_results.json.",
    )
