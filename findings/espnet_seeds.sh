#!/usr/bin/env bash
# ESPnet: trainings with neighbouring seeds have the same epochs, one epoch apart.
#
# --seed is used as seed + epoch: for the order of the batches, for SpecAugment, dropout
# and time warping, and, plus the number of the worker, for noise, reverberation and
# other augmentation in the data loader. This makes a resumed training equal to one that
# was not stopped. But epoch 2 of seed 1 is then epoch 1 of seed 2: all batches in the
# same order, each utterance with the same noise at the same level and the same masks.
# Only the first weights are other ones. Five seeds of four epochs have 8 different
# epochs, not 20. With seeds that are further apart than the number of epochs, there are
# 20. One expects that different seeds give different random numbers.
#
# In one training, worker 1 of an epoch has the random numbers of worker 0 of the next
# one. So with four workers, three quarters of the draws of an epoch (which noise, from
# where, how loud) were made in the epoch before, for other utterances.
#
# It matters because seeds 1, 2, 3 are what one takes for a mean and its interval: the
# trainings are treated as independent ones, but nearly all of the random order and of
# the augmentation is common to them, and an order that is good or bad for a method is
# counted once for each seed. It can be seen in no log.
#
# Seen in SequenceIterFactory.build_iter() and worker_init_fn() (order and workers), and
# in Trainer.run(), which calls set_all_random_seed(seed + epoch). A small model is
# trained on noise by ESPnet's trainer, with ESPnet's own data loader and augmentation.
#
# PYTHON=p takes an environment in which ESPnet 202611 is installed; without one, ESPnet
# is installed (with PyTorch: several GB).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
python=${PYTHON:-python3}
if ! "${python}" -c 'import espnet2' 2> /dev/null; then
    "${python}" -m venv venv
    venv/bin/pip install -qq --disable-pip-version-check espnet==202611
    python=venv/bin/python
fi
CUDA_VISIBLE_DEVICES="" "${python}" - 2> errors <<'EOF' || { tail -n 5 errors >&2; exit 1; }
import hashlib
import importlib.metadata
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch

from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
from espnet2.tasks.asr import ASRTask
from espnet2.train.collate_fn import CommonCollateFn
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.preprocessor import CommonPreprocessor
from espnet2.train.trainer import Trainer

print("espnet", importlib.metadata.version("espnet"), "torch", torch.__version__)
torch.set_num_threads(1)
RATE, UTTERANCES, BATCH, EPOCHS, WORKERS = 16000, 24, 3, 4, 2
rng = np.random.default_rng(0)
soundfile.write("noise.wav", 0.1 * rng.standard_normal(20 * RATE), RATE)
Path("noise.scp").write_text("noise noise.wav\n")
SPEECH = (0.1 * rng.standard_normal((UTTERANCES, RATE))).astype(np.float32)
NAMES = [f"utterance{i:02}" for i in range(UTTERANCES)]
BATCHES = [NAMES[i : i + BATCH] for i in range(0, UTTERANCES, BATCH)]


class Noisy:
    """Utterances, with noise mixed in as in a training with noise_scp."""

    def __init__(self):
        self.preprocess = CommonPreprocessor(
            train=True, noise_scp="noise.scp", noise_db_range="5_20"
        )

    def __getitem__(self, name):
        speech = SPEECH[NAMES.index(name)].copy()
        data = self.preprocess(name, {"speech": speech})
        text = np.array([2, 3, 2], dtype=np.int64)
        return name, {"speech": data["speech"].astype(np.float32), "text": text}


class Draws:
    """One random number for each utterance, as augmentation in the loader draws it."""

    def __getitem__(self, name):
        return np.random.random()


def short(data):
    return hashlib.sha256(data).hexdigest()[:6]


def train(seed):
    """Train with a seed, and return order, audio and masks of each epoch."""
    torch.manual_seed(seed)
    args = ASRTask.get_parser().parse_args(["--output_dir", f"seed{seed}"])
    args.token_list = ["<blank>", "<unk>", "a", "b", "<sos/eos>"]
    args.encoder, args.decoder, args.model_conf = "transformer", None, {"ctc_weight": 1}
    args.encoder_conf = dict(
        output_size=16, attention_heads=2, linear_units=16, num_blocks=1
    )
    args.frontend_conf = dict(n_fft=512, hop_length=160)
    args.specaug, args.specaug_conf = "specaug", dict(
        apply_time_warp=False, time_mask_width_range=[0, 20]
    )
    args.normalize, args.input_size = None, None
    args.max_epoch, args.keep_nbest_models, args.seed = EPOCHS, [1], seed
    args.best_model_criterion = [["valid", "loss", "min"]]
    args.use_tensorboard = args.use_matplotlib = False
    args.ngpu = 0
    model = ASRTask.build_model(args)
    Path(f"seed{seed}").mkdir()
    seen = []

    def before(module, inputs, named):
        if module.training:
            order = list(named["utt_id"])
            seen.append([order, named["speech"].numpy().tobytes()])

    model.register_forward_pre_hook(before, with_kwargs=True)
    model.specaug.register_forward_hook(
        lambda module, inputs, output: seen[-1].append(
            (output[0] == 0).numpy().tobytes()
        )
    )
    iterator = SequenceIterFactory(
        dataset=Noisy(),
        batches=BATCHES,
        seed=seed,
        shuffle=True,
        num_workers=WORKERS,
        collate_fn=CommonCollateFn(float_pad_value=0.0, int_pad_value=-1),
    )
    Trainer.run(
        model=model,
        optimizers=[torch.optim.Adam(model.parameters(), lr=0.01)],
        schedulers=[None],
        train_iter_factory=iterator,
        valid_iter_factory=SequenceIterFactory(
            dataset=Noisy(),
            batches=BATCHES[:1],
            collate_fn=CommonCollateFn(float_pad_value=0.0, int_pad_value=-1),
        ),
        plot_attention_iter_factory=None,
        trainer_options=Trainer.build_options(args),
        distributed_option=DistributedOption(),
    )
    epochs = []
    for start in range(0, len(seen), len(BATCHES)):
        order, audio, masks = zip(*seen[start : start + len(BATCHES)])
        first = [int(batch[0][-2:]) // BATCH for batch in order]
        epochs.append((tuple(first), short(b"".join(audio)), short(b"".join(masks))))
    return epochs


def trained(seeds):
    found = {seed: train(seed) for seed in seeds}
    different = len({epoch for epochs in found.values() for epoch in epochs})
    print(f"\nseeds {', '.join(map(str, seeds))}, {EPOCHS} epochs each")
    for seed in seeds[:2]:
        for number, (order, audio, masks) in enumerate(found[seed], 1):
            print(
                f"  seed {seed:2}, epoch {number}: "
                f"batches {' '.join(map(str, order))}, noisy audio {audio}, masks {masks}"
            )
    print(f"  {different} different epochs of {len(seeds) * EPOCHS}")
    return found, different


near, near_different = trained([1, 2, 3, 4, 5])
far, far_different = trained([11, 21, 31, 41, 51])

print()
repeated = {}
for workers in (1, 4):
    factory = SequenceIterFactory(
        Draws(), BATCHES, seed=0, shuffle=True, num_workers=workers, collate_fn=list
    )
    one, two = ({x for batch in factory.build_iter(e) for x in batch} for e in (1, 2))
    repeated[workers] = len(one & two) / len(two)
    print(
        f"workers: {workers}; {100 * repeated[workers]:.0f} % of the draws of epoch 2 "
        "were made in epoch 1"
    )
if any(near[seed + 1][:-1] != near[seed][1:] for seed in (1, 2, 3, 4)):
    sys.exit("CHANGED: expected the epochs of the seed before, one epoch earlier")
if near_different != EPOCHS + 4 or far_different != 5 * EPOCHS:
    sys.exit("CHANGED: expected 8 different epochs with near seeds, 20 with others")
if repeated != {1: 0, 4: 0.75}:
    sys.exit("CHANGED: expected that 3 of 4 workers have numbers of the epoch before")
EOF
