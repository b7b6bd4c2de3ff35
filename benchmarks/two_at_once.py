#!/usr/bin/env python3
"""Start two stages together on one folder, and three seeds at once; nothing is lost.

    python benchmarks/two_at_once.py --folder /tmp/kills --warm

Uses the tiny recipe and the undisturbed runs of kills.py, and makes them if they are
not there. For each pair, a before b, both start from what is there before a. Each has
to end with 0, or with 2 and one line that says what is missing or that another run
works there; then the stages from a to b run one after the other, and the results have
to be those of the undisturbed runs, bit for bit. Three seeds of stages 5 and 6 run at
once, and then alone in a fresh folder, with the same results.

Pairs that are done stand in FOLDER/pairs.jsonl and are not run again.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from kills import STAGES, Campaign
from tiny_recipe import restore, start

SEEDS = (1, 2, 3)
SEEDED = (5, 6)


def together(campaign: Campaign, a: int, b: int) -> dict:
    """Run two stages at once, then all from the first to the second."""
    for stage in range(a, b + 1):
        known = campaign.undisturbed(stage)
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
    wrong = [name for name, one in known["same"].items() if there.get(name) != one]
    if wrong:
        problems.append(f"{len(wrong)} values differ: {wrong[:5]}")
    return {"pair": [a, b], "status": status, "problems": problems, "said": said}


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
    # Times, as between the undisturbed runs.
    times = re.compile(r"(_seconds|_time|__timedelta_seconds__|/time)(/|$)")
    differ = [
        name
        for name in found[0].keys() | found[1].keys()
        if found[0].get(name) != found[1].get(name) and not times.search(name)
    ]
    if differ:
        problems.append(f"{len(differ)} values differ: {sorted(differ)[:5]}")
    compared = len(found[0])
    return {"pair": "seeds", "values": compared, "problems": problems}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("/tmp/kills"))
    parser.add_argument("--warm", action="store_true", help="as of kills.py")
    parser.add_argument(
        "--distance", type=int, default=1, help="of two stages, at most; 8: all pairs"
    )
    parser.add_argument("--no_seeds", action="store_true")
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    noted = folder / "pairs.jsonl"
    lines = noted.read_text().splitlines() if noted.exists() else []
    done = [json.loads(line) for line in lines]
    campaign = Campaign(folder, 0, args.warm)
    wanted: list = [
        [a, b] for a in STAGES for b in STAGES if a <= b <= a + args.distance
    ]
    if not args.no_seeds:
        wanted.insert(0, "seeds")
    for pair in wanted:
        if pair in [one["pair"] for one in done]:
            continue
        one = seeds(campaign) if pair == "seeds" else together(campaign, *pair)
        done.append(one)
        with noted.open("a") as stream:
            stream.write(json.dumps(one) + "\n")
        print(json.dumps(one), flush=True)
    bad = [one for one in done if one["problems"]]
    print(f"{len(done)} of {len(wanted)} pairs, {len(bad)} not in order")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
