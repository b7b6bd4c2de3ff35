"""Why a training from scratch fails: one encoder or change per run, dev CER per epoch.

Trains as the recipe does from scratch (conf/train_ctc.yaml, the architecture of
conf/train_reference.yaml), and may stop early on the schedule of all epochs. Run it in
a recipe's folder after stage 3, here egs2/an4/encrl1:

    run="python ../../../benchmarks/training_failures.py --seed 2 --epochs 2"
    $run --output exp/trial
    $run --output exp/trial_layer --norm layer
    $run --output exp/trial_e --encoder e_branchformer --set linear_units=256
    $run --output exp/trial_120 --updates 120
    $run --output exp/trial_ctc --updates 120 --redraw ctc
    $run --output exp/trial_prior --ctc_bias prior
    $run --constant

It prints JSON objects: the training loss of every 50 updates, a mean over utterances;
then, on dev, the mean probability of blank and of space in a frame, the character error
rate by best path in percent, and the same with batch norm in training mode
("cer_batch"). --constant prints the loss of the best prediction that knows nothing of
the audio.
"""

import argparse
import json
import logging
import random
import sys
from pathlib import Path

import espnet2.asr.encoder.conformer_encoder as conformer
import torch
import yaml
from batch_norm import batches, error_rate
from espnet2.legacy.nets.pytorch_backend.conformer.convolution import ConvolutionModule

from espnet_plugin.baselines.reference import ctc_config
from espnet_plugin.data.frames import encoder_frames, feature_frames
from espnet_plugin.files import read_pairs
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.tasks.ctc_start import start_at_prior, token_log_prior
from espnet_plugin.tasks.schedule import complete_schedule
from espnet_plugin.tasks.trainer import CostTrainer

CONF = Path(__file__).resolve().parents[1] / "conf"
STATS = Path("exp/asr_stats_raw_char")
TRAIN = Path("dump/raw/train_sp")
TOKENS = Path("data/token_list/char/tokens.txt")
NORMS = ("batch", "valid", "layer", "none")
# Options of a conformer that other encoders lack or call by another name.
OTHERS = {
    "e_branchformer": {
        "attention_layer_type": "rel_selfattn",
        "cgmlp_linear_units": 384,
        "cgmlp_conv_kernel": 15,
        "use_ffn": True,
        "macaron_ffn": True,
        "ffn_activation_type": "swish",
        "linear_units": 384,
        "merge_conv_kernel": 15,
    },
    "branchformer": {
        "attention_layer_type": "rel_selfattn",
        "cgmlp_linear_units": 768,
        "cgmlp_conv_kernel": 15,
        "merge_method": "concat",
    },
    "transformer": {"linear_units": 768},
}
SHARED = (
    *("output_size", "attention_heads", "num_blocks", "dropout_rate"),
    *("positional_dropout_rate", "attention_dropout_rate", "input_layer"),
)
RELATIVE = ("rel_pos_type", "pos_enc_layer_type")


class ValidBatchNorm(torch.nn.BatchNorm1d):
    """Batch norm whose statistics are those of valid frames alone."""

    mask = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise ``(batch, channels, frames)``."""
        if not self.training or self.mask is None:
            return super().forward(x)
        valid = self.mask[:, 0].bool()
        frames = x.transpose(1, 2)
        out = torch.zeros_like(frames)
        out[valid] = super().forward(frames[valid])
        return out.transpose(1, 2)


class ChannelNorm(torch.nn.LayerNorm):
    """Layer norm over the channels of ``(batch, channels, frames)``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise each frame."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def convolution(norm: str, momentum: float):
    """Return a convolution module with another normalisation, of the same weights."""

    class Convolution(ConvolutionModule):
        def __init__(self, channels, *args, **kwargs):
            super().__init__(channels, *args, **kwargs)
            self.norm = {
                "batch": lambda: torch.nn.BatchNorm1d(channels, momentum=momentum),
                "valid": lambda: ValidBatchNorm(channels, momentum=momentum),
                "layer": lambda: ChannelNorm(channels),
                "none": torch.nn.Identity,
            }[norm]()

        def forward(self, x, mask_pad=None):
            if norm == "valid":
                self.norm.mask = mask_pad
            return super().forward(x, mask_pad)

    return Convolution


@torch.no_grad()
def mean_posteriors(model, folder: Path) -> dict[str, float]:
    """Return how probable blank and space are on average in a frame."""
    total, frames = 0.0, 0
    for _, speech, lengths in batches(folder):
        encoding, valid = model.encode(speech, lengths)
        posteriors = model.ctc.log_softmax(encoding).exp()
        mask = torch.arange(posteriors.size(1)) < valid[:, None]
        total, frames = total + posteriors[mask].sum(0), frames + int(valid.sum())
    space = model.token_list.index("<space>")
    return {
        "blank": round(float(total[0]) / frames, 3),
        "space": round(float(total[space]) / frames, 3),
    }


class Trainer(CostTrainer):
    """ESPnet's, which also prints the true error rate on dev."""

    dev = Path()

    @classmethod
    def train_one_epoch(cls, model, iterator, reporter, options, **others):
        """Train and print the loss of every 50 updates; see the base class."""
        invalid = super().train_one_epoch(
            model=model, iterator=iterator, reporter=reporter, options=options, **others
        )
        steps = [(float(s.value), float(s.weight)) for s in reporter.stats["loss"]]
        means = []
        for start in range(0, len(steps) - 49, 50):
            these = steps[start : start + 50]
            total = sum(value * weight for value, weight in these)
            means.append(round(total / sum(weight for _, weight in these), 1))
        print(json.dumps({"loss": means}), flush=True)
        return invalid

    @classmethod
    def validate_one_epoch(cls, model, iterator, reporter, options, **others):
        """Validate and print; see the base class."""
        super().validate_one_epoch(
            model=model, iterator=iterator, reporter=reporter, options=options, **others
        )
        figures = {"epoch": reporter.epoch}
        figures |= mean_posteriors(model, cls.dev)
        figures["cer"] = round(error_rate(model, cls.dev), 2)
        norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)]
        if norms:
            kept = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
            for norm in norms:
                norm.train()
                norm.momentum = 0.0  # the running statistics stay as they are
            figures["cer_batch"] = round(error_rate(model, cls.dev), 2)
            for norm, (momentum, count) in zip(norms, kept):
                norm.eval()
                norm.momentum = momentum
                norm.num_batches_tracked.copy_(count)
        print(json.dumps(figures), flush=True)


def num_frames(samples: str) -> int:
    """Return the frames that conv2d leaves of so many samples."""
    return encoder_frames(feature_frames(int(samples), 160), "conv2d")


def numbers(text: str, tokens: list[str]) -> list[int]:
    """Return the tokens of a transcript."""
    return [tokens.index("<space>" if c == " " else c) for c in text]


def log_prior(tokens: list[str]) -> torch.Tensor:
    """Return how probable each token is in a frame of the training data."""
    texts = [numbers(text, tokens) for text in read_pairs(TRAIN / "text").values()]
    lengths = read_pairs(STATS / "train/speech_shape").values()
    return token_log_prior(texts, sum(map(num_frames, lengths)), len(tokens))


def constant_loss(tokens: list[str], utterances: int = 400) -> float:
    """Return the CTC loss of the best prediction that is the same in every frame."""
    texts = read_pairs(TRAIN / "text")
    lengths = read_pairs(STATS / "train/speech_shape")
    names = random.Random(0).sample(sorted(texts), utterances)
    said = [torch.tensor(numbers(texts[name], tokens)) for name in names]
    frames = torch.tensor([num_frames(lengths[name]) for name in names])
    sizes = torch.tensor([len(text) for text in said])
    targets = torch.cat(said)
    logits = log_prior(tokens).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(40):
        log_probs = logits.log_softmax(0).expand(int(frames.max()), utterances, -1)
        loss = torch.nn.functional.ctc_loss(
            log_probs, targets, frames, sizes, reduction="sum"
        )
        optimiser.zero_grad()
        (loss / utterances).backward()
        optimiser.step()
    return float(loss.detach()) / utterances


class Task(CountedASRTask):
    """ASR whose schedule is of more epochs than are trained."""

    trainer = Trainer
    schedule = 0
    redraw, redraw_seed = (), 101
    ctc_bias, ctc_scale = "random", 1.0

    @classmethod
    def build_model(cls, args):
        """Build ESPnet's model, and change its first weights as asked for."""
        args.ctc_start = "random"  # this driver's own start is below
        model = super().build_model(args)
        layer = model.ctc.ctc_lo
        parts = {
            "ctc": layer,
            "front": model.encoder.embed,
            "layers": model.encoder.encoders,
        }
        with torch.random.fork_rng():
            torch.manual_seed(cls.redraw_seed)
            for name in cls.redraw:
                for module in parts[name].modules():
                    if hasattr(module, "reset_parameters"):
                        module.reset_parameters()
        with torch.no_grad():
            if cls.ctc_bias == "prior":
                start_at_prior(layer, log_prior(model.token_list))
            layer.weight.mul_(cls.ctc_scale)
        return model

    @classmethod
    def build_optimizers(cls, args, model):
        """Fill in the whole schedule; see the base class."""
        whole = argparse.Namespace(
            **{**vars(args), "max_epoch": cls.schedule, "num_iters_per_epoch": None}
        )
        args.scheduler_conf = whole.scheduler_conf = complete_schedule(whole)
        parameters = sum(p.numel() for p in model.parameters())
        print(json.dumps({"parameters": parameters}), flush=True)
        return super().build_optimizers(args, model)


def encoder_conf(args: argparse.Namespace, stock: dict) -> dict:
    """Return the options of the encoder asked for."""
    conf = dict(stock)
    if args.encoder != "conformer":
        kept = SHARED if args.encoder == "transformer" else SHARED + RELATIVE
        kept += ("interctc_layer_idx",)
        conf = {name: conf[name] for name in kept if name in conf}
        conf |= OTHERS[args.encoder]
    conf["num_blocks"] = args.layers
    for text in args.set:
        name, value = text.split("=", 1)
        conf[name] = yaml.safe_load(value)
    return conf


def main(cmd=None) -> int:
    """Train and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--encoder", choices=["conformer", *OTHERS], default="conformer")
    add("--set", nargs="*", default=[], metavar="NAME=VALUE", help="of encoder_conf")
    add("--norm", choices=NORMS, default="batch", help="in a conformer's convolution")
    add("--momentum", type=float, default=0.1, help="of batch norm")
    add("--training", nargs="*", default=[], metavar="NAME=VALUE", help="of train_ctc")
    add("--ctc_bias", choices=["random", "prior"], default="random")
    add("--ctc_scale", type=float, default=1.0, help="of the CTC layer's first weights")
    add("--redraw", nargs="*", choices=["ctc", "front", "layers"], default=[])
    add("--redraw_seed", type=int, default=101, help="of what --redraw draws anew")
    add("--constant", action="store_true", help="only the best constant prediction")
    add("--reference", action="store_true", help="train as conf/train_reference.yaml")
    add("--layers", type=int, default=4)
    add("--seed", type=int, default=2)
    add("--epochs", type=int, default=2, help="trained")
    add("--updates", type=int, help="stop after so many instead")
    add("--schedule", type=int, default=9, help="epochs that the schedule is made for")
    add("--output", type=Path, help="a folder of this run's own")
    args = parser.parse_args(cmd)

    if args.constant:
        tokens = TOKENS.read_text().split()
        print(json.dumps({"constant": round(constant_loss(tokens), 1)}))
        return 0
    if args.output is None:
        parser.error("--output: give a folder of this run's own")

    config = yaml.safe_load((CONF / "train_reference.yaml").read_text())
    if not args.reference:
        config = ctc_config(config) | yaml.safe_load(
            (CONF / "train_ctc.yaml").read_text()
        )
        del config["decoder"], config["decoder_conf"]
    config["encoder"] = args.encoder
    config["encoder_conf"] = encoder_conf(args, config["encoder_conf"])
    for text in args.training:
        name, value = text.split("=", 1)
        *outer, last = name.split(".")
        there = config
        for part in outer:
            there = there[part]
        there[last] = yaml.safe_load(value)
    config["keep_nbest_models"] = 1
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "train_config.yaml"
    path.write_text(yaml.safe_dump(config))

    conformer.ConvolutionModule = convolution(args.norm, args.momentum)
    Task.ctc_bias, Task.ctc_scale = args.ctc_bias, args.ctc_scale
    Task.redraw, Task.redraw_seed = args.redraw, args.redraw_seed
    Trainer.dev, Task.schedule = Path("dump/raw/dev"), args.schedule
    print(json.dumps({"run": " ".join(sys.argv[1:])}), flush=True)
    options = []
    for part, folder in (("train", TRAIN.name), ("valid", "dev")):
        for name, kind in (("wav.scp", "speech,sound"), ("text", "text,text")):
            options += [f"--{part}_data_path_and_name_and_type"]
            options += [f"dump/raw/{folder}/{name},{kind}"]
        options += [f"--{part}_shape_file", f"{STATS}/{part}/speech_shape"]
    options += ["--token_type", "char", "--token_list", str(TOKENS)]
    options += ["--normalize", "global_mvn"]
    options += ["--normalize_conf", f"stats_file={STATS}/train/feats_stats.npz"]
    options += ["--ngpu", "0", "--num_att_plot", "0", "--seed", str(args.seed)]
    options += ["--max_epoch", str(args.epochs), "--resume", "true"]
    options += ["--config", str(path), "--output_dir", str(args.output)]
    if args.updates is not None:
        options += ["--num_iters_per_epoch", str(args.updates), "--max_epoch", "1"]
    logging.getLogger().setLevel(logging.INFO)
    Task.main(cmd=options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
