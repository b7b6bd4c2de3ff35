"""How many of the kept heads, units and channels two self-pruned models share.

Give folders of dual-mode trainings (``dual_*``) of the same sizes; each is compared
with the first one. With masks drawn at random, the shared part is the share that is
kept:
  python benchmarks/mask_overlap.py exp/dual_copied_fixed_50_s1 exp/dual_copied_50_s*
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import torch

from espnet_plugin.bin.run import run_command
from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment

_MASK = "encoder.pruner.mask_"


def masks_of(folder: Path) -> dict[str, torch.Tensor]:
    """Return the masks of a training, by name."""
    file = Experiment(folder).final_masks_file
    state = read_checkpoint(file)
    masks = {name: mask for name, mask in state.items() if name.startswith(_MASK)}
    if not masks:
        raise UserError(f"{file} has no masks: give a model that was pruned")
    return masks


def shared(
    first: dict[str, torch.Tensor], other: dict[str, torch.Tensor]
) -> dict[str, float]:
    """Return the share of the kept groups that both keep, by kind of groups."""
    both, kept = defaultdict(float), defaultdict(float)
    for name, mask in first.items():
        if name not in other or other[name].shape != mask.shape:
            raise UserError(f"{name} differs in shape: give models of the same sizes")
        kind = name.rsplit("_", 1)[1]
        both[kind] += float((mask * other[name]).sum())
        kept[kind] += float(other[name].sum())
    return {kind: both[kind] / kept[kind] for kind in both}


def compare(folders: list[Path]) -> None:
    """Print a line for each folder."""
    first = masks_of(folders[0])
    for folder in folders[1:]:
        parts = shared(first, masks_of(folder)).items()
        text = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in parts)
        print(f"{folder.name} and {folders[0].name}: {text}")


def main(cmd=None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="dual_* folders")
    args = parser.parse_args(cmd)
    return run_command(lambda: compare(args.folders))


if __name__ == "__main__":
    sys.exit(main())
