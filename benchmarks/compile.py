"""Whether ``torch.compile`` of the encoder pays for itself on this machine.

Whole steps of a student alone, not compiled and compiled, take turns on the same batch,
so with one length of utterances. This is the best case: a training has hundreds.

    python benchmarks/compile.py [--dynamic true]    # true: one program for all lengths

It prints one JSON object: seconds of a step of each (median, lowest, highest), their
ratio, and the seconds that the first compiled step took.
"""

import json
import tempfile
import time
from pathlib import Path

import torch
from ddp import write_reference
from espnet2.utils.types import str2bool
from steps import Cases
from steps import get_parser as steps_parser
from steps import spread


def main(cmd=None) -> int:
    """Measure, and print the figures."""
    parser = steps_parser()
    parser.description = __doc__
    parser.add_argument("--dynamic", type=str2bool, default=False)
    args = parser.parse_args(cmd)
    torch.set_num_threads(1)

    def compile_encoder(model) -> None:
        model.encoder.forward = torch.compile(
            model.encoder.forward, dynamic=args.dynamic
        )

    with tempfile.TemporaryDirectory() as name:
        write_reference(args, Path(name))
        cases = Cases(args, Path(name))
        steps = {"as it is": cases.alone(), "compiled": cases.alone(compile_encoder)}
        first = {}
        for kind, step in steps.items():
            start = time.perf_counter()
            step()
            first[kind] = round(time.perf_counter() - start, 2)
        seconds = {kind: [] for kind in steps}
        for _ in range(args.rounds):
            for kind, step in steps.items():
                start = time.perf_counter()
                for _ in range(args.steps):
                    step()
                seconds[kind].append((time.perf_counter() - start) / args.steps)
    ratios = [c / a for a, c in zip(seconds["as it is"], seconds["compiled"])]
    figures = {
        "first step, seconds": first,
        "seconds": {kind: spread(values) for kind, values in seconds.items()},
        "compiled : as it is": spread(ratios),
    }
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
