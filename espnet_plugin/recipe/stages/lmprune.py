"""The stages of ``lmprune.sh``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from espnet_plugin.estimate.trainings import PlannedTraining
from espnet_plugin.lm.record import lm_folder
from espnet_plugin.lm.rows import Compression, Further, read_row
from espnet_plugin.recipe.command_line import shown
from espnet_plugin.recipe.layout import Layout
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.options.lmprune import LmpruneOptions
from espnet_plugin.recipe.runner import Runner, log
from espnet_plugin.recipe.stage_list import StageOf, stage_lines
from espnet_plugin.recipe.stages.data import DATA_STAGES, warn_of_newer_data
from espnet_plugin.recipe.stages.data_options import options_of_data
from espnet_plugin.recipe.stages.stage import Stage, run_stages
from espnet_plugin.recipe.stages.words import maybe
from espnet_plugin.yaml_files import read_yaml

__all__ = ["STAGES", "LmpruneLayout", "list_lmprune", "lm_data_options", "run_lmprune"]


def lm_data_options(options: LmpruneOptions) -> EncrlRecipeOptions:
    """Return the options of stages 1 and 2, as the EncRL family declares them."""
    return options_of_data(options, 2)


@dataclass(frozen=True)
class LmpruneLayout:
    """The paths of a language model recipe.

    Attributes:
        options: Options of the recipe.
        data: Paths of stages 1 and 2.
        seed: Seed of the trainings.
    """

    options: LmpruneOptions
    data: Layout
    seed: int

    @property
    def text(self) -> str:
        """Folder of the text that stage 3 writes."""
        return f"{self.options.expdir}/lm_text"

    @property
    def test_set(self) -> str:
        """Name of the test set in the table; empty if there is none."""
        return next(iter(self.options.test_sets), "")

    def token_options(self) -> list[str]:
        """Return the options for the tokens: the recogniser's, or those of stage 2."""
        options, folder = self.options, self.data.token_dir
        if options.asr_exp:
            return ["--asr_exp", options.asr_exp]
        kind = ["--token_type", options.token_type]
        bpe = f"{folder}/bpe.model" if options.token_type != "char" else ""
        words = ["--token_list", f"{folder}/tokens.txt", *kind]
        return [*words, *maybe("--bpemodel", bpe), *maybe("--nlsyms", options.nlsyms)]

    def training_options(self) -> list[str]:
        """Return the options that all trainings share."""
        options = self.options
        return [
            *("--config", options.lm_config, "--text_dir", self.text),
            *("--exp_dir", options.expdir, "--seed", str(self.seed)),
            *maybe("--max_epoch", options.epochs),
        ]


def _prepare_text(layout: LmpruneLayout, runner: Runner) -> None:
    options = layout.options
    folder = options.datadir
    tests = [f"{name}={folder}/{name}/text" for name in options.test_sets]
    command = runner.python(
        *("lm_text", "--output_dir", layout.text, *layout.token_options()),
        *("--train_text", f"{folder}/{options.train_set}/text", *options.lm_train_text),
        *("--valid_text", f"{folder}/{options.valid_set}/text", "--test_text", *tests),
    )
    runner.submit(runner.commands.train, "lm_text", command)


def _train(layout: LmpruneLayout, runner: Runner) -> None:
    command = runner.python("lm_train", *layout.training_options())
    runner.submit(runner.commands.cuda, "lm_train", command)


def _compress(layout: LmpruneLayout, runner: Runner) -> None:
    options = layout.options
    files = [f"{options.row_dir}/{row}.yaml" for row in options.rows]
    command = runner.python(
        *("lm_compress", *layout.training_options()),
        *("--fine_tuning_config", options.fine_tuning_config, "--rows", *files),
    )
    runner.submit(runner.commands.cuda, "lm_compress", command)


def _planned_dense(layout: LmpruneLayout) -> list[PlannedTraining]:
    options = layout.options
    epochs = options.epochs
    if not epochs:
        epochs = read_yaml(options.lm_config, "--lm_config").get("max_epoch")
    folder = lm_folder(Path(options.expdir), "dense", layout.seed)
    return [PlannedTraining(str(folder), epochs)]


def _planned_rows(layout: LmpruneLayout) -> list[PlannedTraining]:
    options, planned = layout.options, []

    def add(row: str, keep: Optional[float], epochs: Optional[int]) -> None:
        folder = lm_folder(Path(options.expdir), row, layout.seed, keep)
        planned.append(PlannedTraining(str(folder), epochs))

    for name in options.rows:
        row = read_row(Path(options.row_dir, f"{name}.yaml"))
        if isinstance(row, Compression):
            for step, keep in enumerate(row.keep):
                add(name, keep, row.step_epochs(step))
        elif isinstance(row, Further):
            add(name, None, row.epochs)
        else:
            add(name, row.keep, None)
    return planned


def _measure(layout: LmpruneLayout, runner: Runner) -> None:
    options = layout.options
    command = runner.python(
        *("lm_measure", "--exp_dir", options.expdir, "--text_dir", layout.text),
        *("--speed", shown(options.speed), "--seeds", *map(str, options.seeds)),
    )
    runner.submit(runner.commands.train, "lm_measure", command)


def _decode(layout: LmpruneLayout, runner: Runner) -> None:
    options = layout.options
    command = runner.python(
        *("lm_decode", "--exp_dir", options.expdir, "--asr_exp", options.asr_exp),
        *("--text_dir", layout.text),
        *("--dump_dir", layout.data.dump, "--dev_set", options.valid_set),
        *("--test_set", layout.test_set, "--lm_weights", *options.lm_weights),
        *("--beam", str(options.beam), "--seeds", *map(str, options.seeds)),
    )
    runner.submit(runner.commands.decode, "lm_decode", command)


def _report(layout: LmpruneLayout, runner: Runner) -> None:
    options = layout.options
    # Not those of the EncRL recipe, which may have the same folder.
    table = options.results or f"{options.expdir}/lm_RESULTS.md"
    figures = options.results_json or f"{options.expdir}/lm_results.json"
    command = runner.python(
        *("lm_report", "--exp_dir", options.expdir, "--text_dir", layout.text),
        *("--test_set", layout.test_set),
        *("--markdown", table, "--results_json", figures),
    )
    runner.submit(runner.commands.train, "lm_report", command)


def _seed(layout: LmpruneLayout) -> str:
    return f", seed {layout.seed}"


# The commands of stages 3 to 8 check their inputs and name the stage that makes them.
STAGES = (
    *DATA_STAGES[:2],
    Stage[LmpruneLayout](
        3,
        "text for the language model",
        "EXPDIR/lm_text, in the recogniser's tokens",
        needs=lambda layout: (),
        work=_prepare_text,
    ),
    Stage[LmpruneLayout](
        4,
        "the dense model",
        "EXPDIR/lm_dense_s<seed>, trained by ESPnet",
        needs=lambda layout: (),
        work=_train,
        trainings=_planned_dense,
        detail=_seed,
    ),
    Stage[LmpruneLayout](
        5,
        "smaller models of it, controls",
        "EXPDIR/lm_<row>_k<percent>_s<seed>",
        needs=lambda layout: (),
        work=_compress,
        trainings=_planned_rows,
        detail=_seed,
    ),
    Stage[LmpruneLayout](
        6,
        "perplexity, size and speed",
        "EXPDIR/lm_*/measured.json",
        needs=lambda layout: (),
        work=_measure,
    ),
    Stage[LmpruneLayout](
        7,
        "word error rates",
        "EXPDIR/lm_*/wer.json, with --asr_exp",
        needs=lambda layout: (),
        work=_decode,
    ),
    Stage[LmpruneLayout](
        8,
        "table",
        "RESULTS, RESULTS_JSON",
        needs=lambda layout: (),
        work=_report,
    ),
)


def _warn_of_newer_text(layout: LmpruneLayout) -> None:
    """Log a warning if a text has changed since stage 3 took it."""
    options = layout.options
    if options.stage <= 3 or options.stage > 6:
        return
    sets = {"train": options.train_set, "valid": options.valid_set}
    sets.update({name: name for name in options.test_sets})
    pairs = [(f"{options.datadir}/{sets[one]}/text", one) for one in sets]
    pairs += [(text, "train") for text in options.lm_train_text]
    for source, name in pairs:
        taken = Path(layout.text, name, "text")
        if not (Path(source).is_file() and taken.is_file()):
            continue
        if Path(source).stat().st_mtime > taken.stat().st_mtime:
            log(
                f"WARNING {source} is newer than {taken}, which is used: run stage 3 "
                "again (--stage 3 --stop_stage 3)"
            )


def list_lmprune(layout: LmpruneLayout) -> list[str]:
    """Return the lines of the dry run: stages, trainings, and what is finished."""
    options = layout.options
    stages: list[StageOf] = [(stage, layout.data) for stage in DATA_STAGES[:2]]
    stages.append((STAGES[2], layout))
    for seed in options.seeds:
        stages += [(stage, replace(layout, seed=seed)) for stage in STAGES[3:5]]
    stages += [(stage, layout) for stage in STAGES[5:]]
    similar = sorted(map(str, Path(options.expdir).glob("lm_*_s*")))
    return stage_lines(stages, options.stage, options.stop_stage, similar)


def run_lmprune(layout: LmpruneLayout, runner: Runner, of_data: Runner) -> None:
    """Run the chosen stages; stages 4 and 5 run for each seed.

    Args:
        layout: Paths of the recipe, with the first seed.
        runner: Runs the commands.
        of_data: Runs the commands of stages 1 and 2.

    Raises:
        UserError: If an input of a stage is missing or does not match the others.
        Failed: If a command fails.
    """
    first, last = layout.options.stage, layout.options.stop_stage
    if first <= 2:
        run_stages(STAGES[:2], first, last, layout.data, of_data)
    run_stages(STAGES[2:3], first, last, layout, runner)
    _warn_of_newer_text(layout)
    if last >= 7:
        of_data_now = replace(layout.data.options, stop_stage=last)
        warn_of_newer_data(replace(layout.data, options=of_data_now))
    for seed in layout.options.seeds:
        run_stages(STAGES[3:5], first, last, replace(layout, seed=seed), runner)
    run_stages(STAGES[5:], first, last, layout, runner)
