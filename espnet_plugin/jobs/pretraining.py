"""A dual-mode pre-training, with wav2vec 2.0 or BEST-RQ."""

from pathlib import Path
from typing import Optional, Sequence

from espnet_plugin.errors import UserError
from espnet_plugin.experiment.folder import Experiment
from espnet_plugin.experiment.meta import Meta
from espnet_plugin.jobs.inputs import difference, digests_beside
from espnet_plugin.jobs.pretraining_loss import loss_of, method_of
from espnet_plugin.jobs.requests import PretrainingRequest
from espnet_plugin.jobs.trainer import PRETRAINING_TASK
from espnet_plugin.jobs.training import Training, trained
from espnet_plugin.yaml_files import read_yaml

__all__ = ["check_same_pretraining", "pretrain_dual_mode"]


def pretrain_dual_mode(
    folder: Path,
    config_file: Path,
    options: Sequence[str],
    seed: int,
    fine_tuning_config: Optional[Path] = None,
) -> None:
    """Pre-train an encoder in both modes without transcripts, unless it is finished.

    Args:
        folder: Folder of the pre-training. Its ``meta.json`` has the option by which a
            training starts from the result.
        config_file: Training configuration.
        options: Further options of ESPnet.
        seed: Seed of the pre-training.
        fine_tuning_config: Configuration of the training that is to start from it.

    Raises:
        UserError: If ``fine_tuning_config`` has a different encoder, or ``folder``
            holds a different training.
    """
    config = read_yaml(config_file)
    checkpoint = Experiment(folder).latest_file

    def check() -> None:
        # Imported here, because a finished pre-training does not need torch.
        from espnet_plugin.dual_mode.options import SHAPING
        from espnet_plugin.dual_mode.pretrained import check_same_encoder

        if fine_tuning_config is not None:
            fine_tuning = read_yaml(fine_tuning_config, "--fine_tuning_config")
            check_same_encoder(config, fine_tuning, SHAPING)
        _starts(checkpoint)  # refuses an unsuitable path before the pre-training

    request = PretrainingRequest(config, list(options), seed)
    options = ["--seed", str(seed), *options]
    training = Training(PRETRAINING_TASK, request, options, config_file=config_file)
    with trained(folder, training, check) as unfinished:
        if unfinished:
            # Its masks are final; those of the best epoch may not be.
            meta = Meta(
                method=method_of(loss_of(config)),
                seed=seed,
                serves=(config["encoder_conf"]["num_blocks"],),
                checkpoint=checkpoint.name,
                init_param=_starts(checkpoint),
            )
            Experiment(folder).write_meta(meta)


def check_same_pretraining(
    folder: Path, config_file: Path, options: Sequence[str], seed: int
) -> None:
    """Refuse a finished pre-training that was not made from these inputs.

    Args:
        folder: Folder of the pre-training; one that is not finished is not compared.
        config_file: See :func:`pretrain_dual_mode`, also the following.
        options: Further options of ESPnet.
        seed: Seed of the pre-training.

    Raises:
        UserError: If they differ; it names the first difference.
    """
    experiment = Experiment(folder)
    known = experiment.request()
    if known is None or not experiment.is_finished:
        return
    contents = digests_beside(folder)
    request = PretrainingRequest(read_yaml(config_file), list(options), seed)
    found, _ = difference(known, request, contents)
    contents.save()
    if found is not None:
        raise UserError(
            f"{folder}, which rows start from, was pre-trained with different inputs: "
            f"{found}. Give the options of that pre-training, or delete the folder and "
            "run stage 4 again; --pretrained FILE starts from any checkpoint"
        )


def _starts(checkpoint: Path) -> dict[str, str]:
    """Return ESPnet's ``--init_param`` for each way of treating the masks."""
    from espnet_plugin.dual_mode.pretrained import MASKS, init_param

    return {masks: init_param(checkpoint, masks) for masks in MASKS}
