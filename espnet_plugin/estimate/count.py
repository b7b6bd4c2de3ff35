"""Count operations and sizes of the models of a configuration, without training.

They are counted with torch's counter on the ``meta`` device, where tensors have shapes
but no content, so nothing is computed. Models with one and two layers are counted and
extrapolated to any depth, because all layers have the same size.
"""

import argparse
import copy
import time
from dataclasses import dataclass
from functools import partial
from typing import Optional, Sequence, TypeVar

import torch
from espnet2.tasks.asr import ASRTask

from espnet_plugin.cost.counting import count_step
from espnet_plugin.cost.flop_counter import flop_counter
from espnet_plugin.cost.log import FlopModel
from espnet_plugin.distill.config import derive_student
from espnet_plugin.distill.options import StudentOptions
from espnet_plugin.distill.students import StudentLayers
from espnet_plugin.errors import UserError
from espnet_plugin.tasks.asr import seconds_per_input
from espnet_plugin.tasks.named_weights import known_modules

__all__ = [
    "ForwardCount",
    "ModelCost",
    "build_model",
    "count_forward",
    "count_model",
    "measure_flops_per_second",
    "student_config",
]

Number = TypeVar("Number", int, float)

# Parts that are random, not known before stage 3, or without operations.
_LEFT_OUT = ("specaug", "normalize", "init")
# Options that name layers which a model with two layers does not have.
_EXITS = ("interctc_layer_idx", "interctc_use_conditioning")


def _at_depth(counts: tuple[Number, Number], layers: int) -> Number:
    """Return a figure for any number of layers, from those for one and two layers."""
    one, two = counts
    return one + (layers - 1) * (two - one)


class _CountedWeights:
    """What is counted of models of one and of two layers, ``params`` among it."""

    params: tuple[int, int]

    def num_params(self, layers: int) -> int:
        """Return the number of weights."""
        return _at_depth(self.params, layers)


@dataclass(frozen=True)
class ModelCost(_CountedWeights):
    """Operations and size of one kind of model, for any number of layers.

    Attributes:
        train: Operations of forward and backward pass, with one and with two layers.
        forward: Operations of the forward pass of encoder and CTC layer, with one and
            with two layers.
        params: Number of weights, with one and with two layers.
        width: Width of the encoder's output.
        frames_per_second: Frame rate of the encoder's output in Hz.
    """

    train: tuple[FlopModel, FlopModel]
    forward: tuple[FlopModel, FlopModel]
    params: tuple[int, int]
    width: int
    frames_per_second: float

    def train_flops(self, layers: int, seconds: float, utterances: int = 16) -> float:
        """Return the operations of training on one utterance of a batch.

        Args:
            layers: Number of encoder layers.
            seconds: Duration of every utterance of the batch in seconds.
            utterances: Number of utterances in the batch, which share the computation
                of relative positions.
        """
        return self._each(self.train, layers, seconds, utterances)

    def forward_flops(self, layers: int, seconds: float, utterances: int = 16) -> float:
        """Return the operations of the forward pass; see :meth:`train_flops`."""
        return self._each(self.forward, layers, seconds, utterances)

    @staticmethod
    def _each(models, layers: int, seconds: float, utterances: int) -> float:
        one, two = (model(utterances, seconds)[0] for model in models)
        return _at_depth((one, two), layers) / utterances


def build_model(
    config: dict, vocabulary: int, num_layers: Optional[int] = None
) -> torch.nn.Module:
    """Build the stock model of a configuration, with random weights.

    Args:
        config: Configuration of a training or of a finished experiment.
        vocabulary: Number of tokens.
        num_layers: Number of layers, if not that of the configuration.

    Raises:
        UserError: If ESPnet cannot build the model, or it has no front end or layers.
    """
    args = _stock_args(config, vocabulary)
    if num_layers is not None:
        args.encoder_conf["num_blocks"] = num_layers
        for name in _EXITS:
            args.encoder_conf.pop(name, None)
    try:
        model = ASRTask.build_model(args)
    except (TypeError, ValueError, AssertionError, KeyError) as error:
        raise UserError(f"ESPnet cannot build this model: {error}") from error
    model.seconds_per_input = seconds_per_input(args)
    return model


def _stock_args(config: dict, vocabulary: int) -> argparse.Namespace:
    args = argparse.Namespace(**ASRTask.get_default_config())
    for name, value in copy.deepcopy(config).items():
        setattr(args, name, value)
    for name in _LEFT_OUT:
        setattr(args, name, None)
    args.token_list = ["<blank>", "<unk>", *map(str, range(vocabulary - 3)), "<eos>"]
    args.encoder_conf = dict(args.encoder_conf or {})
    if args.frontend is None:
        raise UserError(
            "the configuration has no frontend (its features come from stage 2): "
            "only models that take audio can be estimated"
        )
    if "num_blocks" not in args.encoder_conf:
        raise UserError(
            "the configuration's encoder_conf has no num_blocks: only encoders with "
            "a number of equal layers can be estimated"
        )
    return args


# Options of the student in a configuration of EncRL; the latter are mappings.
_STUDENT = ("encoder", "frontend", "output_size", "linear_units")
_STUDENT_CONF = ("encoder_conf", "frontend_conf")


def student_config(reference: dict, encrl: dict, num_layers: int) -> dict:
    """Return the plain configuration of the student that stage 5 would train.

    Args:
        reference: Configuration of the reference.
        encrl: Configuration of stage 5, which may set a width, encoder or front end.
        num_layers: Number of layers of the student.
    """
    teacher = _stock_args(reference, 4)
    options = StudentOptions(
        num_layers,
        **{name: encrl.get(f"student_{name}") for name in _STUDENT},
        **{name: dict(encrl.get(f"student_{name}") or {}) for name in _STUDENT_CONF},
    )
    width = teacher.encoder_conf.get("output_size", 256)
    derived = derive_student(options, teacher, width, StudentLayers(num_layers))
    student = copy.deepcopy(reference)
    student.pop("decoder", None)
    if options.frontend is not None:
        student.update({n: derived[n] for n in ("frontend", "frontend_conf")})
    return {
        **student,
        "encoder": derived["encoder"],
        "encoder_conf": derived["encoder_conf"],
        "model_conf": {"ctc_weight": 1.0},
    }


def count_model(
    config: dict,
    vocabulary: int,
    tokens_per_second: float = 3.0,
    freeze: Sequence[str] = (),
) -> ModelCost:
    """Count the operations of training and using a model.

    Args:
        config: See :func:`build_model`.
        vocabulary: Number of tokens.
        tokens_per_second: Rate of tokens in the transcripts; only used with an
            attention decoder.
        freeze: Frozen modules, named as in ESPnet's ``--freeze_param``.

    Raises:
        UserError: See :func:`build_model`; or if a module of ``freeze`` does not exist.
    """
    train, forward, params = [], [], []
    for layers in (1, 2):
        model = build_model(config, vocabulary, layers).eval()
        params.append(sum(p.numel() for p in model.parameters()))
        _freeze(model, freeze)
        model.to("meta")
        for kind, backward in ((train, True), (forward, False)):
            count = partial(_count, model, tokens_per_second, backward)
            kind.append(FlopModel(lambda u, s, count=count: (count(u, s),)))
    seconds = 20.0
    encoding, _ = _run(model, 1, seconds, None)
    return ModelCost(
        (train[0], train[1]),
        (forward[0], forward[1]),
        (params[0], params[1]),
        model.encoder.output_size(),
        encoding.shape[1] / seconds,
    )


@dataclass(frozen=True)
class ForwardCount(_CountedWeights):
    """Size and computation of a model, for any number of layers.

    Attributes:
        params: Number of weights, with one and with two layers.
        macs: Multiply-adds per second of audio, with one and with two layers.
    """

    params: tuple[int, int]
    macs: tuple[float, float]

    def macs_per_second(self, layers: int) -> float:
        """Return the multiply-adds per second of audio for a number of layers."""
        return _at_depth(self.macs, layers)


def count_forward(
    config: dict, vocabulary: int, audio_seconds: float = 10.0
) -> ForwardCount:
    """Count weights and the multiply-adds of recognising one utterance.

    The result is the same as that of :func:`espnet_plugin.measure.speed.count_macs` on
    the complete model.

    Args:
        config: See :func:`build_model`.
        vocabulary: Number of tokens.
        audio_seconds: Duration of the utterance in seconds, which affects attention.

    Raises:
        UserError: See :func:`build_model`.
    """
    params, macs = [], []
    for layers in (1, 2):
        model = build_model(config, vocabulary, layers).eval()
        params.append(sum(p.numel() for p in model.parameters()))
        model.to("meta")
        # Only encoder and CTC layer, without gradients.
        count = _count(model, 0.0, False, 1, audio_seconds)
        macs.append(count / 2 / audio_seconds)
    return ForwardCount((params[0], params[1]), (macs[0], macs[1]))


def _freeze(model: torch.nn.Module, names: Sequence[str]) -> None:
    parameters = dict(model.named_parameters())
    for name in names:
        found = [
            parameter
            for key, parameter in parameters.items()
            if f"{key}.".startswith(f"{name}.")
        ]
        if not found:
            raise UserError(
                f"--freeze {name}: the model has no such module"
                f"{known_modules(name, parameters)}"
            )
        for parameter in found:
            parameter.requires_grad_(False)


def _count(model, tokens_per_second, backward, utterances: int, seconds: float) -> int:
    """Count the operations of a forward pass, or of forward and backward pass."""
    with flop_counter() as counter, torch.set_grad_enabled(backward):
        tokens = max(1, round(seconds * tokens_per_second)) if backward else None
        _, outputs = _run(model, utterances, seconds, tokens)
        if backward:
            parameters = [p for p in model.parameters() if p.requires_grad]
            total = sum(output.sum() for output in outputs)
            torch.autograd.grad(total, parameters, allow_unused=True)
    return counter.get_total_flops()


def _run(model, utterances: int, seconds: float, tokens: Optional[int]):
    """Run front end, encoder, CTC layer and (with ``tokens``) an attention decoder.

    ``ESPnetASRModel.forward`` cannot be used, because it reads the lengths, which have
    no content on the ``meta`` device. Its losses have no counted operations.
    """
    length = round(seconds / model.seconds_per_input)
    # Lengths are on the CPU, where they can be read.
    lengths = torch.full((utterances,), length)
    speech = torch.empty(utterances, length, device="meta")
    features, lengths = model.frontend(speech, lengths)
    encoding = model.encoder(features, lengths)[0]
    if isinstance(encoding, tuple):  # with intermediate CTC
        encoding = encoding[0]
    outputs = [model.ctc.ctc_lo(encoding)]
    if tokens is not None and getattr(model, "decoder", None) is not None:
        words = torch.zeros(utterances, tokens + 1, dtype=torch.long, device="meta")
        frames = torch.full((utterances,), encoding.shape[1])
        spoken = torch.full((utterances,), tokens + 1)
        outputs.append(model.decoder(encoding, frames, words, spoken)[0])
    return encoding, outputs


def measure_flops_per_second(
    config: dict, vocabulary: int, seconds: float, steps: int = 3
) -> float:
    """Return the operations per second that training reaches on this machine's CPU.

    It trains two layers of the model with two utterances per batch. The fastest step
    counts, because other work on the machine only makes steps slower.

    Args:
        config: See :func:`build_model`.
        vocabulary: Number of tokens.
        seconds: Duration of an utterance in seconds.
        steps: Number of steps.
    """
    model = build_model(config, vocabulary, 2).train()
    length, tokens = round(seconds / model.seconds_per_input), round(3 * seconds)
    batch = {
        "speech": torch.randn(2, length),
        "speech_lengths": torch.full((2,), length),
        "text": torch.full((2, tokens), 2),
        "text_lengths": torch.full((2,), tokens),
    }
    flops = count_step(model, batch, 2, seconds)[0]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    best = float("inf")
    for _ in range(steps):
        start = time.perf_counter()
        model(**batch)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
        best = min(best, time.perf_counter() - start)
    return flops / best
