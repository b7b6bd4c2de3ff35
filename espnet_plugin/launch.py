"""Run a module of ESPnet with this plugin's classes registered.

An unmodified ``asr.sh`` trains and decodes models of this plugin with

    ./run.sh --python "python3 -m espnet_plugin.launch" --asr_config conf/my_encrl.yaml

because it calls ``${python} -m espnet2.bin.asr_train`` and the like. What follows is
run as ``python3`` would run it: ``-m module options`` or ``script options``.

ESPnet has no entry points, so something has to register in every process that builds
a model. Spawned ranks (several GPUs) are such processes: before one unpickles its work,
Python imports the parent's main module again, by the name ``__mp_main__``. That module
is this one, not the module that it runs, and so every rank registers too.
"""

import importlib.util
import logging
import os
import runpy
import sys
import warnings
from typing import Optional, Sequence

from espnet_plugin import host
from espnet_plugin.errors import UserError

__all__ = ["LIGHT", "main"]

# They build no model; registering would import ESPnet, which takes many seconds, for
# nothing, and asr.sh calls some of them dozens of times.
LIGHT = {
    "espnet2.bin.aggregate_stats_dirs",
    "espnet2.bin.launch",
    "espnet2.bin.pack",
    "espnet2.bin.split_scps",
    "espnet2.bin.tokenize_text",
}


def main(cmd: Optional[Sequence[str]] = None) -> int:
    """Register, then run what ``cmd`` names.

    Args:
        cmd: ``-m module options...`` or ``script options...``.

    Returns:
        The exit status: 2 after a user's mistake, as the commands of this plugin. A
        module that exits by itself raises ``SystemExit``, as ever.
    """
    cmd = list(sys.argv[1:] if cmd is None else cmd)
    is_module = bool(cmd) and cmd[0] == "-m"
    rest = cmd[1:] if is_module else cmd
    if not rest or rest[0].startswith("-"):
        print(f"usage: python3 -m espnet_plugin.launch -m module ...\n{__doc__}")
        return 0 if rest and rest[0] in ("-h", "--help") else 2
    name = rest[0]
    sys.argv = list(rest)
    try:
        if not is_module:
            _register()
            sys.path[0] = os.path.dirname(os.path.abspath(name))
            runpy.run_path(name, run_name="__main__")
        else:
            if name not in LIGHT:
                _register()
            spec = importlib.util.find_spec(name)
            sys.argv[0] = (spec and spec.origin) or name
            # What typeguard says of functions in a main module that it cannot look up.
            warnings.filterwarnings("ignore", "instrumentor did not find the target")
            # Not with alter_sys: the main module, which ranks import, stays this one.
            runpy.run_module(name, run_name="__main__")
    except UserError as error:
        logging.getLogger().error("%s", error)
        return 2
    return 0


def _register() -> None:
    host.register()
    # The ASR task imports what this needs, so that it costs nothing more.
    host.register_ssl()
    host.register_lm()


if __name__ == "__main__":
    sys.exit(main())
if __name__ == "__mp_main__":
    _register()
