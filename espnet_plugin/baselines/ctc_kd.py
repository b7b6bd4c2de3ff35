"""CTC training with knowledge distillation in one stage, instead of EncRL."""

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
    """Options of the method.

    Attributes:
        ctc_loss_weight: Weight of the CTC loss, which is a sum over the frames of an
            utterance.
        kl_weight: Weight of the Kullback-Leibler divergence from the teacher's
            posteriors, which is a mean over frames.
        temperature: Temperature of both posteriors.
        blank_weight: Weight of frames in which the teacher's best token is blank.
        student_init: Layers of the reference that initialise the student: ``random``
            (none), ``first``, ``last`` or ``spaced``.
    """

    ctc_loss_weight: float = 1.0
    kl_weight: float = 1.0
    temperature: float = 1.0
    blank_weight: float = 1.0
    student_init: str = "random"

    def __post_init__(self):
        if not self.temperature > 0:
            raise UserError(f"temperature {self.temperature}: must be above 0")
        if not self.kl_weight > 0:
            raise UserError(f"kl_weight {self.kl_weight}: must be above 0")
        for name in ("ctc_loss_weight", "blank_weight"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} {getattr(self, name)}: must be 0 or more")
        if self.student_init not in INITS:
            raise UserError(
                f"student_init {self.student_init!r}: must be one of "
                f"{', '.join(INITS)}"
            )


def train(job: BaselineJob, options: Options) -> list[Path]:
    """Train a model of each size; the teacher runs in each training.

    Raises:
        UserError: If an option is wrong, or a folder holds a different training.
    """
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
    # Epochs are chosen by the loss: on dev it is the same sum as in training.
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
