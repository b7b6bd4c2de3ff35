"""Dual-mode training of supernets, one for each row.

Options that this command does not know are passed to ESPnet's ASR training (data,
ngpu...).
"""

import argparse
import logging
import sys
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

from espnet_plugin.bin.arguments import of_recipe, whole
from espnet_plugin.bin.reference_option import add_reference_options, read_reference
from espnet_plugin.bin.run import run_command
from espnet_plugin.distill.starts import LAYERS
from espnet_plugin.dual_mode.reference_layers import check_start
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.jobs.dual import Start, train_dual_mode
from espnet_plugin.jobs.pretraining_loss import check_pretraining
from espnet_plugin.names import BEST_RQ, WAV2VEC2
from espnet_plugin.tasks.cache_top import TEACHER_CACHE_TOP
from espnet_plugin.yaml_files import deep_merge, read_yaml

# Keys of a row and their defaults: its name in the tables, the modes that are decoded,
# the row from which it continues, the pre-training that it starts from (the name of its
# loss, or true: any), the layers of the reference that it starts from, and its changes
# to the training configuration.
_ROW = {
    "method": "dual_mode",
    "variant": "",
    "modes": ["full", "streaming"],
    "after": None,
    "pretrained": False,
    "reference_layers": None,
    "changes": {},
}
_PRETRAINED = (False, True, WAV2VEC2, BEST_RQ)


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--config", type=Path, required=True, help="training configuration")
    add(
        "--rows",
        type=Path,
        nargs="+",
        required=True,
        help="row files (conf/dualmode/rows/): each gives the name of a training and "
        "what it changes in the configuration",
    )
    add(
        "--exp_dir",
        type=Path,
        required=True,
        help="folder in which dual_<row>_s<seed> is made for each training",
    )
    add(
        "--pretrained",
        type=Path,
        help="checkpoint of a pre-training; rows with `pretrained: "
        f"{WAV2VEC2}`, `{BEST_RQ}` or `true` (any) start from its encoder",
    )
    add(
        "--max_epoch",
        type=whole(1),
        help="number of epochs, instead of max_epoch in the configuration and the rows",
    )
    add("--seed", **of_recipe("seed"))
    add_reference_options(parser)
    add("--teacher_cache", **of_recipe("teacher_cache"))
    add("--teacher_cache_top", **TEACHER_CACHE_TOP)
    return parser


def train(args: argparse.Namespace, options: list[str]) -> None:
    """Train each row, after checking all of them."""
    rows = {path.stem: read_row(path) for path in args.rows}
    # All rows are checked before the first training, which may take hours.
    starts = {name: _start(args, name, rows) for name in rows}
    config = read_yaml(args.config)
    _check_values(config, rows, args.rows)
    taught = {name for name, row in rows.items() if _is_taught(config, row)}
    copied = {name for name, row in rows.items() if row["reference_layers"]}
    reference = read_reference(args) if taught | copied else None
    if taught | copied and reference is None:
        raise UserError(
            f"the row {min(taught | copied)} needs a reference, from which it learns "
            "or starts: give its folder with --reference"
        )
    if reference is not None and reference.checkpoint is None:
        raise UserError(
            f"--reference_config {reference.config} without --reference_model_file: "
            f"the row {min(taught | copied)} needs the reference's weights: give both, "
            "or the folder with --reference"
        )
    if args.teacher_cache is not None and not taught:
        logging.warning(
            "--teacher_cache %s is not used: no row of this call learns from the "
            "outputs of the reference (model_conf.teaching)",
            args.teacher_cache,
        )
    for name in sorted(copied):
        whole = deep_merge(config, rows[name]["changes"], null_removes=True)
        check_start(reference.config, whole, rows[name]["reference_layers"])
    for name, row in rows.items():
        config = read_yaml(args.config)
        for text in overridden(config, row["changes"]):
            logging.info("row %s: %s, not %s as in %s", name, *text, args.config)
        config = deep_merge(config, row["changes"], null_removes=True)
        if args.max_epoch is not None:
            config["max_epoch"] = args.max_epoch
        train_dual_mode(
            _folder(args, name),
            config,
            [
                *options,
                *(_cache_options(args) if name in taught else ()),
                *("--seed", str(args.seed)),
            ],
            Meta(
                method=row["method"],
                variant=row["variant"],
                seed=args.seed,
                modes=tuple(row["modes"]),
            ),
            Start(
                starts[name],
                whole=row["after"] is not None,
                layers=row["reference_layers"],
            ),
            reference if name in taught | copied else None,
        )


def _check_values(
    config: Mapping[str, Any], rows: Mapping[str, Any], files: Sequence[Path]
) -> None:
    # Here, because ESPnet takes many seconds to import.
    from espnet_plugin import host
    from espnet_plugin.tasks.configuration import check_configuration
    from espnet_plugin.tasks.dual_mode import DualModeASRTask

    host.register()
    for row, file in zip(rows.values(), files):
        merged = deep_merge(config, row["changes"], null_removes=True)
        check_configuration(DualModeASRTask, merged, str(file))


def _cache_options(args: argparse.Namespace) -> list[str]:
    """Return the task's options for the stored outputs of the reference."""
    if args.teacher_cache is None:
        return []
    options = ["--teacher_cache", args.teacher_cache]
    top = args.teacher_cache_top
    return [*options, *(["--teacher_cache_top", str(top)] if top else [])]


def _is_taught(config: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    whole = deep_merge(config, row["changes"], null_removes=True)
    return (whole.get("model_conf") or {}).get("teaching") is not None


def read_row(path: Path) -> dict[str, Any]:
    """Read the file of a row.

    Raises:
        UserError: If the file is missing or has unknown keys.
    """
    given = read_yaml(path, "--rows")
    unknown = set(given) - set(_ROW)
    if unknown:
        raise UserError(
            f"--rows {path}: unknown keys {', '.join(sorted(unknown))}: a row may "
            f"have {', '.join(_ROW)}"
        )
    row = {**_ROW, **given}
    if row["pretrained"] not in _PRETRAINED:
        raise UserError(
            f"--rows {path}: pretrained {row['pretrained']!r}: must be one of "
            f"{WAV2VEC2}, {BEST_RQ}, true (any) and false"
        )
    layers = row["reference_layers"]
    if layers not in (None, *LAYERS):
        raise UserError(
            f"--rows {path}: reference_layers {layers!r}: must be one of "
            f"{', '.join(LAYERS)}"
        )
    other = next((key for key in ("after", "pretrained") if row[key]), None)
    if layers and other:
        raise UserError(
            f"--rows {path}: reference_layers and {other}: a training has one start; "
            "remove one of the two"
        )
    return row


def _folder(args: argparse.Namespace, name: str) -> Path:
    return args.exp_dir / f"dual_{name}_s{args.seed}"


def _start(
    args: argparse.Namespace, name: str, rows: Mapping[str, dict[str, Any]]
) -> Optional[Path]:
    """Return the checkpoint from which a row starts.

    Raises:
        UserError: If it is missing and no earlier row of this call makes it.
    """
    row, earlier = rows[name], list(rows)[: list(rows).index(name)]
    if row["after"] is not None:
        path = Experiment(_folder(args, row["after"])).final_masks_file
        if row["after"] in earlier:
            return path
        way_out = f"train the row {row['after']} with seed {args.seed} first"
    elif row["pretrained"]:
        if args.pretrained is None:
            raise UserError(
                f"the row {name} starts from a pre-training: give --pretrained FILE"
            )
        if row["pretrained"] is not True:
            check_pretraining(args.pretrained, row["pretrained"], name)
        path, way_out = args.pretrained, "run the pre-training first"
        run = Experiment(path.parent)
        # ESPnet uses this name for the last epoch of an unfinished training.
        if run.request_file.is_file() and not run.is_finished:
            raise UserError(
                f"--pretrained {path}: the pre-training in {run.folder} is not "
                "finished: run its stage again, it resumes from the last epoch"
            )
    else:
        return None
    if not path.is_file():
        raise UserError(f"{path} is missing: {way_out}")
    return path


def overridden(
    config: Mapping[str, Any], changes: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the values of a configuration that changes replace.

    Yields:
        The new value with its key, and the old value, as text.
    """
    for key, value in changes.items():
        old = config.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            yield from overridden(old, value, f"{prefix}{key}.")
        elif key in config and old != value:
            yield f"{prefix}{key} {value}", str(old)


def main(cmd=None) -> int:
    """Run the command."""
    args, options = get_parser().parse_known_args(cmd)
    return run_command(lambda: train(args, options))


if __name__ == "__main__":
    sys.exit(main())
