"""Stage 8: train baselines, which are other ways to make small models.

Each baseline has its own configuration. Options that this command does not know are
passed to ESPnet's ASR training (data, ngpu...).
"""

import argparse
import sys
from pathlib import Path

from espnet_plugin.baselines.config import baseline_names, read_baseline
from espnet_plugin.baselines.planned import check_baselines, output_of
from espnet_plugin.baselines.run import run_baseline
from espnet_plugin.bin.arguments import number, of_recipe, whole
from espnet_plugin.bin.reference_option import add_reference_options, read_reference
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.files import write_lines
from espnet_plugin.jobs.rendezvous import (
    join_trainings,
    rendezvous_file,
    share_trainings,
)
from espnet_plugin.tasks.ranks import is_first


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog=f"methods: {', '.join(baseline_names())}",
    )
    add = parser.add_argument
    add(
        "--baselines",
        type=Path,
        nargs="+",
        required=True,
        help="configuration files of the baselines, e.g. "
        "conf/baselines/layer_copy.yaml",
    )
    add_reference_options(parser)
    add("--sizes", **of_recipe("sizes"))
    add("--exp_dir", type=Path, default=Path("exp"))
    add(
        "--training",
        type=Path,
        help="ESPnet training configuration to use instead of the baselines' own",
    )
    add(
        "--max_epoch",
        type=whole(1),
        help="number of epochs, instead of max_epoch in the training configuration",
    )
    add(
        "--max_lr",
        type=number(0, above=True),
        help="peak learning rate, instead of the one in the training configuration; "
        "the tables show it",
    )
    add("--seed", **of_recipe("seed"))
    add(
        "--list",
        type=Path,
        help="file that gets the folders of the finished models, one per line",
    )
    add(
        "--teacher_cache",
        help="folder with the reference's stored outputs (written in stage 5)",
    )
    return parser


def train(args: argparse.Namespace, options: list[str]) -> None:
    """Train the baselines; processes after the first one join its trainings."""
    names = [path.stem for path in args.baselines]
    missing = [str(path) for path in args.baselines if not path.is_file()]
    if missing or len(set(names)) < len(names):
        raise UserError(
            f"--baselines: {', '.join(missing)} is missing: name existing files"
            if missing
            else f"--baselines {' '.join(names)}: a name is listed twice: list it once"
        )
    if not is_first(options):
        join_trainings(options)
    elif rendezvous_file(options) is not None:
        with share_trainings(options):
            _train_all(args, options)
    else:
        _train_all(args, options)


def _train_all(args: argparse.Namespace, options: list[str]) -> None:
    # Training from scratch only needs its architecture.
    reference = read_reference(args, trained=False)
    if reference is None:
        raise UserError(
            "--reference is needed: give the folder of the model that baselines "
            "start from or imitate, e.g. exp/asr_reference (stage 4)"
        )
    # All files are read before the first training.
    configs = [read_baseline(path) for path in args.baselines]
    check_baselines(configs, args.exp_dir, args.sizes, args.seed, args.max_lr)
    made: list[Path] = []
    for path in args.baselines:
        made += run_baseline(
            path,
            reference,
            args.sizes,
            options,
            output_of(path, args.exp_dir, args.seed),
            args.seed,
            training=args.training,
            max_epoch=args.max_epoch,
            max_lr=args.max_lr,
            teacher_cache=args.teacher_cache,
        )
    if args.list is not None:
        write_lines(args.list, map(str, made))


def main(cmd=None) -> int:
    """Run the command."""
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: train(args, options))


if __name__ == "__main__":
    sys.exit(main())
