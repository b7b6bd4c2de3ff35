"""Run the data check on folders and read what it found."""

import json

from kaldi_corpus import RATE

from espnet_plugin.bin import check_data

__all__ = ["found_in"]


def found_in(folders, output, *options):
    """Return the exit status and the findings of the JSON file, as dictionaries."""
    cmd = [*map(str, folders), "--output_dir", str(output), "--fs", str(RATE)]
    status = check_data.main([*cmd, *map(str, options)])
    return status, json.loads((output / "check_data.json").read_text())["findings"]
