"""Run a module of ESPnet with this plugin's classes registered.

An unmodified ``asr.sh`` trains and decodes models of this plugin with

    ./run.sh --python "python3 -m espnet_plugin.launch" --asr_config conf/my_encrl.yaml

because it calls ``${python} -m espnet2.bin.asr_train`` and similar commands. The
arguments are those of ``python3``: ``-m module options`` or ``script options``.

ESPnet has no entry points, so the classes must be registered in every process that
builds a model. This includes spawned ranks (several GPUs). Before a rank unpickles its
work, Python imports the parent's main module again, under the name ``__mp_main__``.
That module is this one, not the module that it runs, and so every rank registers the
classes too.
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

# Modules that build no model. They run without registration, which would import ESPnet
# for many seconds; asr.sh calls some of them dozens of times.
LIGHT = {
    "espnet2.bin.aggregate_stats_dirs",
    "espnet2.bin.launch",
    "espnet2.bin.pack",
    "espnet2.bin.split_scps",
    "espnet2.bin.tokenize_text",
}


def main(cmd: Optional[Sequence[str]] = None) -> int:
    """Register the classes, then run a module or script.

    Args:
        cmd: ``-m module options...`` or ``script options...``.

    Returns:
        The exit status: 2 after a ``UserError``, as for the commands of this plugin. If
        the module calls ``sys.exit``, ``SystemExit`` is passed on.
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
            # A warning of typeguard about functions that it cannot find in a main
            # module.
            warnings.filterwarnings("ignore", "instrumentor did not find the target")
            # Without alter_sys, so that this remains the main module, which ranks
            # import.
            runpy.run_module(name, run_name="__main__")
    except UserError as error:
        logging.getLogger().error("%s", error)
        return 2
    return 0


def _register() -> None:
    host.register()
    # The ASR task imports the same modules, so this takes no extra time.
    host.register_ssl()
    host.register_lm()


if __name__ == "__main__":
    sys.exit(main())
if __name__ == "__mp_main__":
    _register()
