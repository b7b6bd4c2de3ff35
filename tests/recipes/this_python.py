"""A recipe's path.sh that chooses the Python which runs the tests."""

import shlex
import sys
from pathlib import Path


def write_path_sh(folder: Path) -> None:
    """Write it. The stages themselves may still get another by ``--python``."""
    here = shlex.quote(str(Path(sys.executable).parent))
    (folder / "path.sh").write_text(f"export PATH={here}:$PATH\n")
