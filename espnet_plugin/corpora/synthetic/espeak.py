"""Use espeak-ng with ctypes, from the Python package ``espeakng_loader``.

The package contains the library and its data, so no system package is needed.
Source: https://github.com/espeak-ng/espeak-ng, ``src/include/espeak-ng/speak_lib.h``.
"""

import _ctypes
import ctypes
import logging
import os
import tempfile
from pathlib import Path
from typing import Optional

import numpy as np

from espnet_plugin.errors import UserError

__all__ = ["Espeak", "SAMPLE_RATE"]

logger = logging.getLogger(__name__)

SAMPLE_RATE = 22050  # Hz, of espeak-ng's own synthesis

# Constants of speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_RATE, _PITCH = 1, 3

# espeak-ng stores paths of its data files in buffers of 160 characters.
_MAX_DATA_PATH_BYTES = 110

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Espeak:
    """Synthesises utterances; the same call always gives the same samples.

    It must be used as a context manager, because it may have a temporary folder.

    Args:
        data_path: Folder ``espeak-ng-data``; the package's own by default.

    Raises:
        UserError: If the package is not installed, or the path of its data is too long.
    """

    def __init__(self, data_path: Optional[str] = None) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise UserError(
                "the Python package espeakng_loader, which contains the synthesiser, "
                "is not installed. Install it: pip install espeakng-loader"
            ) from error
        self._library_path = espeakng_loader.get_library_path()
        self._temporary: Optional[tempfile.TemporaryDirectory] = None
        self._data_path = self._short(data_path or espeakng_loader.get_data_path())
        self._variants = {
            entry.name for entry in Path(self._data_path, "voices", "!v").glob("*")
        }
        self._chunks: list[bytes] = []
        # Stored, because ctypes does not keep a reference for the library.
        self._callback = _Callback(self._collect)

    def __enter__(self) -> "Espeak":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    def say(
        self, text: str, voice: str, rate: int = 150, pitch: int = 50, seed: int = 0
    ) -> np.ndarray:
        """Synthesise ``text``.

        Args:
            text: Words.
            voice: Language and variant, such as ``en-us+f3``.
            rate: Words per minute, 80 to 450.
            pitch: Pitch from 0 to 99; 50 is the voice's own.
            seed: Seed of the breath and roughness noise.

        Returns:
            Samples of shape (samples,), int16, at :data:`SAMPLE_RATE`.

        Raises:
            UserError: If the library does not start, the voice is unknown, or there is
            no audio.
        """
        # espeak-ng silently ignores an unknown variant and uses the plain voice.
        variant = voice.partition("+")[2]
        if variant and variant not in self._variants:
            raise UserError(
                f"voice {voice!r}: no variant {variant!r}; choose from "
                f"{', '.join(sorted(self._variants))}"
            )
        # The library keeps the phases of its oscillators between utterances, even after
        # its terminate function. Loading it again (9 ms) resets them.
        library = ctypes.CDLL(self._library_path)
        try:
            return self._say(library, text, voice, rate, pitch, seed)
        finally:
            library.espeak_Terminate()
            _ctypes.dlclose(library._handle)

    def _say(
        self,
        library: ctypes.CDLL,
        text: str,
        voice: str,
        rate: int,
        pitch: int,
        seed: int,
    ) -> np.ndarray:
        started = library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            200,
            os.fsencode(self._data_path),
            _INITIALIZE_DONT_EXIT,
        )
        if started != SAMPLE_RATE:
            raise UserError(
                f"espeak-ng does not start with its data in {self._data_path} (return "
                f"code {started}); reinstall the package espeakng-loader"
            )
        library.espeak_SetSynthCallback(self._callback)
        # Without a seed the clock is used. The function exists since espeak-ng 1.52.
        if hasattr(library, "espeak_ng_SetRandSeed"):
            library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        else:
            logger.warning(
                "this espeak-ng cannot be seeded: audio will differ from run to run"
            )
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UserError(
                f"voice {voice!r}: espeak-ng has no such language; it has, among "
                "others, en-us, en, en-gb-x-rp and en-gb-scotland"
            )
        library.espeak_SetParameter(_RATE, rate, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        self._chunks.clear()
        encoded = text.encode()
        library.espeak_Synth(
            encoded,
            ctypes.c_size_t(len(encoded) + 1),
            0,
            1,
            0,
            _CHARS_UTF8,
            None,
            None,
        )
        samples = np.frombuffer(b"".join(self._chunks), dtype=np.int16)
        if not samples.any():
            raise UserError(
                f"espeak-ng produced no audio for {text!r} in voice {voice!r}"
            )
        return samples

    def _collect(self, wave: object, num_samples: int, events: object) -> int:
        if wave and num_samples > 0:
            self._chunks.append(ctypes.string_at(wave, 2 * num_samples))
        return 0

    def _short(self, data_path: str) -> str:
        if len(os.fsencode(data_path)) <= _MAX_DATA_PATH_BYTES:
            return data_path
        for parent in (None, "/tmp"):
            temporary = tempfile.TemporaryDirectory(prefix="espeak", dir=parent)
            link = os.path.join(temporary.name, "espeak-ng-data")
            if len(os.fsencode(link)) <= _MAX_DATA_PATH_BYTES:
                os.symlink(os.path.abspath(data_path), link)
                self._temporary = temporary
                return link
            temporary.cleanup()
        raise UserError(
            f"espeak-ng takes data paths of at most {_MAX_DATA_PATH_BYTES} "
            f"characters, and {data_path} is longer: set TMPDIR to a short path"
        )
