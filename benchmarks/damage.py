"""Damage valid recipe folders at random, and test the data check and stage 2 on them.

    python benchmarks/damage.py --cases 300 --seed 0

Each case is a small corpus with one to three damages (tables, transcripts, names,
audio, segments), from its own seed: --cases 1 --seed N repeats case N. Both commands
run in this process. A case passes if each ends with status 0, 1 or 2 and, if stage 2
succeeded, its results agree with independent computations: transcripts are the
source's, cleaned by the rules of Unicode's database alone; tokens are those of the
transcripts; lengths are those in the WAV header. Nothing may be written outside the
case's folder. Cases that fail are printed with their seed, and the exit status is 1.
"""

import argparse
import json
import logging
import shutil
import sys
import tempfile
import traceback
import unicodedata
import wave
from collections import Counter
from pathlib import Path

import numpy as np
from damaged_corpus import DAMAGES, RATE, SETS, Corpus

from espnet_plugin.bin import check_data, prepare

ROOT = Path(__file__).parents[1]


def plain(text: str) -> str:
    """What a transcript should become, by the character database alone."""
    invisible = {"Cf"}
    kept = [
        c
        for c in text
        if c in "\u200c\u200d"
        or c.isspace()
        or not (
            unicodedata.category(c) in invisible
            or unicodedata.name(c, "").startswith("VARIATION SELECTOR")
            or c in "\u034f\u3164"
        )
    ]
    return unicodedata.normalize("NFC", " ".join("".join(kept).split()))


def rows_of(path: Path) -> dict[str, str]:
    rows = {}
    for row in path.read_text(encoding="utf-8-sig").split("\n"):
        fields = row.split(maxsplit=1)
        if fields:
            rows[fields[0]] = fields[1] if fields[1:] else ""
    return rows


def wrong_in(c: Corpus) -> list[str]:
    """What stage 2 wrote and should not have."""
    found = []
    tokens = (c.root / "tokens/tokens.txt").read_text().split("\n")[:-1]
    known = set(tokens[2:-1])
    for set_name in SETS:
        dump, data = c.root / "dump" / set_name, c.root / "data" / set_name
        said, there = rows_of(dump / "text"), rows_of(data / "text")
        for utt, text in said.items():
            if text != plain(there[utt]):
                found.append(f"{utt}: {text!r} of {there[utt]!r}")
            spelled = {"<space>" if x == " " else x for x in text}
            if set_name != "test" and not spelled <= known:
                found.append(f"{utt}: {spelled - known} are no tokens")
        if (data / "segments").exists():
            continue
        paths, lengths = rows_of(data / "wav.scp"), rows_of(dump / "utt2num_samples")
        for utt, length in lengths.items():
            try:
                with wave.open(paths[utt]) as file:
                    promised = file.getnframes()
            except (wave.Error, EOFError):
                continue  # no WAV of whole samples
            if promised != int(length) and promised < 1 << 29:
                found.append(f"{utt}: {length} samples of {promised}")
    for token in known:
        if len(token) > 1 and token != "<space>" or token.isspace():
            found.append(f"the token {token!r}")
    return found


def case(seed: int) -> tuple[list[str], int, int, list[str]]:
    """Return damages, status of data check and stage 2, and what is not in order."""
    rng = np.random.default_rng(seed)
    work = Path(tempfile.mkdtemp(prefix="damage."))
    problems: list[str] = []
    statuses = []
    try:
        c = Corpus(work / "deep/er/case", rng)
        damages = []
        for _ in range(int(rng.integers(1, 4))):
            damage = c.one(DAMAGES)
            try:
                damages.append(damage(c))
            except (OSError, RuntimeError, ValueError, IndexError, TypeError):
                pass  # it does not go with an earlier one
        before = {path for path in work.rglob("*") if c.root not in path.parents}
        data = [str(c.root / "data" / name) for name in SETS]
        doctor = [*data, "--output_dir", str(c.root / "check"), "--fs", str(RATE)]
        doctor += [
            "--valid",
            data[1],
            "--error",
            "pipe",
            "archive",
            "symbol",
            "features-alone",
        ]
        stage = ["--data_dir", c.root / "data", "--dump_dir", c.root / "dump"]
        stage += ["--asr_config", ROOT / "conf/tiny_reference.yaml"]
        stage += ["--token_dir", c.root / "tokens", "--speed_perturb_factors", "1.0"]
        if rng.random() < 0.3:
            stage += ["--feats_type", "fbank"]
        for command, options in ((check_data, doctor), (prepare, stage)):
            try:
                statuses.append(command.main(list(map(str, options))))
            except (Exception, SystemExit):
                statuses.append(-1)
                problems.append(traceback.format_exc())
        after = {path for path in work.rglob("*") if c.root not in path.parents}
        if after != before:
            problems.append(f"written outside: {after - before}")
        if Path("/tmp/out.npy").exists() or Path("/tmp/out.flac").exists():
            problems.append("written to /tmp/out")
        if statuses[0] >= 0:
            json.loads((c.root / "check/check_data.json").read_text())
        if statuses[1] == 0 and "fbank" not in stage:
            problems += wrong_in(c)
        if statuses[1] == 2 and statuses[0] < 2:
            problems.append("stage 2 refuses what the doctor let pass")
        return damages, *statuses, problems
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    args = parser.parse_args()
    # Before it is set up otherwise: what the commands say is not wanted here.
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    logging.disable(logging.CRITICAL)
    outcomes: Counter = Counter()
    bad = 0
    for seed in range(args.seed, args.seed + args.cases):
        damages, doctor, stage, problems = case(seed)
        outcomes[doctor, stage] += 1
        if problems:
            bad += 1
            print(
                f"case {seed}: {'; '.join(damages)}: doctor {doctor}, stage 2 {stage}"
            )
            for problem in problems:
                print("   ", problem.strip().replace("\n", "\n    "))
            sys.stdout.flush()
    print(f"{args.cases} cases, {bad} not in order")
    for (doctor, stage), count in sorted(outcomes.items()):
        print(f"  doctor {doctor}, stage 2 {stage}: {count}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
