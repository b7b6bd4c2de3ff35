"""ESPnet's ASR training with its cost recorded; stage 3 collects statistics with it.

Takes every option of ``espnet2.bin.asr_train``.
"""

import sys

from espnet_plugin.bin.run import run_command
from espnet_plugin.tasks.asr import CountedASRTask


def get_parser():
    """Return the command's options: those of ESPnet's ASR training."""
    return CountedASRTask.get_parser()


def main(cmd=None) -> int:
    """Run the command."""
    return run_command(lambda: CountedASRTask.main(cmd=cmd))


if __name__ == "__main__":
    sys.exit(main())
