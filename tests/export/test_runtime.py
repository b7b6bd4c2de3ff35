"""Packages that are missing or damaged, as a device or a user may have them."""

import sys

import pytest

from espnet_plugin.errors import UserError
from espnet_plugin.export.runtime import check_packages


def test_missing_and_damaged_packages(tmp_path, monkeypatch):
    check_packages("json")
    with pytest.raises(UserError, match="not_there and nor_there must be installed"):
        check_packages("json", "not_there", "nor_there")
    (tmp_path / "damaged_package.py").write_text("raise ImportError('libx.so.1')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(UserError, match="damaged_package is installed, but cannot be"):
        check_packages("json", "damaged_package")
