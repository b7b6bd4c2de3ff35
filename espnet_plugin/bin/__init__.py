"""One thin command-line module for each stage; it contains no logic."""

import sys

from espnet_plugin.harmless import quiet_attention_import


def _quiet_interrupt(kind, error, trace, otherwise=sys.excepthook) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted; run the same command again to resume", file=sys.stderr)
    else:
        otherwise(kind, error, trace)


# For the seconds in which ESPnet is imported, before ``run_command`` can catch it.
sys.excepthook = _quiet_interrupt
quiet_attention_import()
