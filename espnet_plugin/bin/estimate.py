"""What the stages would take, before anything is started: `./run.sh --dry_run true`.

Operations are counted on the configured models. Hours follow from how fast the devices
are: on the CPU that is measured here and now; for GPUs it is assumed, unless
--flops_per_second or --speed_from says what was measured.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.bin.arguments import number, of_recipe, text, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.estimate.arithmetic import estimate
from espnet_plugin.estimate.plan import Corpus, Hardware, ModelFlops, Plan
from espnet_plugin.estimate.sets import find_size
from espnet_plugin.estimate.text import estimate_lines, significant
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.files import read_json
from espnet_plugin.recipe.chosen_shapes import TrialRule, chosen_sizes, find_chosen
from espnet_plugin.recipe.options import EncrlOptions
from espnet_plugin.recipe.trainings import (
    FineTuning,
    encrl_trainings,
    largest_together,
    sizes_alone,
    stage_6,
)
from espnet_plugin.shape import Heads, Shape, check_shapes
from espnet_plugin.yaml_files import read_yaml

__all__ = ["get_parser", "main"]

# ESPnet says of its librispeech recipe's conf/tuning/train_asr_e_branchformer.yaml:
# "Trained with A100 (40 GB) x 8 GPUs. It takes 40 minutes per epoch." With the
# operations counted for it, that is so many a second and GPU (docs/scaling.md).
A100_FLOPS = 1.4e13
# LibriSpeech's development and test sets have 5.1 to 5.4 h each.
ASSUMED_EVAL_HOURS = 5.0


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
        add(f"--{name}", **of_recipe(name, type=Path, required=True))
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


def _corpus(args: argparse.Namespace) -> tuple[Corpus, list[str]]:
    """Return the audio, and in words where training and evaluation hours are from."""
    speeds = tuple(sorted({1.0, *args.speed_perturb_factors}))
    dump, data = args.dump_dir or Path("dump/raw"), args.data_dir or Path("data")
    train = args.train_set or "train"
    formatted = dump / (args.dump_train_set or train)
    if args.lengths is not None:
        dump = formatted = args.lengths.parent
    size = find_size(formatted, data / train, args.fs)
    if size is not None:
        # The formatted set has a copy for each speed.
        copies = sum(1 / s for s in speeds) if size.source.startswith(f"{dump}/") else 1
        hours, where = size.hours / copies, size.source
        seconds = size.hours * 3600 / size.utterances
    elif args.corpus_hours is not None:
        hours, where = args.corpus_hours, "--corpus_hours"
        seconds = args.utterance_seconds
        where += f"; utterances of {seconds:g} s assumed, --utterance_seconds"
    else:
        raise UserError(
            f"the amount of training audio is not known, since neither {formatted} nor "
            f"{data / train} says it: give --corpus_hours HOURS (without copies of "
            "other speeds)"
        )
    segments = args.segments or data / train / "segments"
    segmented = args.segmented == "true" or segments.is_file()
    decoded, said = _eval_hours(args, dump, data)
    return Corpus(hours, speeds, seconds, segmented, decoded), [where, said]


def _eval_hours(args: argparse.Namespace, dump: Path, data: Path) -> tuple[float, str]:
    """Return the hours of the sets to decode, and in words where they come from."""
    if args.eval_hours is not None:
        return args.eval_hours, "--eval_hours"
    sizes = {one: find_size(dump / one, data / one, args.fs) for one in args.eval_sets}
    unknown = [name for name, size in sizes.items() if size is None]
    hours = sum(size.hours for size in sizes.values() if size is not None)
    said = [f"{size.source}" for size in sizes.values() if size is not None]
    if unknown or not sizes:
        hours += ASSUMED_EVAL_HOURS * max(1, len(unknown))
        said.append(
            f"{ASSUMED_EVAL_HOURS:g} h assumed for each set that is not there yet: "
            f"{' '.join(unknown) or 'no name given'}; --estimate_opts '--eval_hours N' "
            "replaces that"
        )
    return hours, ", ".join(said)


def _epochs(given: Optional[float], config: dict, what: str) -> float:
    epochs = config.get("max_epoch") if given is None else given
    if epochs is None:
        raise UserError(f"{what} has no max_epoch")
    return epochs


def _recipe(args: argparse.Namespace, sizes: tuple[Shape, ...]) -> EncrlOptions:
    """Return the recipe's options that say what stages 5 and 6 train."""
    # What a recipe says of its own sizes does not count with a budget.
    own = not args.budget
    options = EncrlOptions(
        sizes=sizes,
        alone=tuple(args.alone if own else ()),
        freeze=tuple(args.freeze),
        alone_freeze=tuple(args.alone_freeze),
        alone_epochs=args.alone_epochs,
        encrl_epochs=args.encrl_epochs,
        finetune=args.finetune,
        finetune_alone=tuple(args.finetune_alone if own else ()),
        finetune_epochs=args.finetune_epochs,
    )
    layers = (own and args.encrl_layers) or largest_together(options)
    return replace(options, alone=sizes_alone(options), encrl_layers=layers)


def _of_budget(
    args: argparse.Namespace, reference: dict, encrl: dict, vocabulary: int
) -> tuple[list[Shape], list[Shape], str]:
    """Return sizes for the budget, shapes that are still tried, and how in words.

    As long as nothing is chosen, the costliest shape tried for each limit counts.
    """
    rule = TrialRule(tuple(args.budget), args.trials, args.trial_epochs)
    chosen = args.chosen and find_chosen(args.chosen, rule)
    if chosen:
        return [*chosen_sizes(chosen)], [], f"sizes as in {args.chosen}"
    from espnet_plugin.estimate.candidates import fitting, list_shapes, spread

    shapes = list_shapes(reference, encrl, vocabulary)
    tried = [spread(fitting(shapes, one), rule.trials) for one in rule.budgets]
    most = [max(some, key=lambda one: one.macs_per_second) for some in tried]
    sizes = list(dict.fromkeys(one.shape for one in most))
    trials = list(dict.fromkeys(one.shape for some in tried for one in some))
    words = (
        f"stage 5 tries {' '.join(map(str, trials))} for --budget; until it has "
        f"chosen, the costliest for each limit: {' '.join(map(str, sizes))}"
    )
    return sizes, trials, words


def _baselines(
    args: argparse.Namespace, sizes: Sequence[Shape]
) -> list[Optional[float]]:
    """Return the epochs of each baseline, None where nothing is trained."""
    training = args.baseline_training and Path(args.baseline_training)
    files = [args.baseline_dir / f"{name}.yaml" for name in args.baselines]
    for path in files:
        read_yaml(path, "--baselines")  # before the imports take their time

    from espnet_plugin.baselines.job import baseline_epochs

    return [
        baseline_epochs(path, sizes, training, args.baseline_epochs) for path in files
    ]


def plan(args: argparse.Namespace) -> tuple[Plan, Corpus, Hardware, list[str]]:
    """Return what would be done with what, and the assumptions in words."""
    corpus, (where, evaluated) = _corpus(args)
    # Before torch, which takes many seconds to import, everything is checked.
    reference_config = args.reference_config
    if args.reference is not None:
        reference_config = Experiment(args.reference).config_file
        if not reference_config.is_file():
            raise UserError(
                f"--reference {args.reference}: no config.yaml in it; of a packed "
                "model, run stage 2 first and name --reference exp/asr_reference"
            )
    configs = [read_yaml(reference_config, "--reference_config")]
    for name in ("encrl_config", "finetune_config"):
        configs.append(read_yaml(getattr(args, name), f"--{name}"))
    reference, encrl, finetune = configs
    # About as many letters and marks as English transcripts have.
    vocabulary = 32 if args.token_type == "char" else args.nbpe
    if isinstance(reference.get("token_list"), list):
        vocabulary = len(reference["token_list"])
    sizes, trials, of_sizes = args.sizes, [], []
    if args.budget:
        sizes, trials, said = _of_budget(args, reference, encrl, vocabulary)
        of_sizes = [said]
    sizes = check_shapes(sizes, Heads.of(reference, encrl))
    recipe = _recipe(args, sizes)
    trainings, tunings = encrl_trainings(recipe), stage_6(recipe)
    trained = [one for one in _baselines(args, sizes) if one is not None]

    from espnet_plugin.estimate.count import (
        count_model,
        measure_flops_per_second,
        student_config,
    )

    seconds = corpus.utterance_seconds
    student = student_config(reference, encrl, recipe.encrl_layers)
    big, small = count_model(reference, vocabulary), count_model(student, vocabulary)
    costs = {(): small}

    def frozen(names: tuple[str, ...]):
        """Return the cost of the student with some modules that do not learn."""
        if names not in costs:
            costs[names] = count_model(student, vocabulary, freeze=names)
        return costs[names]

    # All depths of one width are counted at once; nothing is frozen in them.
    counted = [*sizes, *trials]
    by_width = {
        width: count_model(
            student_config(
                reference,
                {**encrl, "student_output_size": width},
                max(n.layers for n in counted if n.width == width),
            ),
            vocabulary,
        )
        for width in dict.fromkeys(n.width for n in counted if n.width is not None)
    }
    depth = (reference.get("encoder_conf") or {})["num_blocks"]

    def of(cost, n: Shape) -> ModelFlops:
        cost = by_width.get(n.width, cost)
        hour = 3600 / seconds
        return ModelFlops(
            cost.train_flops(n.layers, seconds) * hour,
            cost.forward_flops(n.layers, seconds) * hour,
            cost.num_params(n.layers),
        )

    bins = encrl.get("batch_bins")
    epochs = _epochs(args.finetune_epochs, finetune, str(args.finetune_config))
    encrl_epochs = _epochs(args.encrl_epochs, encrl, str(args.encrl_config))
    encrl_runs = [
        (of(frozen(one.freeze), one.shape), one.epochs or encrl_epochs)
        for one in trainings
    ]
    finetuned = [
        (of(frozen(one.freeze), shape), epochs if given is None else given)
        for one in tunings
        if isinstance(one, FineTuning)
        for shape, given in one.trained()
    ]
    joint = [run for run, one in zip(encrl_runs, trainings) if not one.by_itself]
    alone = [run for run, one in zip(encrl_runs, trainings) if one.by_itself]
    a_batch = bins / args.fs / 3600 if bins else 64 * seconds / 3600
    made = Plan(
        reference=of(big, Shape(depth)),
        student=joint[0][0] if joint else of(small, Shape(recipe.encrl_layers)),
        finetuned=finetuned,
        models={f"{n} layers": of(small, n) for n in sizes},
        vocabulary=vocabulary,
        frames_per_second=big.frames_per_second,
        width=big.width,
        reference_epochs=(
            0 if args.reference else _epochs(None, reference, str(reference_config))
        ),
        encrl_epochs=joint[0][1] if joint else 0,
        alone=alone,
        trials=[(of(small, shape), args.trial_epochs) for shape in trials],
        baseline_epochs=sum(trained) / max(1, len(trained)),
        num_baselines=len(trained),
        num_untrained=len(args.baselines) - len(trained),
        nbest=encrl.get("keep_nbest_models", 5),
        updates_per_hour=1 / a_batch / encrl.get("accum_grad", 1),
        cache=args.teacher_cache is not None,
        cache_top=args.teacher_cache_top,
    )
    if args.flops_per_second is not None:
        speed, source = args.flops_per_second, "--flops_per_second"
    elif args.speed_from is not None:
        cost = read_json(args.speed_from)
        speed = (cost["flops"] + cost.get("teacher_flops", 0)) / cost["train_seconds"]
        source = f"{args.speed_from}"
    elif args.ngpu:
        speed, source = A100_FLOPS, "assumed: an A100, see docs/scaling.md"
    else:
        speed = measure_flops_per_second(student, vocabulary, min(seconds, 10.0))
        source = "measured now, on this machine's CPU as busy as it is"
    hardware = Hardware(
        speed,
        max(1, args.ngpu),
        args.nj,
        args.read_rate,
        args.write_rate,
        args.stats_rate,
        args.load_rate,
        max(1, encrl.get("num_workers", 1)),  # 0: the training itself reads
    )
    words = [
        f"{significant(corpus.hours)} h of training audio ({where}), "
        f"{significant(corpus.epoch_hours)} h with speeds "
        f"{' '.join(f'{s:g}' for s in corpus.speeds)}; utterances of "
        f"{significant(seconds)} s",
        f"{significant(corpus.eval_hours)} h to decode with each model ({evaluated})",
        f"{hardware.devices} {'GPU(s)' if args.ngpu else 'CPU process'} of "
        f"{speed / 1e12:.3g} TFLOP/s reached ({source})",
        f"{args.nj} process(es) of stage 2: {args.read_rate:g} h of audio an hour "
        f"checked, {args.write_rate:g} h written; stage 3 {args.stats_rate:g} h; "
        f"{hardware.loaders} loading process(es) a device, {args.load_rate:g} h each",
        "each baseline is assumed to cost as much as training from scratch",
        *of_sizes,
    ]
    return made, corpus, hardware, words


def run(args: argparse.Namespace) -> None:
    """Print the estimate."""
    if not 1 <= args.stage <= args.stop_stage:
        raise UserError(f"--stage {args.stage} --stop_stage {args.stop_stage}")
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
