#!/usr/bin/env python3
"""Interrupt stages at random moments, run them again, compare with undisturbed runs.

    python benchmarks/kills.py --folder /tmp/kills --cases 20
    python benchmarks/kills.py --folder /tmp/kills --faults kill --stages 5 6 --cases 5

Each stage runs twice undisturbed. Every other run has to leave the same results as
these two, bit for bit; values in which these two differ (times) are not compared. Then,
for each case, the stage starts from the same folder and

  kill, term, int   all its processes get SIGKILL, SIGTERM or SIGINT (Ctrl-C) at a
                    random moment: one in four while it starts, the others between the
                    first file that it writes and its end
  lost              as kill, and the file that was written last is emptied, as after a
                    power cut
  full              the disk of its output fills up at such a moment (a tmpfs, so only
                    as root)
  twice             it is started twice at the same time

and is run again without a fault, which has to end with status 0 and the same results.
The moments come from --seed. Finished cases are in FOLDER/cases.jsonl and are not run
again, so the same command resumes; --table prints the table of the finished cases.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Optional

from same_results import results
from tiny_recipe import WRITTEN, WarmPython, make_recipe, restore, save, start

FAULTS = ("kill", "term", "int", "lost", "full", "twice")
STAGES = (2, 3, 5, 6, 7, 8, 9, 10)
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
# Seconds after which a stage counts as hanging.
HANGS = 900
TMPFS = 400 << 20


@dataclass
class Case:
    """What became of one case.

    Attributes:
        stage: The stage.
        fault: One of FAULTS.
        number: Of the case, from 0.
        landed: Whether the fault came before the end of the stage.
        status: Exit statuses: of the run with the fault, and of the one after it.
        problems: What is not in order.
        left: Further files that the undisturbed runs do not leave.
        said: Last line of the run with the fault.
    """

    stage: int
    fault: str
    number: int
    landed: bool = False
    status: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    left: list = field(default_factory=list)
    said: str = ""


class Campaign:
    """The folder, and what undisturbed runs left there."""

    def __init__(self, folder: Path, seed: int, warm: bool):
        self.folder, self.seed = folder, seed
        self.warm = WarmPython(folder) if warm else None
        self.recipe = folder / "tiny/encrl1"
        self._restored = 0  # when the current case's files were put in place
        if not (folder / "made").exists():
            make_recipe(folder)
            save(self.recipe, self.before(2))
            (folder / "made").touch()
        for place in (self.recipe / "dump", self.recipe / "exp"):
            if place.is_mount():  # an earlier run was killed itself
                subprocess.run(["umount", place], check=True)

    def before(self, stage: int) -> Path:
        return self.folder / f"after_{stage - 1}"

    def undisturbed(self, stage: int) -> dict:
        """Run a stage twice; return its results and how long it took."""
        noted = self.folder / f"undisturbed_{stage}.json"
        if noted.exists():
            return json.loads(noted.read_text())
        if not self.before(stage).exists():
            self.undisturbed(stage - 1)
        both, times = [], []
        for _ in range(2):
            restore(self.recipe, self.before(stage))
            log = self.folder / f"undisturbed_{stage}.log"
            begun = time.monotonic()
            process = start(self.recipe, stage, log, self.warm)
            first = self._first_change(process)
            if process.wait() != 0:
                sys.exit(f"stage {stage} fails undisturbed: see {log}")
            times.append([first - begun, time.monotonic() - begun])
            both.append(self.results())
            if len(both) == 1:
                save(self.recipe, self.folder / f"after_{stage}")
        same = {name: one for name, one in both[0].items() if both[1].get(name) == one}
        other = sorted((both[0].keys() | both[1].keys()) - same.keys())
        content = {"times": times, "same": same, "other": other}
        noted.write_text(json.dumps(content))
        print(f"stage {stage}: {len(same)} values, {len(other)} that vary", flush=True)
        return content

    def results(self) -> dict[str, str]:
        """Return what the stages have left, value by value."""
        found = {}
        for name in WRITTEN:
            path = self.recipe / name
            if path.is_dir():
                found.update({f"{name}/{k}": v for k, v in results(path).items()})
            elif path.exists():
                lines = path.read_text().split("\n")
                found.update({f"{name}:{n}": one for n, one in enumerate(lines, 1)})
        return found

    def _state(self) -> set:
        """Names, sizes and times of what the stages have written so far."""
        found = set()
        for name in WRITTEN:
            for base, _, files in os.walk(self.recipe / name):
                for file in files:
                    try:
                        one = os.stat(os.path.join(base, file))
                    except OSError:
                        continue
                    found.add((base, file, one.st_size, one.st_mtime_ns))
        return found

    def _first_change(self, process: subprocess.Popen) -> float:
        """Wait for the first file that a stage writes, or its end; return when."""
        known = self._state()
        while process.poll() is None and self._state() == known:
            time.sleep(0.05)
        return time.monotonic()

    def run(self, stage: int, fault: str, number: int) -> Case:
        """Run one case."""
        case = Case(stage, fault, number)
        known = self.undisturbed(stage)
        rng = random.Random(f"{self.seed} {stage} {fault} {number}")
        log = self.folder / f"case_{stage}_{fault}_{number}.log"
        log.unlink(missing_ok=True)
        restore(self.recipe, self.before(stage))
        self._restored = time.time_ns()
        place = self.recipe / ("dump" if stage == 2 else "exp")
        if fault == "full":
            self._small_disk(place, stage)
        try:
            if fault == "twice":
                self._twice(case, log)
            else:
                self._disturb(case, log, rng, known["times"], place)
            self._judge_first(case, log)
            if fault == "lost":
                self._lose(case, place)
            self._again(case, log, known)
        finally:
            if fault == "full":
                subprocess.run(["umount", place], check=True)
        return case

    def _disturb(self, case: Case, log: Path, rng, times: list, place: Path) -> None:
        first, end = (min(one[n] for one in times) for n in (0, 1))
        process = start(self.recipe, case.stage, log, self.warm)
        early = rng.random() < 0.25 and case.fault not in ("lost", "full")
        if early:
            wait = rng.uniform(0, first)
        else:
            self._first_change(process)
            wait = rng.uniform(0, end - first)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            case.landed = True
            if case.fault == "full":
                _fill(place, rng.randrange(0, 40000))
            else:
                self._send(SIGNALS.get(case.fault, signal.SIGKILL), process)
        case.status.append(_end_of(process, case))
        if case.fault == "full":
            # Where nothing more was written, the fault did not meet it.
            case.landed = case.landed and case.status[0] != 0
            (place / "filler").unlink(missing_ok=True)

    def _send(self, number: int, process: subprocess.Popen) -> None:
        jobs = self.warm.jobs() if self.warm else []
        os.killpg(process.pid, number)
        for job in jobs:
            try:
                os.kill(job, number)
            except ProcessLookupError:
                pass  # it has ended

    def _twice(self, case: Case, log: Path) -> None:
        logs = [log.with_suffix(f".{n}.log") for n in (1, 2)]
        for one in logs:
            one.unlink(missing_ok=True)
        both = [start(self.recipe, case.stage, one, self.warm) for one in logs]
        case.landed = True
        case.status.append([_end_of(one, case) for one in both])
        with log.open("a") as stream:
            for one, status in zip(logs, case.status[0]):
                text = one.read_text()
                stream.write(text)
                if status not in (0, 2):
                    case.problems.append(f"one of two ended with {status}")
                if status == 2:
                    case.said = _last(text)
        if 0 not in case.status[0]:
            case.problems.append("neither of two did it")

    def _judge_first(self, case: Case, log: Path) -> None:
        text = log.read_text()
        # Python's own start is not ours: a Ctrl-C there has a traceback.
        if "Traceback" in text and re.search(r'File "[^"]*/espnet_plugin/', text):
            case.problems.append("a traceback")
        if case.landed and case.fault != "twice":
            case.said = _last(text)
            expected = {"full": (1, 2), "int": (130, -2)}.get(case.fault)
            if expected and case.status[0] not in expected:
                case.problems.append(f"ended with {case.status[0]}")

    def _lose(self, case: Case, place: Path) -> None:
        """Empty the file that this run of the stage has written last."""
        if not case.landed:
            return
        files = [
            one
            for one in place.rglob("*")
            if one.is_file() and not one.is_symlink()
            and one.suffix not in (".log", ".lock") and "tensorboard" not in one.parts
            # Restored files keep the time of their content, but not that of the change.
            and one.stat().st_ctime_ns > self._restored
        ]  # fmt: skip
        last = max(files, key=lambda one: one.stat().st_mtime_ns, default=None)
        if last is not None:
            os.truncate(last, 0)
            case.said = f"{last.relative_to(self.recipe)} emptied"

    def _again(self, case: Case, log: Path, known: dict) -> None:
        with log.open("a") as stream:
            stream.write("---- again\n")
        size = log.stat().st_size
        process = start(self.recipe, case.stage, log, self.warm)
        case.status.append(_end_of(process, case))
        text = log.read_bytes()[size:].decode(errors="replace")
        if "Traceback" in text:
            case.problems.append("a traceback in the run after it")
        if case.status[-1] != 0:
            # Of a lost write a clear refusal is an answer, too.
            said = _last(text)
            if case.fault == "lost" and case.status[-1] == 2:
                case.said += f"; refused: {said}"
            else:
                case.problems.append(f"the run after it ended: {said}")
            return
        there = self.results()
        same, other = known["same"], set(known["other"])
        # What the fault itself has cost is noted, and is no result.
        wrong = [
            name
            for name, one in same.items()
            if there.get(name) != one and not name.endswith("/redone_seconds")
        ]
        if wrong:
            case.problems.append(f"{len(wrong)} values differ: {wrong[:5]}")
        case.left = sorted(there.keys() - same.keys() - other)

    def _small_disk(self, place: Path, stage: int) -> None:
        place.mkdir(exist_ok=True)
        options = ["-t", "tmpfs", "-o", f"size={TMPFS}", "none", place]
        subprocess.run(["mount", *options], check=True)
        restore(self.recipe, self.before(stage))


def _fill(place: Path, left: int) -> None:
    """Leave ``left`` bytes free on a disk."""
    with (place / "filler").open("wb") as stream:
        free = os.statvfs(place)
        try:
            os.posix_fallocate(
                stream.fileno(), 0, max(1, free.f_bavail * free.f_frsize - left)
            )
        except OSError:
            pass  # the stage has written meanwhile: nothing is free at all


def _end_of(process: subprocess.Popen, case: Case) -> Optional[int]:
    try:
        return process.wait(HANGS)
    except subprocess.TimeoutExpired:
        case.problems.append(f"hangs: nothing after {HANGS} s")
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def _last(text: str) -> str:
    lines = [one for one in text.strip().split("\n") if one.strip()]
    errors = [one for one in lines if " ERROR " in one]
    return ((errors or lines or [""])[-1])[:300]


def table(cases: list[Case], stages: list[int], faults: list[str]) -> str:
    """Return how many cases there were and how many were in order, as Markdown."""
    lines = ["| stage | " + " | ".join(faults) + " |", "|---" * (len(faults) + 1) + "|"]
    for stage in stages:
        row = [f"{stage}"]
        for fault in faults:
            of = [c for c in cases if (c.stage, c.fault) == (stage, fault) and c.landed]
            good = sum(not one.problems for one in of)
            row.append(f"{good} of {len(of)}" if of else "not run")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("/tmp/kills"))
    parser.add_argument("--stages", type=int, nargs="*", default=list(STAGES))
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--cases", type=int, default=20, help="that land, of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--warm",
        action="store_true",
        help="fork commands from a Python that has imported ESPnet",
    )
    parser.add_argument("--table", action="store_true", help="print it, run nothing")
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    noted = folder / "cases.jsonl"
    lines = noted.read_text().splitlines() if noted.exists() else []
    cases = [Case(**json.loads(line)) for line in lines]
    if not args.table:
        campaign = Campaign(folder, args.seed, args.warm)
        # In turns, so that an early end leaves some of each.
        for turn in range(2 * args.cases):
            for stage in args.stages:
                for fault in args.faults:
                    of = [c for c in cases if (c.stage, c.fault) == (stage, fault)]
                    enough = sum(one.landed for one in of) >= args.cases
                    if enough or any(one.number == turn for one in of):
                        continue
                    cases.append(campaign.run(stage, fault, turn))
                    one = asdict(cases[-1])
                    with noted.open("a") as stream:
                        stream.write(json.dumps(one) + "\n")
                    print(json.dumps(one), flush=True)
    print(table(cases, args.stages, args.faults))
    bad = [one for one in cases if one.problems]
    for one in bad:
        print(f"stage {one.stage}, {one.fault} {one.number}: {'; '.join(one.problems)}")
    missed = sum(not one.landed for one in cases)
    print(f"{len(cases)} cases, {missed} came after the end, {len(bad)} not in order")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
