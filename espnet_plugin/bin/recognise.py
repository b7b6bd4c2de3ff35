"""Recognise sound files: text, word times, confidence, alternatives, subtitles.

Works with any ESPnet model that has a CTC layer, and with files of any length and
sampling rate that libsndfile can read:
  python -m espnet_plugin.bin.recognise exp/asr_encrl_s1_2l speech.wav talk.mp3
  python -m espnet_plugin.bin.recognise EXP talk.flac --format json --hotwords names.txt

A streaming (dual-mode) model recognises while audio arrives, from a file or standard
input, unless an option for whole files is given: the partial text grows on the last
line; the final text is printed on its own line. Ctrl-C ends standard input.
  python -m espnet_plugin.bin.recognise exp/asr_self_pruned_50_s1_streaming speech.wav
  arecord -q -f S16_LE -r 16000 -t raw | python -m espnet_plugin.bin.recognise EXP -

Standard output has nothing but the result. If a file cannot be used, an error message
names it, the other files are still recognised, and the exit status is 2.
"""

import argparse
import io
import sys
from pathlib import Path

from espnet_plugin.bin.arguments import number
from espnet_plugin.bin.arguments import whole as whole_number
from espnet_plugin.bin.run import run_command
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.recognise.given_model import check_given_model

# Options for whole files only, and for streaming only; their defaults are elsewhere.
_WHOLE = (
    "format",
    "output_dir",
    "nbest",
    "beam_size",
    "hotwords",
    "hotword_weight",
    "max_segment_seconds",
    "channel",
    "model_file",
)
_LIVE = ("block_ms", "chunk_frames", "real_time", "quiet")


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model_dir", type=Path, help="folder with config.yaml and a checkpoint")
    add(
        "audio",
        nargs="+",
        help="audio files of any length, or - for standard input: a sound file, or "
        "16-bit samples, little-endian, one channel, at the model's sampling rate",
    )
    add("--num_threads", type=whole_number(1), default=1)
    whole = parser.add_argument_group("options for whole files").add_argument
    whole(
        "--format", choices=["text", "json", "srt"], help="output format; default: text"
    )
    whole(
        "--output_dir",
        type=Path,
        help="folder that gets a result file for each audio file; nothing is printed",
    )
    whole(
        "--nbest",
        type=whole_number(1),
        help="alternative texts per segment in the JSON; default: 1",
    )
    whole(
        "--beam_size",
        type=whole_number(1),
        help="number of hypotheses kept in the search; default: 16 where a search is "
        "needed",
    )
    whole("--hotwords", type=Path, help="words or phrases to expect, one per line")
    whole("--hotword_weight", type=number(0), help="bonus per letter; default: 1.0")
    whole(
        "--max_segment_seconds",
        type=number(0, above=True),
        help="audio that is longer than this many seconds is cut at its quietest "
        "places; default: 20",
    )
    whole(
        "--channel",
        type=whole_number(1),
        help="channel to use, counted from 1; default: the mean of all channels",
    )
    whole("--model_file", help="file name of the checkpoint; default: the best one")
    live = parser.add_argument_group("streaming models").add_argument
    live(
        "--block_ms",
        type=number(0, above=True),
        help="milliseconds of audio passed to the model at a time; default: 100",
    )
    live(
        "--chunk_frames",
        type=whole_number(1),
        help="encoder frames per chunk; default: the model's own number",
    )
    live(
        "--real_time",
        action="store_true",
        default=None,
        help="process a file no faster than it was spoken",
    )
    live("--quiet", action="store_true", default=None, help="print final texts only")
    return parser


def recognise(args: argparse.Namespace) -> None:
    """Recognise the files."""
    if args.num_threads < 1:
        raise UserError(f"--num_threads {args.num_threads}: must be at least 1")
    whole, live = _given(args, _WHOLE), _live_options(args)
    if whole and live:
        raise UserError(
            f"{', '.join(live)} is for streaming models and {', '.join(whole)} for "
            "whole files: remove one of them"
        )
    _check_paths(args)
    if live or (not whole and _can_stream(args.model_dir)):
        _live(args)
    else:
        _whole(args)


def _given(args: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    return [f"--{name}" for name in names if getattr(args, name) is not None]


def _live_options(args: argparse.Namespace) -> list[str]:
    return _given(args, _LIVE) + (["-"] if "-" in args.audio else [])


def _options(args: argparse.Namespace, *names: str) -> dict:
    """Return the options that were given; the others have defaults elsewhere."""
    values = {name: getattr(args, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _check_paths(args: argparse.Namespace) -> None:
    """Check the folder and that the files exist, before torch is imported."""
    check_given_model(args.model_dir)
    missing = [name for name in args.audio if name != "-" and not Path(name).exists()]
    if len(missing) == len(args.audio):
        raise UserError(
            f"{', '.join(missing)}: no such file; give sound files, or - for standard "
            "input"
        )


def _can_stream(folder: Path) -> bool:
    from espnet_plugin.recognise.load import can_stream

    return can_stream(folder)


def _set_threads(args: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(args.num_threads)


def _live(args: argparse.Namespace) -> None:
    from espnet_plugin.dual_mode.load import load_recogniser
    from espnet_plugin.export.read import is_export
    from espnet_plugin.recognise.batch import each_file
    from espnet_plugin.recognise.live import LiveOptions, recognise_live

    if is_export(args.model_dir):
        raise UserError(
            f"{', '.join(_live_options(args))}: {args.model_dir} is an export, which "
            "is used for whole files here: give files, or run the script of a "
            "streaming export"
        )
    options = LiveOptions(**_options(args, "block_ms", "real_time", "quiet"))
    _set_threads(args)
    recogniser = load_recogniser(args.model_dir, args.chunk_frames)

    def failed(_file: str, _error: UserError) -> None:
        if len(args.audio) > 1:
            print(flush=True)  # its line, so that the others keep theirs

    each_file(
        lambda name: recognise_live(recogniser, name, options), args.audio, failed
    )


def _whole(args: argparse.Namespace) -> None:
    from espnet_plugin.recognise.batch import output_paths, recognise_files
    from espnet_plugin.recognise.hotwords import DEFAULT_WEIGHT, read_hotwords
    from espnet_plugin.recognise.recogniser import SearchOptions

    options = SearchOptions(
        **_options(args, "nbest", "beam_size", "max_segment_seconds", "channel")
    )
    if args.hotword_weight is not None and args.hotwords is None:
        raise UserError("--hotword_weight needs --hotwords FILE")
    phrases = []
    if args.hotwords is not None:
        weight = args.hotword_weight
        weight = DEFAULT_WEIGHT if weight is None else weight
        phrases = read_hotwords(args.hotwords, weight)
    output_format = args.format or "text"
    output_paths(args.audio, output_format, args.output_dir)
    # Imported here, because torch and ESPnet take many seconds.
    from espnet_plugin.recognise.load import load_file_recogniser

    _set_threads(args)
    recogniser = load_file_recogniser(
        args.model_dir, options, phrases, args.model_file, args.num_threads
    )
    recognise_files(recogniser.file, args.audio, output_format, args.output_dir)


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whatever encoding the terminal has, tokens may be of any script.
        sys.stdout.reconfigure(encoding="utf-8")
    return run_command(lambda: recognise(args))


if __name__ == "__main__":
    sys.exit(main())
