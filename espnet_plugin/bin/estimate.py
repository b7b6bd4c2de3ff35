"""Estimate the time and disk space of a recipe's stages: `./run.sh --dry_run true`.

Operations are counted on the configured models. Hours are computed from the speed of
the devices. It is measured for this machine's CPU, and assumed for GPUs unless
--flops_per_second or --speed_from gives a measured one.
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
from espnet_plugin.recipe.options.encrl import EncrlRecipeOptions
from espnet_plugin.recipe.planned_sizes import plan_sizes
from espnet_plugin.shape import Shape
from espnet_plugin.tasks.cache_top import TEACHER_CACHE_TOP
from espnet_plugin.yaml_files import read_yaml

__all__ = ["get_parser", "main"]

_CONFIGS = ("reference_config", "encrl_config", "finetune_config")
# Options of the recipe that determine the trainings.
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
        type=whole(1, 10),
        nargs="*",
        default=[],
        help="stages that are finished already and take no time",
    )
    group = parser.add_argument_group("data")
    add = group.add_argument
    add(
        "--corpus_hours",
        **of_recipe("corpus_hours", help="hours of training audio, without copies"),
    )
    add("--dump_dir", type=Path, help="folder that stage 2 writes; read if it exists")
    add("--data_dir", type=Path, help="Kaldi folders; read if stage 2 has not run yet")
    add("--train_set", type=text(), help="name of the training set in data_dir")
    add("--dump_train_set", type=text(), help="name of the training set in dump_dir")
    add(
        "--lengths",
        type=Path,
        help="utt2num_samples of the training set, if it is not in dump_dir",
    )
    add(
        "--segments",
        type=Path,
        help="segments of the training set, if they are not in data_dir",
    )
    add("--eval_sets", nargs="*", default=[], help="names of the sets to decode")
    add(
        "--segmented",
        choices=["true", "false"],
        default="false",
        help="whether stage 2 will cut recordings; known if data_dir has segments",
    )
    add("--fs", **of_recipe("fs"))
    add("--speed_perturb_factors", **of_recipe("speed_perturb_factors"))
    add(
        "--utterance_seconds",
        type=number(0, above=True),
        default=12.3,
        help="mean duration of utterances, if there is no training set yet",
    )
    add(
        "--eval_hours",
        type=number(0),
        help="hours of the sets to decode, instead of those in their folders",
    )
    group = parser.add_argument_group("trainings")
    add = group.add_argument
    add("--token_type", **of_recipe("token_type"))
    add("--nbpe", **of_recipe("nbpe"))
    add("--sizes", **of_recipe("sizes"))
    for name in ("budget", "trials", "trial_epochs"):
        add(f"--{name}", **of_recipe(name))
    add(
        "--chosen",
        type=Path,
        help="file with the sizes that stage 5 has chosen for --budget; used if it "
        "exists and is for this budget",
    )
    add("--encrl_layers", **of_recipe("encrl_layers"))
    add("--reference", **of_recipe("reference", help="folder of a reference to import"))
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
    add("--teacher_cache_top", **TEACHER_CACHE_TOP)
    group = parser.add_argument_group("machine")
    add = group.add_argument
    add("--ngpu", **of_recipe("ngpu"))
    add("--num_nodes", **of_recipe("num_nodes"))
    add("--nj", **of_recipe("nj"))
    add(
        "--flops_per_second",
        type=number(0, above=True),
        help="floating-point operations per second of a device",
    )
    add("--speed_from", type=Path, help="cost.json of a training with the speed")
    defaults = Hardware(1.0)
    for name in ("read_rate", "write_rate", "stats_rate", "load_rate"):
        add(
            f"--{name}",
            type=number(0, above=True),
            default=getattr(defaults, name),
            help="hours of audio per hour of a CPU core",
        )
    return parser


def _corpus_options(args: argparse.Namespace) -> CorpusOptions:
    given = {one.name: getattr(args, one.name) for one in fields(CorpusOptions)}
    return CorpusOptions(**{**given, "segmented": args.segmented == "true"})


def _recipe(args: argparse.Namespace) -> EncrlRecipeOptions:
    given = {name: getattr(args, name) for name in _TRAINED}
    lists = {name: tuple(v) for name, v in given.items() if isinstance(v, list)}
    return EncrlRecipeOptions(**{**given, **lists})


def _baselines(
    args: argparse.Namespace, sizes: Sequence[Shape]
) -> list[Optional[float]]:
    """Return the epochs of each baseline; None if it trains nothing."""
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
    """Hide ESPnet's log messages about models that are only built to be counted.

    The handlers are filtered, because another filter there turns harmless warnings into
    information.
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
    """Return the plan, the corpus, the machine, and the assumptions in words."""
    found = find_corpus(_corpus_options(args))
    # Options are checked before torch is imported, which takes many seconds.
    recipe = _recipe(args)
    files = {name: Path(getattr(recipe, name)) for name in _CONFIGS}
    if recipe.reference:
        files["reference_config"] = _config_of(recipe.reference)
    contents = [read_yaml(path, f"--{name}") for name, path in files.items()]
    reference, encrl, _ = contents
    # About the number of letters and marks in English transcripts.
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
    if Path(reference).is_file() and not reference.endswith(".zip"):
        raise UserError(
            f"--reference {reference} is a file: give its folder, "
            f"{Path(reference).parent}"
        )
    path = Experiment(Path(reference)).config_file
    if not path.is_file():
        raise UserError(
            f"--reference {reference}: has no config.yaml: for a packed model, run "
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
