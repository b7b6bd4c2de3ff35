"""One stage of CTC and the teacher's posteriors together, instead of EncRL."""

from dataclasses import dataclass
from pathlib import Path

from espnet_plugin.baselines.job import BaselineJob
from espnet_plugin.checkpoints.plain import plain_state
from espnet_plugin.distill.starts import INITS
from espnet_plugin.errors import UserError
from espnet_plugin.jobs.requests import DistillationRequest
from espnet_plugin.jobs.trainer import ENCRL_TASK
from espnet_plugin.jobs.training import Training
from espnet_plugin.tasks.ranks import without_ranks

__all__ = ["Options", "train"]


@dataclass(frozen=True)
class Options:
    """What may be chosen.

    Attributes:
        ctc_loss_weight: Weight of the CTC loss, a sum over an utterance's frames.
        kl_weight: Weight of the divergence from the teacher's posteriors, a mean over
            frames.
        temperature: Both posteriors are softened by it.
        blank_weight: Weight of the frames where the teacher says blank.
        student_init: ``random``, ``first``, ``last`` or ``spaced`` reference layers.
    """

    ctc_loss_weight: float = 1.0
    kl_weight: float = 1.0
    temperature: float = 1.0
    blank_weight: float = 1.0
    student_init: str = "random"


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Train a model of each size, each with its own pass of the teacher."""
    if options.student_init not in INITS:
        raise UserError(
            f"options.student_init {options.student_init!r}: must be one of "
            f"{', '.join(INITS)}"
        )
    return [_train_one(job, size, options) for size in job.sizes]


def _train_one(job: BaselineJob, size: int, options: Options) -> Path:
    config = job.training_of(size)
    config["model_conf"] = {
        "objectives": {
            "kl": {
                "weight": options.kl_weight,
                "temperature": options.temperature,
                "blank_weight": options.blank_weight,
            }
        },
        "ctc_loss_weight": options.ctc_loss_weight,
    }
    # By loss, because validation's is the same sum that is trained.
    config["best_model_criterion"] = [["valid", "loss", "min"]]
    given = [
        *("--reference_config", str(job.reference.config_file)),
        *("--reference_model_file", str(job.reference.checkpoint)),
        *("--student_num_layers", str(size), "--student_init", options.student_init),
        *job.options(),
    ]
    if job.teacher_cache is not None:
        given += ["--teacher_cache", job.teacher_cache]
    request = DistillationRequest(config, without_ranks(given), job.reference.sha256)
    return job.train_and_export(
        size,
        Training(ENCRL_TASK, request, given),
        lambda work: (
            job.reference.config(size),
            plain_state(work.encrl_file, range(size)),
        ),
    )
