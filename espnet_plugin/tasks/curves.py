"""ESPnet's training curves, which need packages that may be missing."""

from importlib.util import find_spec

# ESPnet's trainer imports these by default; espnet[asr] (202611) installs neither.
_PACKAGES = {"use_tensorboard": "tensorboard", "use_matplotlib": "matplotlib"}


def leave_out_curves(args) -> list[str]:
    """Set the options of curves that cannot be drawn to False.

    Args:
        args: ESPnet's parsed options; changed in place.

    Returns:
        The packages that were asked for and are not installed.
    """
    missing = []
    for option, package in _PACKAGES.items():
        if getattr(args, option) and find_spec(package) is None:
            setattr(args, option, False)
            missing.append(package)
    return missing
