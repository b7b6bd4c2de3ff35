"""ESPnet's conv2d front end with kernels in channels-last order and in the usual order.

Forward alone, as where it is frozen, and forward with backward; seconds of the
processor, one thread, both layouts in turn:

    python benchmarks/front_end.py --rounds 5

It prints one JSON object: for each width, number of mel bins and batch the ratio of the
two (median, lowest, highest).
"""

import argparse
import copy
import json
import time
from typing import Callable

import torch
from data_size import spread
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    Conv2dSubsampling,
)

# Width, mel bins, utterances, frames of 10 ms: AN4's recipe, a small and a usual model.
SHAPES = ((96, 40, 10, 270), (144, 80, 10, 270), (256, 80, 16, 1190))


def compare(steps: list[Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return what the second step takes of the first's time."""
    ratios = []
    for number in range(rounds + 1):
        seconds = []
        for step in steps:
            start = time.process_time()
            step()
            seconds.append(time.process_time() - start)
        if number:  # the first round is the warm-up
            ratios.append(seconds[1] / seconds[0])
    return spread(ratios)


def measure(shape: tuple[int, int, int, int], rounds: int) -> dict[str, dict]:
    """Compare both layouts for one shape."""
    width, bins, utterances, frames = shape
    plain = Conv2dSubsampling(bins, width, 0.1)
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    features = torch.randn(utterances, frames, bins)
    mask = torch.ones(utterances, 1, frames, dtype=torch.bool)

    def forward(model: torch.nn.Module) -> Callable[[], None]:
        def step() -> None:
            with torch.no_grad():
                model(features, mask)

        return step

    def both(model: torch.nn.Module) -> Callable[[], None]:
        return lambda: model(features, mask)[0].square().mean().backward()

    return {
        "forward": compare([forward(plain), forward(last)], rounds),
        "forward and backward": compare([both(plain), both(last)], rounds),
    }


def main(cmd=None) -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(cmd)
    torch.set_num_threads(1)
    figures = {
        "width {}, {} bins, {} x {} frames".format(*shape): measure(shape, args.rounds)
        for shape in SHAPES
    }
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
