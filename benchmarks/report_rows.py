#!/usr/bin/env python3
"""Time the report of many models, copied under other names from a tiny experiment.

    python benchmarks/report_rows.py --experiments /tmp/kills/after_8

The folder is one that stages 2 to 8 have filled (benchmarks/kills.py keeps them). Each
copy has its own seed, size and variant, and random errors on test and development sets
of the given number of utterances, whose audio is that of the tiny sets. Prints the
processor seconds of the report and its peak memory.
"""

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from espnet_plugin.bin import report
from espnet_plugin.data.content import Contents
from espnet_plugin.files import file_checksum

SETS = ("test", "dev")
SEEDS, SIZES = range(1, 6), (1, 2, 3)
# Method, folder that is copied, and variants.
KINDS = (
    ("encrl", "asr_encrl_s1_1l", ("", "v1", "v2", "v3")),
    ("scratch", "asr_scratch_s1_1l", ("",)),
    ("layer_copy", "asr_scratch_s1_1l", tuple(f"w{n}" for n in range(15))),
)


def make_set(folder: Path, utterances: int) -> tuple[str, str]:
    """Write a longer set; return digests of its transcripts and its audio."""
    lines = (folder / "wav.scp").read_text().splitlines()
    files = [Path(line.split(maxsplit=1)[1]).resolve() for line in lines]
    (folder / "data").mkdir(exist_ok=True)
    names = [f"u{n:05d}" for n in range(utterances)]
    paths = [folder / f"data/{name}.wav" for name in names]
    for n, path in enumerate(paths):
        shutil.copy(files[n % len(files)], path)
    rows = "".join(f"{name} {path}\n" for name, path in zip(names, paths))
    (folder / "wav.scp").write_text(rows)
    (folder / "text").write_text("".join(f"{name} A\n" for name in names))
    audio = Contents().table(folder / "wav.scp", "sound", names)
    return file_checksum(folder / "text"), audio


def change(path: Path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def score(rng: random.Random, utterances: int) -> dict:
    """Return what score.json says of random errors."""
    counts = []
    for n in range(utterances):
        words = 5 + 7 * n % 20
        errors = sum(rng.random() < 0.2 for _ in range(words))
        one = {"utt": f"u{n:05d}", "spk": f"s{n % 20}", "words": words}
        one.update(errors=errors, substitutions=errors, deletions=0, insertions=0)
        counts.append({**one, "chars": 5 * words, "char_errors": 2 * errors})
    sums = {key: sum(one[key] for one in counts) for key in ("words", "errors")}
    wer = 100 * sums["errors"] / sums["words"]
    rates = {
        "wer": wer,
        "wer_ci95": [wer - 1, wer + 1],
        "cer": wer,
        "cer_ci95": [0, 99],
    }
    return {"utterances": utterances, **sums, **rates, "per_utterance": counts}


def make_models(source: Path, root: Path, utterances: int) -> int:
    """Write all folders; return the number of models."""
    rng, leave = random.Random(0), shutil.ignore_patterns("init", "tensorboard")
    shutil.copytree(source / "dump", root / "dump", symlinks=True)
    digests = {one: make_set(root / "dump/raw" / one, utterances) for one in SETS}
    exp = root / "exp"

    def copy(name: str, new: str, **meta) -> None:
        shutil.copytree(source / "exp" / name, exp / new, symlinks=True, ignore=leave)
        change(exp / new / "meta.json", **meta)
        for one in (exp / new).glob("decode_best_path/*"):
            change(one / "score.json", **score(rng, utterances))
            text, audio = digests[one.name]
            noted = json.loads((one / "scored.json").read_text())["inputs"]
            change(one / "scored.json", inputs={**noted, "reference": text})
            change(one / "decoded.json", audio=audio)

    copy("asr_reference", "asr_reference")
    for method, name, variants in KINDS:
        for variant in variants:
            for seed in SEEDS:
                same = {"variant": variant, "seed": seed}
                if method == "encrl":
                    run = f"encrl_encrl{variant}_s{seed}"
                    copy("encrl_encrl_s1", run, **same)
                    same["shared"] = run
                for layers in SIZES:
                    folder = f"asr_{method}{variant}_s{seed}_{layers}l"
                    sizes = dict.fromkeys(("params", "params_nonzero"), 6000 * layers)
                    sizes.update(layers=layers, size=layers)
                    copy(name, folder, method=method, **same, **sizes)
    return len([*exp.glob("asr_*/meta.json")])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--experiments", type=Path, default=Path("/tmp/kills/after_8"))
    parser.add_argument("--utterances", type=int, default=500, help="of each set")
    args = parser.parse_args()
    source = args.experiments.resolve()
    with tempfile.TemporaryDirectory() as work:
        os.chdir(source)  # paths of the tiny sets are relative to the recipe
        models = make_models(source, Path(work), args.utterances)
        os.chdir(work)
        folders = sorted(map(str, Path("exp").glob("*_*")))
        folders = [one for one in folders if "stats" not in one]
        begun = time.process_time()
        words = [*folders, "--output_dir", "report", "--corpus", "many"]
        status = report.main([*words, "--dump_dir", "dump/raw"])
        seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(
        f"{models} models, {args.utterances} utterances: {seconds:.1f} processor "
        f"seconds, {peak:.0f} MB",
        file=sys.stderr,
    )
    return status


if __name__ == "__main__":
    sys.exit(main())
