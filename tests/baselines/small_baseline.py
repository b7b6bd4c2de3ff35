"""One baseline of a tiny reference."""

from espnet_plugin.baselines.run import run_baseline
from espnet_plugin.experiment.folder import ModelFiles

__all__ = ["do"]


def do(recipe, tiny, tmp_path, sizes=(2, 1), **others):
    """Train a baseline with seed 3 from a tiny reference; return its folders."""
    return run_baseline(
        recipe,
        ModelFiles(tiny.config, tiny.checkpoint),
        sizes,
        ["--ngpu", "0"],
        str(tmp_path / "exp/asr_some_s3"),
        3,
        **others,
    )
