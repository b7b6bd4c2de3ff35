#!/usr/bin/env python3
"""Time, memory, disk and network at 960 and at 100 000 hours: the figures of
docs/scaling.md, simulated with espnet_plugin.estimate.arithmetic.

    python benchmarks/scaling.py [--hours 960.9 100000] [--devices 1 8 64]

The models are those of egs2/librispeech/encrl1 (conf/large), counted; the rates are
those that benchmarks/audio_rates.py and benchmarks/lists.py measured.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import yaml

from espnet_plugin.estimate.arithmetic import cache_bytes, estimate
from espnet_plugin.estimate.count import count_model, student_config
from espnet_plugin.estimate.device_speed import A100_FLOPS
from espnet_plugin.estimate.plan import Corpus, Hardware, ModelFlops, Plan
from espnet_plugin.estimate.text import amount

CONF = Path(__file__).parents[1] / "conf/large"
VOCABULARY, SECONDS, SPEEDS = 5000, 12.3, (0.9, 1.0, 1.1)
# Of lists in memory, bytes an utterance (benchmarks/lists.py, 1 000 000 utterances):
# in each training process, and in the one process of stage 2.
TRAINING_BYTES, STAGE_2_BYTES = 932.0, 1588.0


def make_plan() -> Plan:
    """Count the models of egs2/librispeech/encrl1 at its epochs."""
    reference, encrl = (
        yaml.safe_load((CONF / f"{name}.yaml").read_text())
        for name in ("reference_17", "encrl")
    )
    big = count_model(reference, VOCABULARY)
    small = count_model(student_config(reference, encrl, 6), VOCABULARY)

    def of(cost, layers):
        hour = 3600 / SECONDS
        return ModelFlops(
            cost.train_flops(layers, SECONDS) * hour,
            cost.forward_flops(layers, SECONDS) * hour,
            cost.num_params(layers),
        )

    return Plan(
        reference=of(big, 17),
        student=of(small, 6),
        models={f"{n} layers": of(small, n) for n in (6, 4, 2)},
        vocabulary=VOCABULARY,
        frames_per_second=big.frames_per_second,
        width=big.width,
        reference_epochs=80,
        encrl_epochs=10,
        finetune_epochs=5,
        baseline_epochs=15,
        updates_per_hour=3.6,
    )


def one_pass(plan: Plan) -> Plan:
    """Return the same with the fewest epochs that see all audio."""
    return replace(
        plan,
        reference_epochs=1,
        encrl_epochs=1,
        finetune_epochs=0.5,
        baseline_epochs=1.5,
    )


def show(corpus: Corpus, plan: Plan, devices: int, speed: float) -> None:
    """Print the stages on some devices with 8 loaders each; 16 cores for stage 2."""
    # Stage 2 is one pool on one node. A batch is spread over the devices, so that
    # batch_bins has to grow with them (conf/large/reference_17.yaml).
    hardware = Hardware(speed, devices, 16, loaders=8)
    plan = replace(plan, updates_per_hour=plan.updates_per_hour / devices)
    print(
        f"\n{corpus.hours:g} h, {plan.reference_epochs:g} + {plan.encrl_epochs:g} + "
        f"{plan.finetune_epochs:g} epochs, {devices} GPU(s)"
    )
    for cost in estimate(corpus, hardware, plan):
        print(
            f"  stage {cost.stage}: {cost.hours:10.1f} h, "
            f"disk {amount(cost.num_bytes)}, reads {amount(cost.read_bytes)}, "
            f"each GPU sends {amount(cost.sent_bytes)} ({cost.limit})"
        )
    for cost in estimate(corpus, hardware, replace(plan, cache=True), range(5, 6)):
        print(
            f"  stage 5 with cache: {cost.hours:.1f} h, disk {amount(cost.num_bytes)}, "
            f"reads {amount(cost.read_bytes)} ({cost.limit})"
        )


def main() -> None:
    """Print the simulation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, nargs="+", default=[960.9, 100000.0])
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--flops_per_second", type=float, default=A100_FLOPS)
    args = parser.parse_args()
    plan = make_plan()
    epoch = 960.9 * sum(1 / s for s in SPEEDS)
    espnet = plan.reference.train * epoch / (8 * 40 * 60)
    print(
        f"reference: {plan.reference.params / 1e6:.1f} M weights, "
        f"{plan.reference.train / 3.6e12:.1f} GFLOP a second of audio to train, "
        f"{plan.reference.forward / 3.6e12:.1f} to run; "
        f"student {plan.student.train / 3.6e12:.1f} to train"
    )
    loads = Hardware(1.0).load_rate
    work = plan.student.train + plan.reference.forward
    fastest = args.flops_per_second * 3600 / work
    print(
        f"stage 5 on one such device: {fastest:.0f} h of audio an hour, "
        f"{fastest / loads:.1f} loading processes"
    )
    print(f"an A100 by ESPnet's 40 minutes an epoch: {espnet / 1e12:.1f} TFLOP/s")
    for hours in args.hours:
        corpus = Corpus(hours, SPEEDS, SECONDS)
        # The recipe's epochs; and one pass, which is plenty of updates for much data.
        plans = [plan] if hours < 10000 else [plan, one_pass(plan)]
        for here in plans:
            for devices in args.devices:
                show(corpus, here, devices, args.flops_per_second)
        all_hours = corpus.epoch_hours
        print(f"\n{hours:g} h, cache of the reference's outputs, all three speeds:")
        for top in (0, 64, 16):
            size = cache_bytes(replace(plan, cache_top=top), all_hours, SECONDS)
            print(f"  {top or 'all'} tokens a frame: {amount(size)}")
        entries = hours * 3600 / SECONDS
        print(
            f"{hours:g} h are {entries:.3g} utterances, {3 * entries:.3g} with "
            f"copies. Lists in memory: stage 2 {amount(entries * STAGE_2_BYTES)}, "
            f"each training process {amount(3 * entries * TRAINING_BYTES)}"
        )


if __name__ == "__main__":
    main()
