#!/usr/bin/env python3
"""Start two stages at the same time on one folder; also three seeds, and a job array.

    python benchmarks/two_at_once.py --folder /tmp/kills --warm
    python benchmarks/two_at_once.py --folder /tmp/kills --warm --what array

The tiny recipe and the undisturbed runs of kills.py are used, and made if missing.

pairs   Stages a and b (a not after b) start from the state before a. Each must end
        with 0, or with 2 and one line that says what is missing or that another run
        works in the folder. Then the stages from a to b run one after the other, and
        the results must be those of the undisturbed runs, bit for bit.
seeds   Stages 5 and 6 of three seeds run at the same time, and then one after the other
        in a fresh folder, with the same results.
array   jobs.sh with two seeds, two sizes and a baseline, four jobs at the same time;
        then twice one job after the other. Values on which the last two agree must be
        the same in the first.

Finished cases are in FOLDER/pairs.jsonl and are not run again.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from kills import STAGES, Campaign
from tiny_recipe import restore, start, start_jobs

SEEDS = (1, 2, 3)
SEEDED = (5, 6)
WHAT = ("pairs", "seeds", "array")
REPORT = 9
# The report shows times and speeds of the stages before it, and exports if there are
# any. So it is only compared where no other stage ran.
DERIVED = ("exp/report/", "RESULTS.md", "results.json")
# Times, as between the undisturbed runs.
TIMES = re.compile(r"(_seconds|_time|__timedelta_seconds__|/time| /seconds)(/|$)")


def together(campaign: Campaign, a: int, b: int) -> dict:
    """Run two stages at once, then all from the first to the second."""
    # What varies between two runs of any of these stages is no result.
    varies: set[str] = set()
    for stage in range(a, b + 1):
        known = campaign.undisturbed(stage)
        varies.update(known["other"])
    restore(campaign.recipe, campaign.before(a))
    logs = [campaign.folder / f"pair_{a}_{b}_{n}.log" for n in (1, 2)]
    for log in logs:
        log.unlink(missing_ok=True)
    both = [
        start(campaign.recipe, stage, log, campaign.warm)
        for stage, log in zip((a, b), logs)
    ]
    status = [one.wait() for one in both]
    problems = [f"ended with {one}" for one in status if one not in (0, 2)]
    said = []
    for log in logs:
        text = log.read_text()
        if re.search(r'File "[^"]*/espnet_plugin/', text):
            problems.append("a traceback")
        errors = [line for line in text.split("\n") if " ERROR " in line]
        said.append(errors[-1][:200] if errors else "")
    for stage in range(a, b + 1):
        after = start(campaign.recipe, stage, logs[0], campaign.warm)
        if after.wait():
            problems.append(f"stage {stage} after it ended with {after.returncode}")
    there = campaign.results()
    expected = {k: v for k, v in known["same"].items() if k not in varies}
    if a != b and a <= REPORT <= b:
        expected = {k: v for k, v in expected.items() if not k.startswith(DERIVED)}
    wrong = [name for name, one in expected.items() if there.get(name) != one]
    if wrong:
        problems.append(f"{len(wrong)} values differ: {wrong[:5]}")
    return {
        "pair": [a, b],
        "status": status,
        "values": len(expected),
        "problems": problems,
        "said": said,
    }


def seeds(campaign: Campaign) -> dict:
    """Run several seeds at once, and each alone."""
    campaign.undisturbed(SEEDED[0])
    found, problems = [], []
    for at_once in (True, False):
        restore(campaign.recipe, campaign.before(SEEDED[0]))
        log = campaign.folder / f"seeds_{at_once}.log"
        log.unlink(missing_ok=True)
        for stage in SEEDED:
            running = []
            for seed in SEEDS:
                options = ("--seed", f"{seed}")
                one = start(campaign.recipe, stage, log, campaign.warm, *options)
                running.append(one)
                if not at_once:
                    one.wait()
            ended = [one.wait() for one in running]
            problems += [f"stage {stage} ended with {one}" for one in ended if one]
        found.append(campaign.results())
    differ = [
        name
        for name in found[0].keys() | found[1].keys()
        if found[0].get(name) != found[1].get(name) and not TIMES.search(name)
    ]
    if differ:
        problems.append(f"{len(differ)} values differ: {sorted(differ)[:5]}")
    compared = len(found[0])
    return {"pair": "seeds", "values": compared, "problems": problems}


def array(campaign: Campaign) -> dict:
    """Run a job array, four jobs at the same time, and twice one after the other."""
    start_at = SEEDED[0] - 1
    campaign.undisturbed(start_at)
    found, problems = [], []
    log = campaign.folder / "array.log"
    log.unlink(missing_ok=True)
    for jobs in (4, 1, 1):
        restore(campaign.recipe, campaign.before(start_at))
        ended = start_jobs(campaign.recipe, jobs, log, campaign.warm).wait()
        if ended:
            problems.append(f"--max_jobs {jobs} ended with {ended}")
        found.append(campaign.results())
    at_once, once, again = found
    same = {name: one for name, one in once.items() if again.get(name) == one}
    differ = sorted(
        name
        for name, one in same.items()
        if at_once.get(name) != one
        and not name.startswith(DERIVED)
        and not TIMES.search(name)
    )
    if differ:
        problems.append(f"{len(differ)} values differ: {differ[:5]}")
    return {"pair": "array", "values": len(same), "problems": problems}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("/tmp/kills"))
    parser.add_argument("--warm", action="store_true", help="see kills.py")
    parser.add_argument(
        "--what", nargs="+", choices=WHAT, default=list(WHAT), help="all by default"
    )
    parser.add_argument(
        "--distance",
        type=int,
        default=8,
        help="largest difference of the two stages of a pair (default: 8, all pairs)",
    )
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    noted = folder / "pairs.jsonl"
    lines = noted.read_text().splitlines() if noted.exists() else []
    done = [json.loads(line) for line in lines]
    campaign = Campaign(folder, 0, args.warm)
    wanted: list = [one for one in ("seeds", "array") if one in args.what]
    if "pairs" in args.what:
        wanted += [
            [a, b] for a in STAGES for b in STAGES if a <= b <= a + args.distance
        ]
    for pair in wanted:
        if pair in [one["pair"] for one in done]:
            continue
        if pair == "seeds":
            one = seeds(campaign)
        elif pair == "array":
            one = array(campaign)
        else:
            one = together(campaign, *pair)
        done.append(one)
        with noted.open("a") as stream:
            stream.write(json.dumps(one) + "\n")
        print(json.dumps(one), flush=True)
    bad = [one for one in done if one["problems"]]
    print(f"{len(done)} cases done, {len(bad)} of them wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
