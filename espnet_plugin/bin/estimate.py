"""What the stages would take, before anything is started: `./run.sh --dry_run true`.

Operations are counted on the configured models. Hours follow from how fast the devices
are: on the CPU that is measured here and now; for GPUs it is assumed, unless
--flops_per_second or --speed_from says what was measured.
"""

import argparse
import logging
import sys
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Iterator, Optional, Sequence

from espnet_plugin.bin.arguments import number, of_recipe, text, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.estimate.arithmetic import estimate
from espnet_plugin.estimate.corpus import CorpusOptions, find_corpus
from espnet_plugin.estimate.device_speed import find_speed
from espnet_plugin.estimate.plan import Corpus, Hardware, Plan
from espnet_plugin.estimate.text import assumption_lines, estimate_lines
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.recipe.options.encrl import EncrlOptions
from espnet_plugin.recipe.planned_sizes import plan_sizes
from espnet_plugin.shape import Shape
from espnet_plugin.yaml_files import read_yaml

__all__ = ["get_parser", "main"]

_CONFIGS = ("reference_config", "encrl_config", "finetune_config")
# Options of the recipe that say what is trained.
_TRAINED = (
    *("sizes", "budget", "trials", "trial_epochs", "encrl_layers", "freeze"),
    *("alone", "alone_epochs", "alone_freeze", "encrl_epochs", "finetune_epochs"),
    *("finetune", "finetune_alone", "reference", "teacher_cache", "fs", *_CONFIGS),
)


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--stage", **of_recipe("stage"))
    add("--stop_stage", **of_recipe("stop_stage"))
    add(
        "--finished",
        type=whole(1),
        nargs="*",
        default=[],
        help="stages whose work is done already, which cost nothing",
    )
    group = parser.add_argument_group("what is trained on")
    add = group.add_argument
    add(
        "--corpus_hours",
        **of_recipe("corpus_hours", help="hours of training audio, without copies"),
    )
    add("--dump_dir", type=Path, help="where stage 2 writes sets, read if it exists")
    add("--data_dir", type=Path, help="Kaldi folders, read where stage 2 has not run")
    add("--train_set", type=text(), help="the training set's name in data_dir")
    add("--dump_train_set", type=text(), help="the training set's name in dump_dir")
    add("--lengths", type=Path, help="the training set's utt2num_samples, if elsewhere")
    add("--segments", type=Path, help="its segments, if elsewhere")
    add("--eval_sets", nargs="*", default=[], help="names of the sets to decode")
    add(
        "--segmented",
        choices=["true", "false"],
        default="false",
        help="whether stage 2 will cut the audio; known where data_dir has segments",
    )
    add("--fs", **of_recipe("fs"))
    add("--speed_perturb_factors", **of_recipe("speed_perturb_factors"))
    add(
        "--utterance_seconds",
        type=number(0, above=True),
        default=12.3,
        help="mean length, where the training set is not there yet",
    )
    add(
        "--eval_hours",
        type=number(0),
        help="hours of the sets to decode, instead of what their folders say",
    )
    group = parser.add_argument_group("what is trained")
    add = group.add_argument
    add("--token_type", **of_recipe("token_type"))
    add("--nbpe", **of_recipe("nbpe"))
    add("--sizes", **of_recipe("sizes"))
    for name in ("budget", "trials", "trial_epochs"):
        add(f"--{name}", **of_recipe(name))
    add(
        "--chosen",
        type=Path,
        help="file in which stage 5 left its choice for --budget, used where it exists "
        "and is of this budget",
    )
    add("--encrl_layers", **of_recipe("encrl_layers"))
    add("--reference", **of_recipe("reference", help="imported: its folder"))
    for name in ("reference_config", "encrl_config", "finetune_config"):
        add(f"--{name}", **of_recipe(name, required=True))
    add("--encrl_epochs", **of_recipe("encrl_epochs"))
    add("--finetune_epochs", **of_recipe("finetune_epochs"))
    add("--freeze", **of_recipe("freeze"))
    add("--alone", **of_recipe("alone"))
    add("--alone_epochs", **of_recipe("alone_epochs"))
    add("--alone_freeze", **of_recipe("alone_freeze"))
    add("--finetune", **of_recipe("finetune"))
    add("--finetune_alone", **of_recipe("finetune_alone"))
    add("--baselines", **of_recipe("baselines", default=[]))
    add("--baseline_dir", **of_recipe("baseline_dir", type=Path))
    add("--baseline_training", **of_recipe("baseline_training"))
    add("--baseline_epochs", **of_recipe("baseline_epochs"))
    add("--teacher_cache", **of_recipe("teacher_cache"))
    add("--teacher_cache_top", type=whole(0), default=0)
    group = parser.add_argument_group("with what")
    add = group.add_argument
    add("--ngpu", **of_recipe("ngpu"))
    add("--num_nodes", **of_recipe("num_nodes"))
    add("--nj", **of_recipe("nj"))
    add(
        "--flops_per_second",
        type=number(0, above=True),
        help="operations per second that a device reaches",
    )
    add("--speed_from", type=Path, help="cost.json of a finished training: its speed")
    defaults = Hardware(1.0)
    for name in ("read_rate", "write_rate", "stats_rate", "load_rate"):
        add(
            f"--{name}",
            type=number(0, above=True),
            default=getattr(defaults, name),
            help="hours of audio per hour of a core",
        )
    return parser


def _corpus_options(args: argparse.Namespace) -> CorpusOptions:
    given = {one.name: getattr(args, one.name) for one in fields(CorpusOptions)}
    return CorpusOptions(**{**given, "segmented": args.segmented == "true"})


def _recipe(args: argparse.Namespace) -> EncrlOptions:
    given = {name: getattr(args, name) for name in _TRAINED}
    lists = {name: tuple(v) for name, v in given.items() if isinstance(v, list)}
    return EncrlOptions(**{**given, **lists})


def _baselines(
    args: argparse.Namespace, sizes: Sequence[Shape]
) -> list[Optional[float]]:
    """Return the epochs of each baseline, None where nothing is trained."""
    training = args.baseline_training and Path(args.baseline_training)
    files = [args.baseline_dir / f"{name}.yaml" for name in args.baselines]
    for path in files:
        read_yaml(path, "--baselines")  # before the imports take their time

    from espnet_plugin.baselines.config import baseline_epochs

    return [
        baseline_epochs(path, sizes, training, args.baseline_epochs) for path in files
    ]


@contextmanager
def _without_espnets_logs() -> Iterator[None]:
    """Hide what ESPnet logs of each model that is only built to be counted.

    By a filter of the handlers, because another one there makes information of harmless
    warnings.
    """
    handlers = list(logging.getLogger().handlers)
    for one in handlers:
        one.addFilter(_is_above_information)
    try:
        yield
    finally:
        for one in handlers:
            one.removeFilter(_is_above_information)


def _is_above_information(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO


def plan(args: argparse.Namespace) -> tuple[Plan, Corpus, Hardware, list[str]]:
    """Return what would be done with what, and the assumptions in words."""
    found = find_corpus(_corpus_options(args))
    # Before torch, which takes many seconds to import, everything is checked.
    recipe = _recipe(args)
    files = {name: Path(getattr(recipe, name)) for name in _CONFIGS}
    if recipe.reference:
        files["reference_config"] = _config_of(recipe.reference)
    contents = [read_yaml(path, f"--{name}") for name, path in files.items()]
    reference, encrl, _ = contents
    # About as many letters and marks as English transcripts have.
    vocabulary = 32 if args.token_type == "char" else args.nbpe
    if isinstance(reference.get("token_list"), list):
        vocabulary = len(reference["token_list"])
    logging.info("counting the operations of the models; nothing is trained")
    with _without_espnets_logs():
        planned = plan_sizes(recipe, reference, encrl, vocabulary, args.chosen)
        baselines = _baselines(args, planned.options.sizes)

        from espnet_plugin.estimate.count import measure_flops_per_second
        from espnet_plugin.estimate.counted import CountedModels
        from espnet_plugin.recipe.encrl_plan import Configurations, encrl_plan

        seconds = found.corpus.utterance_seconds
        shapes = (*planned.options.sizes, *planned.trials)
        layers = planned.options.encrl_layers
        counted = CountedModels(reference, encrl, vocabulary, shapes, layers, seconds)
        made = encrl_plan(
            planned,
            Configurations(*contents),
            counted,
            baselines,
            args.teacher_cache_top,
        )
        speed = find_speed(
            args.flops_per_second,
            args.speed_from,
            args.ngpu > 0,
            lambda: measure_flops_per_second(
                counted.student, vocabulary, min(seconds, 10.0)
            ),
        )
    hardware = Hardware(
        speed.flops_per_second,
        max(1, args.ngpu) * args.num_nodes,
        args.nj,
        args.read_rate,
        args.write_rate,
        args.stats_rate,
        args.load_rate,
        max(1, encrl.get("num_workers", 1)),  # 0: the training itself reads
    )
    words = assumption_lines(found, hardware, speed, args.ngpu > 0)
    return made, found.corpus, hardware, [*words, *filter(None, [planned.words])]


def _config_of(reference: str) -> Path:
    """Return the configuration of an imported reference."""
    path = Experiment(Path(reference)).config_file
    if not path.is_file():
        raise UserError(
            f"--reference {reference}: no config.yaml in it; of a packed model, run "
            "stage 2 first and name --reference exp/asr_reference"
        )
    return path


def run(args: argparse.Namespace) -> None:
    """Print the estimate."""
    if args.stage > args.stop_stage:
        raise UserError(
            f"--stage {args.stage} comes after --stop_stage {args.stop_stage}: swap "
            "them"
        )
    made, corpus, hardware, words = plan(args)
    stages = range(args.stage, args.stop_stage + 1)
    costs = [
        replace(one, finished=True) if one.stage in args.finished else one
        for one in estimate(corpus, hardware, made, stages)
    ]
    if 5 in stages and not made.cache and 5 not in args.finished:
        cached = estimate(corpus, hardware, replace(made, cache=True), range(5, 6))
    else:
        cached = []
    print("\n".join(estimate_lines(costs, made, corpus, words, cached)))


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
