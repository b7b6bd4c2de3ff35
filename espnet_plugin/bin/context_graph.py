"""Write a graph with contextual words, for a model exported for sherpa-onnx.

sherpa-onnx's own hotwords are for transducers only. For CTC its decoder takes a graph:
  python -m espnet_plugin.bin.context_graph EXPORT --hotwords names.txt
  sherpa-onnx-offline ... --ctc.graph=EXPORT/hotwords.fst speech.wav
"""

import argparse
import logging
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import number
from espnet_plugin.bin.run import run_command
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.recognise.hotwords import DEFAULT_WEIGHT, read_hotwords
from espnet_plugin.recognise.sherpa_context import write_context_graph


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("export", type=Path, help="folder that --target sherpa-onnx has written")
    add(
        "--hotwords",
        type=Path,
        required=True,
        help="words or phrases to expect, one per line",
    )
    add(
        "--hotword_weight",
        type=number(0),
        default=DEFAULT_WEIGHT,
        help="bonus per letter; default: 1.0",
    )
    add("--output", type=Path, help="file to write; default: EXPORT/hotwords.fst")
    return parser


def write(args: argparse.Namespace) -> None:
    """Write the graph, and say how large it is."""
    phrases = read_hotwords(args.hotwords, args.hotword_weight)
    made = write_context_graph(args.export, phrases, args.output)
    logging.info(
        "%s: %d phrases, %d states, %d arcs",
        *(made.path, len(phrases), made.states, made.arcs),
    )


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    return run_command(lambda: write(args))


if __name__ == "__main__":
    sys.exit(main())
