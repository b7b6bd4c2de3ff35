"""Which damages of the doctor's tests Kaldi's and lhotse's validators report.

    PYTHONPATH=tests/doctor python benchmarks/validators.py --kaldi egs/wsj/s5

--kaldi names a folder with Kaldi's utils/ (validate_data_dir.sh, validate_text.pl,
spk2utt_to_utt2spk.pl; perl is needed); lhotse has to be importable. For each damage:
the kinds that the doctor is expected to find, and whether the others complain (an exit
status or an exception; for lhotse also a warning).
"""

import argparse
import logging
import subprocess
import tempfile
from pathlib import Path

import test_check_data as tests
from kaldi_corpus import RATE, make_corpus
from lhotse.kaldi import load_kaldi_data_dir
from lhotse.qa import validate_recordings_and_supervisions


def kaldi_says(folder: Path, utils: Path) -> str:
    """Run its script on a folder."""
    done = subprocess.run(
        ["utils/validate_data_dir.sh", "--no-feats", str(folder)],
        cwd=utils,
        capture_output=True,
        text=True,
        errors="replace",
    )
    said = (done.stdout + done.stderr).strip()
    if done.returncode == 0 and "Successfully" in said:
        return "-"
    return "yes" if done.returncode else "yes, with status 0"


class Noted(logging.Handler):
    """Keeps warnings."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record):
        self.said.append(record.getMessage())


def lhotse_says(folder: Path) -> str:
    """Load a folder and validate it, with all audio read."""
    noted = Noted()
    logging.getLogger().addHandler(noted)
    try:
        recordings, supervisions, _ = load_kaldi_data_dir(folder, RATE)
        validate_recordings_and_supervisions(recordings, supervisions, read_data=True)
    except BaseException as error:
        return f"{type(error).__name__}"
    finally:
        logging.getLogger().removeHandler(noted)
    return "warning" if noted.said else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kaldi", type=Path, required=True)
    args = parser.parse_args()
    totals = {"doctor": 0, "kaldi": 0, "lhotse": 0}
    for name, (damage, expected) in {"nothing": (None, []), **tests.CASES}.items():
        with tempfile.TemporaryDirectory() as work:
            train, _, test = make_corpus(Path(work))
            for folder in (train, test):
                speakers: dict[str, list[str]] = {}
                for row in (folder / "utt2spk").read_text().splitlines():
                    speakers.setdefault(row.split()[1], []).append(row.split()[0])
                (folder / "spk2utt").write_text(
                    "".join(f"{s} {' '.join(u)}\n" for s, u in speakers.items())
                )
            if damage:
                damage(train=train, test=test)
            folders = [train, test]
            kaldi = [kaldi_says(folder, args.kaldi) for folder in folders]
            lhotse = [lhotse_says(folder) for folder in folders]
        kinds = ", ".join(dict.fromkeys(kind for kind, *_ in expected)) or "-"
        theirs = [next((s for s in said if s != "-"), "-") for said in (kaldi, lhotse)]
        print(f"| {name} | {kinds} | {theirs[0]} | {theirs[1]} |", flush=True)
        totals["doctor"] += bool(expected)
        totals["kaldi"] += theirs[0] != "-"
        totals["lhotse"] += theirs[1] != "-"
    print(totals)


if __name__ == "__main__":
    main()
