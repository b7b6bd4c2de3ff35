"""Whether files that are mixed into the training audio fit it.

ESPnet 202611 mixes the files of ``noise_scp`` and ``rir_scp`` as they are: at another
sampling rate they are played at the wrong speed (findings/espnet_noise_rate.sh), and
the delay of a room response moves the speech (findings/espnet_rir_delay.sh).
"""

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from espnet_plugin.data.front_end import sampling_rate
from espnet_plugin.errors import UserError

__all__ = ["check_mixed_audio"]

# Collections have up to 60 000 responses; a wrong rate is that of all or of many.
_MOST_FILES = 500
_SHORT_DELAY = 0.005  # seconds: the frames of features are 10 ms apart


def check_mixed_audio(args: argparse.Namespace) -> None:
    """Check noises and room responses against the rate of the model.

    At most 500 files of each list are opened. A response whose direct sound comes late
    is logged as a warning.

    Args:
        args: Options of an ESPnet training.

    Raises:
        UserError: If a list or a file cannot be read, or a file has another sampling
            rate than the model's front end; it names both.
    """
    options = [o for o in ("noise_scp", "rir_scp") if getattr(args, o, None)]
    if not options:  # other trainings may have front ends whose rate is not stated
        return
    rate = sampling_rate(vars(args), "the training configuration")
    for option in options:
        for file in _listed(getattr(args, option), option):
            where = f"{option}: {file}"
            try:
                found = soundfile.info(str(file)).samplerate
            except (OSError, RuntimeError) as error:
                raise UserError(f"{where}: cannot be read: {error}") from error
            if rate is not None and found != rate:
                raise UserError(
                    f"{where}: has {found} Hz, but the model takes {rate} Hz, and "
                    "ESPnet would mix it at the wrong speed: convert the files of this "
                    f"list to {rate} Hz first"
                )
    _warn_of_delays(args)


def _warn_of_delays(args: argparse.Namespace) -> None:
    option = "rir_scp"
    files = _listed(getattr(args, option, None), option)
    delays = {file: _delay(file) for file in files}
    latest = max(delays, key=delays.__getitem__, default=None)
    if latest is not None and delays[latest] > _SHORT_DELAY:
        logging.warning(
            f"{option}: the direct sound of {latest} comes "
            f"{1000 * delays[latest]:.0f} ms after its beginning: ESPnet moves the "
            "speech by this time, and cuts off as much at its end. Cut the responses "
            "at their maximum"
        )


def _delay(file: Path) -> float:
    """Return the time of a response's maximum, over all channels, in seconds."""
    response, rate = soundfile.read(str(file), always_2d=True)
    return int(np.abs(response).max(1).argmax()) / rate if response.size else 0.0


def _listed(lists: object, option: str) -> Iterator[Path]:
    """Yield the files of one or more lists, as ESPnet reads them."""
    if lists is None:
        return
    names = lists if isinstance(lists, (list, tuple)) else [lists]
    files: list[str] = []
    for name in names:
        try:
            lines = Path(str(name)).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserError(f"{option} {name}: cannot be read: {error}") from error
        files += [line.split(maxsplit=1)[-1].strip() for line in lines if line.strip()]
    yield from map(Path, _spread(files))


def _spread(files: Sequence[str]) -> Sequence[str]:
    """Return at most so many files, from the whole list."""
    return files[:: max(1, -(-len(files) // _MOST_FILES))]
