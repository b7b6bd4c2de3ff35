"""Versions of the packages that an export was made and checked with."""

import importlib.metadata
from typing import Optional

__all__ = ["PACKAGES", "package_versions", "version_of"]

PACKAGES = (
    *("espnet_plugin", "espnet", "torch"),
    *("onnx", "onnxruntime", "sherpa-onnx"),
)


def version_of(package: str) -> Optional[str]:
    """Return the version of an installed package; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def package_versions() -> dict[str, str]:
    """Return the versions of those `PACKAGES` that are installed."""
    versions = {name: version_of(name) for name in PACKAGES}
    return {name: found for name, found in versions.items() if found}
