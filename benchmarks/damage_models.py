"""Damage files of finished experiments at random, and check what the commands do.

    python benchmarks/damage_models.py --experiments /tmp/kills/after_8 --cases 200

The folder is one that stages 2 to 8 have filled (benchmarks/kills.py keeps them). In
each case one or two files of its exp/ or dump/ are damaged, from the case's own seed:
truncated, emptied, bytes changed, removed, replaced by a folder or another file, and in
JSON and YAML one value replaced or removed. Then a model is imported and used for
recognition, its test set is decoded and scored, and a report is written, all in this
process. Each has to end with status 0, 1 or 2 without an unexpected error, and write
nothing outside its folders; a model that is not damaged has to recognise the same text
as before. Cases that fail are printed with their seed, and the exit status is 1.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from espnet_plugin.bin import decode, import_reference, recognise, report, score

ODD = (None, True, -1, 0, 10**12, 1.5, float("nan"), "", "text", "../../x", [], {}, [1],
       {"a": 1}, "\u0000", "9" * 400)  # fmt: skip
MODEL = "exp/asr_encrl_s1_2l"
UNFORESEEN = "not a mistake that was foreseen"
WHAT = ("cut", "empty", "bytes", "gone", "folder", "other", "value", "value", "value",
        "no key", "no UTF-8")  # fmt: skip


class Case:
    """A copy of the experiments that is to be damaged."""

    def __init__(self, experiments: Path, root: Path, rng: np.random.Generator):
        self.root, self.rng = root, rng
        for name in ("exp", "dump", "data"):
            shutil.copytree(experiments / name, root / name, symlinks=True)
        self.damaged: set[str] = set()

    def one(self, items):
        return items[int(self.rng.integers(len(items)))]

    def damage(self) -> str:
        found = [*self.root.glob("exp/**/*"), *self.root.glob("dump/**/*")]
        files = [
            path
            for path in sorted(found)
            if path.is_file() and not path.is_symlink()
            and path.suffix not in (".log", ".flac") and "tensorboard" not in path.parts
        ]  # fmt: skip
        # Those that one model is read by, every other time.
        own = [path for path in files if MODEL in str(path)]
        path = self.one(own if own and self.rng.random() < 0.6 else files)
        name = str(path.relative_to(self.root))
        self.damaged.add(name)
        what = self.one(WHAT)
        content = path.read_bytes()
        if what in ("value", "no key"):
            changed = self._changed(path, content, what)
            if changed is None:
                what = "bytes"
            else:
                path.write_text(changed[0])
                return f"{name}: {changed[1]}"
        if what == "cut":
            path.write_bytes(content[: int(len(content) * self.rng.random())])
        elif what == "empty":
            path.write_bytes(b"")
        elif what == "bytes":
            mutable = bytearray(content or b" ")
            for _ in range(int(self.rng.integers(1, 4))):
                mutable[int(self.rng.integers(len(mutable)))] = self.rng.integers(256)
            path.write_bytes(mutable)
        elif what == "other":
            path.write_bytes(self.one(files).read_bytes())
        elif what == "no UTF-8":
            path.write_bytes(b"\xff\xfe" + content)
        else:
            path.unlink()
            if what == "folder":
                path.mkdir()
        return f"{name}: {what}"

    def _changed(self, path: Path, content: bytes, what: str):
        """Return the text with another value somewhere, and what was done."""
        try:
            if path.suffix == ".json":
                whole = json.loads(content)
            elif path.suffix == ".yaml":
                whole = yaml.safe_load(content)
            else:
                return None
        except ValueError:
            return None
        at, where = whole, []
        while isinstance(at, (dict, list)) and at:
            key = self.one(sorted(at) if isinstance(at, dict) else range(len(at)))
            where.append(key)
            inner = at[key]
            if not isinstance(inner, (dict, list)) or self.rng.random() < 0.4:
                break
            if not inner:  # nothing inside that could be changed
                break
            at = inner
        if not where:
            return None
        new: Any = None
        if what == "no key":
            del at[where[-1]]
        else:
            new = self.one(ODD)
            at[where[-1]] = new
        said = f"{'.'.join(map(str, where))} {what} {str(new)[:20]!r}"
        if path.suffix == ".json":
            return json.dumps(whole), said
        return yaml.safe_dump(whole), said


def call(command, options: list) -> tuple[int, str, str]:
    """Run a command; return its status, what it printed, and its messages."""
    messages = io.StringIO()
    handler = logging.StreamHandler(messages)
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, [handler]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(messages):
            status = command.main(list(map(str, options)))
    except (Exception, SystemExit):
        status = -1
        messages.write(traceback.format_exc())
    finally:
        root.handlers = handlers
    return status, printed.getvalue(), messages.getvalue()


def commands(root: Path) -> dict[str, tuple]:
    exp, out = root / "exp", root / "out"
    model = root / MODEL
    rows = [*sorted(exp.glob("asr_*_s1*")), exp / "asr_reference"]
    audio = sorted((root / "dump/raw/train_sp/data").glob("*.flac"))[0]
    test = root / "dump/raw/test"
    return {
        "recognise": (recognise, [model, audio]),
        "import": (
            import_reference,
            ["--reference", model, "--output_dir", out / "imported"],
        ),
        "decode": (
            decode,
            ["--asr_train_config", model / "config.yaml"]
            + ["--asr_model_file", model / "valid.cer_ctc.ave.pth"]
            + ["--output_dir", out / "decoded"]
            + ["--data_path_and_name_and_type", f"{test}/wav.scp,speech,sound"],
        ),
        "score": (
            score,
            ["--ref", test / "text", "--output_dir", out / "test"]
            + ["--hyp", model / "decode_best_path/test/text"],
        ),
        "report": (
            report,
            [*rows, exp / "encrl_encrl_s1", "--output_dir", out / "report"],
        ),
    }  # fmt: skip


def case(seed: int, experiments: Path) -> tuple[list[str], dict, list[str]]:
    """Return the damages, the statuses, and what is not in order."""
    rng = np.random.default_rng(seed)
    work = Path(tempfile.mkdtemp(prefix="damage."))
    problems, statuses = [], {}
    here = os.getcwd()
    try:
        root = work / "recipe"
        root.mkdir()
        done = Case(experiments, root, rng)
        os.chdir(root)
        os.environ["ESPNET_PLUGIN_LOGS"] = str(root / "logs")
        said = [done.damage() for _ in range(int(rng.integers(1, 3)))]
        for name, (command, options) in commands(root).items():
            statuses[name], printed, messages = call(command, options)
            log = "\n".join(one.read_text() for one in root.glob("logs/*"))
            shutil.rmtree(root / "logs", ignore_errors=True)
            if statuses[name] not in (0, 1, 2) or UNFORESEEN in messages:
                problems.append(f"{name}: {messages[-1500:]}\n{log[-2500:]}")
            if name == "recognise" and not any(MODEL in one for one in done.damaged):
                if statuses[name] or printed != undamaged(experiments):
                    problems.append(f"{name}: {printed!r}, {messages[-500:]}")
        outside = [path for path in work.iterdir() if path.name != "recipe"]
        if outside:
            problems.append(f"written outside: {outside}")
        return said, statuses, problems
    finally:
        os.chdir(here)
        shutil.rmtree(work, ignore_errors=True)


def undamaged(experiments: Path, known={}) -> str:
    """Return what the model recognises as it is."""
    if experiments not in known:
        command, options = commands(experiments)["recognise"]
        status, known[experiments], messages = call(command, options)
        if status or not known[experiments]:
            sys.exit(f"nothing is recognised: {messages}")
    return known[experiments]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--experiments", type=Path, default=Path("/tmp/kills/after_8"))
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    args = parser.parse_args()
    experiments = args.experiments.resolve()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    undamaged(experiments)
    outcomes: Counter = Counter()
    bad = 0
    for seed in range(args.seed, args.seed + args.cases):
        said, statuses, problems = case(seed, experiments)
        outcomes.update(statuses.items())
        if problems:
            bad += 1
            print(f"case {seed}: {'; '.join(said)}: {statuses}")
            for problem in problems:
                print("   ", problem.strip().replace("\n", "\n    "))
        sys.stdout.flush()
        # So that a run that is stopped still says how far it came.
        print(f"case {seed} done, {bad} not in order", file=sys.stderr)
    print(f"{args.cases} cases, {bad} not in order")
    for (name, status), count in sorted(outcomes.items()):
        print(f"  {name}, status {status}: {count}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
