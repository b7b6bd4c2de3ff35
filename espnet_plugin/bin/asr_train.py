"""ESPnet's ASR training with its cost recorded; stage 3 collects statistics with it.

Takes every option of ``espnet2.bin.asr_train``.
"""

import logging
import sys
from pathlib import Path

from espnet_plugin.bin.run import run_command
from espnet_plugin.jobs.trainer import run_main
from espnet_plugin.tasks.asr import CountedASRTask
from espnet_plugin.terminal import logged_in


def get_parser():
    """Return the command's options: those of ESPnet's ASR training."""
    return CountedASRTask.get_parser()


def main(cmd=None) -> int:
    """Run the command."""
    return run_command(lambda: _train(sys.argv[1:] if cmd is None else list(cmd)))


def _train(cmd: list[str]) -> None:
    args = get_parser().parse_args(cmd)
    if not (args.collect_stats and args.output_dir):
        run_main(CountedASRTask, cmd)
        return
    log = Path(args.output_dir) / "stats.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    logging.info("everything is logged in %s", log)
    with logged_in(log):
        run_main(CountedASRTask, cmd)


if __name__ == "__main__":
    sys.exit(main())
