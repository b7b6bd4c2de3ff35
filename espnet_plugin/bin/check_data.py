"""Check Kaldi data folders: find all bad lines, and valid lines that are suspicious.

  python -m espnet_plugin.bin.check_data data/train data/dev data/test

The training set comes first. Nothing is changed; the whole list is written to
check_data.txt and check_data.json, histograms to check_data.html. Exit status: 0 for
nothing found, 1 for warnings, 2 for errors.
"""

import argparse
import logging
import sys
from contextlib import suppress
from pathlib import Path

from espnet_plugin.bin.arguments import of_recipe, whole
from espnet_plugin.bin.run import run_command
from espnet_plugin.data.tokens import read_symbols
from espnet_plugin.doctor.check import checked
from espnet_plugin.doctor.kinds import ERROR, KINDS, WARNING, warning_kinds
from espnet_plugin.doctor.page import write_page
from espnet_plugin.doctor.report import (
    Verdict,
    expected_lines,
    short_lines,
    write_json_list,
    write_list,
)
from espnet_plugin.doctor.sets import AUDIO_LEVELS, CheckOptions
from espnet_plugin.doctor.stamp import stamp_of
from espnet_plugin.errors import UserError
from espnet_plugin.exact_parser import ExactParser
from espnet_plugin.files import read_record, write_json
from espnet_plugin.writable import check_writable


def get_parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    parser = ExactParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "folders",
        type=Path,
        nargs="*",
        metavar="DIR",
        help="Kaldi data folders to check, the training set first",
    )
    add(
        "--unlabelled",
        type=Path,
        nargs="*",
        default=[],
        metavar="DIR",
        help="further Kaldi folders, with audio but without transcripts",
    )
    add(
        "--valid",
        type=Path,
        nargs="*",
        default=[],
        metavar="DIR",
        help="which of the folders may have only characters that the training set "
        "has too",
    )
    add(
        "--output_dir",
        type=Path,
        default=Path("."),
        help="folder for the lists of findings",
    )
    add("--fs", type=whole(1), help="sampling rate in Hz that all audio must have")
    add(
        "--audio",
        choices=AUDIO_LEVELS,
        default="full",
        help="full: decode all audio (the default); header: read only the headers of "
        "audio files; none: read only the tables",
    )
    add("--nlsyms", type=Path, help="file of symbols that are expected in transcripts")
    add(
        "--run_pipes",
        action="store_true",
        help="also run the commands in wav.scp; only do this if you trust their author",
    )
    add("--min_wav_duration", **of_recipe("min_wav_duration"))
    add("--max_wav_duration", **of_recipe("max_wav_duration"))
    kinds = ", ".join(KINDS)
    add(
        "--error",
        nargs="*",
        default=[],
        metavar="KIND",
        help=f"kinds of warnings to report as errors, out of {kinds}",
    )
    add(
        "--ignore",
        nargs="*",
        default=[],
        metavar="KIND",
        help="kinds of findings to leave out of the report",
    )
    add(
        "--expected",
        nargs="*",
        default=[],
        metavar="KIND",
        help="kinds of warnings that this corpus is known to have: the log has only "
        "one line for each, and they do not change the exit status",
    )
    add(
        "--shown",
        type=whole(0),
        default=5,
        help="number of lines to print for each kind of error; of each kind of warning "
        "one is printed",
    )
    add("--nj", type=whole(1), default=1, help="number of processes")
    add(
        "--once",
        action="store_true",
        help="skip the check if the same data already passed it with the same options "
        "(never with --run_pipes)",
    )
    add(
        "--exit_zero",
        choices=["never", "warnings", "utterances", "always"],
        default="never",
        help="which findings still give exit status 0: never: none; warnings: "
        "warnings; utterances: also errors in utterances that stage 2 leaves out "
        "with --bad_utterances drop; always: all",
    )
    return parser


def check(args: argparse.Namespace) -> int:
    """Check; return the exit status."""
    both = sorted({*args.error, *args.expected} & set(args.ignore))
    if both:
        raise UserError(
            f"--ignore {both[0]}: it is also given to --error or --expected; leave one "
            "of them out"
        )
    if args.min_wav_duration >= args.max_wav_duration:
        raise UserError(
            f"--min_wav_duration {args.min_wav_duration:g} must be less than "
            f"--max_wav_duration {args.max_wav_duration:g}"
        )
    given = {path.resolve() for path in (*args.folders, *args.unlabelled)}
    unknown = [path for path in args.valid if path.resolve() not in given]
    if unknown:
        raise UserError(
            f"--valid {unknown[0]}: it is not one of the folders to check; give it "
            "there as well"
        )
    for name in [*args.error, *args.ignore]:
        if name not in KINDS:
            raise UserError(
                f"--error or --ignore {name}: there is no such kind; choose from "
                f"{', '.join(KINDS)}"
            )
    for name in args.expected:
        if name in args.error or name not in warning_kinds():
            raise UserError(
                f"--expected {name}: must be a kind of warning that is not also given "
                f"to --error; choose from {', '.join(warning_kinds())}"
            )
    if args.nj < 1:
        raise UserError(f"--nj {args.nj}: must be 1 or more")
    check_writable(args.output_dir, "--output_dir")
    options = CheckOptions(
        fs=args.fs,
        audio=args.audio,
        run_pipes=args.run_pipes,
        symbols=read_symbols(args.nlsyms) if args.nlsyms else (),
        min_seconds=args.min_wav_duration,
        max_seconds=args.max_wav_duration,
        ignored=tuple(args.ignore),
        nj=args.nj,
    )
    folders = [*args.folders, *args.unlabelled]
    done = args.output_dir / "check_data.done.json"
    stamp = stamp_of(
        folders,
        [
            vars(options),
            sorted(map(str, args.unlabelled)),
            sorted(map(str, args.valid)),
            sorted(args.error),
            *([sorted(args.expected)] if args.expected else []),
            # A later version that knows more kinds checks again.
            sorted(KINDS),
        ],
    )
    paths = [args.output_dir / f"check_data.{kind}" for kind in ("txt", "json", "html")]
    # What a command writes may differ, although its text is the same.
    if args.once and not args.run_pipes and all(map(_is_whole, paths)):
        before = read_record(done)
        known = before.get("stamp") == stamp and "said" in before
        if known and before.get("status") in (0, 1):
            logging.info(
                "%s was checked before, with the same data and options: %s",
                ", ".join(map(str, folders)),
                before["said"],
            )
            return _status(before["status"], args)
    with checked(folders, options, args.unlabelled, args.valid) as (store, sets):
        verdict = Verdict(
            store.counts(), frozenset(args.error), frozenset(args.expected)
        )
        # Of other data from here on, if this is interrupted.
        with suppress(OSError):  # said where the lists are written
            done.unlink()
        for line in short_lines(store, verdict, WARNING, min(args.shown, 1)):
            logging.warning("%s", line)
        for line in expected_lines(verdict):
            logging.info("%s", line)
        for line in short_lines(store, verdict, ERROR, args.shown):
            logging.error("%s", line)
        # After the log, which says what is wrong even if the disk is full.
        write_list(paths[0], store, sets, verdict)
        write_json_list(paths[1], store, sets, verdict)
        write_page(paths[2], store, sets, verdict, paths[0])
    log = logging.error if verdict.status == 2 else logging.info
    said = f"{verdict.sentence}; the whole list: {paths[0]}, histograms: {paths[2]}"
    log("%s", said)
    if args.exit_zero == "utterances" and verdict.status == 2:
        _say_what_stops(verdict)
    write_json(done, {"stamp": stamp, "status": verdict.status, "said": said})
    if args.exit_zero == "utterances" and not verdict.of_tables:
        return 0
    return _status(verdict.status, args)


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _say_what_stops(verdict: Verdict) -> None:
    stops = verdict.of_tables
    left_out = verdict.total(ERROR) - sum(stops.values())
    if left_out:
        logging.warning(
            "--bad_utterances drop: the utterances of %d of these errors will be "
            "left out",
            left_out,
        )
    if stops:
        logging.error(
            "--bad_utterances drop cannot leave out lines of tables, so correct "
            "these first: %s",
            ", ".join(f"{KINDS[kind].title} ({n})" for kind, n in stops.items()),
        )


def _status(status: int, args: argparse.Namespace) -> int:
    hidden = {"never": 0, "warnings": 1, "utterances": 1, "always": 2}[args.exit_zero]
    return 0 if status <= hidden else status


def main(cmd=None) -> int:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    status = 0

    def work() -> None:
        nonlocal status
        status = check(args)

    return run_command(work) or status


if __name__ == "__main__":
    sys.exit(main())
