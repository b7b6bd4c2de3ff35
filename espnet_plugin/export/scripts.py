"""The scripts of an export: copying them into its folder, and importing them there."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["RUNNERS", "copy_script", "load_script"]

RUNNERS = Path(__file__).parent / "runners"
_PARTS = RUNNERS / "script_parts.py"


def copy_script(script: Path, folder: Path) -> None:
    """Copy a script, and what the scripts share, into the folder of an export."""
    for path in (script, _PARTS):
        shutil.copy(path, folder / path.name)


def load_script(script: Path) -> ModuleType:
    """Import a script of an export from its folder."""
    writes = sys.dont_write_bytecode  # scripts set it
    sys.path.insert(0, str(script.parent))
    sys.modules.pop(_PARTS.stem, None)  # that of another export
    try:
        spec = importlib.util.spec_from_file_location(script.stem, script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.dont_write_bytecode = writes
        sys.modules.pop(_PARTS.stem, None)
        sys.path.remove(str(script.parent))
