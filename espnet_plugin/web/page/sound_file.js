// What the first bytes of a sound file say, and a recording as a WAV file.

// What programs that write into a pipe put where the length should stand.
const UNKNOWN_LENGTH = 0x7fff0000;

/**
 * Return the sampling rate of a WAV or FLAC file, null for others.
 *
 * A browser resamples by a filter of its own whatever it decodes. With the rate known it
 * is asked for that very rate, and the page resamples as the Python program does.
 *
 * @param {ArrayBuffer} bytes
 * @returns {{rate: ?number, missing: number, empty: boolean}} `missing`: bytes of samples
 *     that a WAV file announces and does not have; `empty`: it announces none
 */
export function readHeader(bytes) {
  const view = new DataView(bytes);
  if (nameAt(view, 0) === "fLaC" && view.byteLength >= 21) {
    return { rate: view.getUint32(18) >>> 12, missing: 0, empty: false };
  }
  if (nameAt(view, 0) === "RIFF" && nameAt(view, 8) === "WAVE") return readWave(view);
  return { rate: null, missing: 0, empty: false };
}

function readWave(view) {
  let rate = null;
  for (let place = 12; place + 8 <= view.byteLength; ) {
    const [name, size] = [nameAt(view, place), view.getUint32(place + 4, true)];
    if (name === "fmt " && place + 16 <= view.byteLength) {
      rate = view.getUint32(place + 12, true);
    }
    if (name === "data") {
      const there = view.byteLength - place - 8;
      const missing = size < UNKNOWN_LENGTH ? Math.max(0, size - there) : 0;
      return { rate, missing, empty: size === 0 };
    }
    place += 8 + size + (size % 2);
  }
  return { rate, missing: 0, empty: true };
}

function nameAt(view, place) {
  if (place + 4 > view.byteLength) return "";
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(place + i)));
}

/** Return samples as a WAV file of 32-bit floats: exactly what was recognised. */
export function waveFile(samples, rate) {
  const header = new DataView(new ArrayBuffer(44));
  const name = (place, text) =>
    [...text].forEach((letter, i) => header.setUint8(place + i, letter.charCodeAt(0)));
  const size = 4 * samples.length;
  name(0, "RIFF");
  header.setUint32(4, 36 + size, true);
  name(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 3, true); // floats
  header.setUint16(22, 1, true);
  header.setUint32(24, rate, true);
  header.setUint32(28, 4 * rate, true);
  header.setUint16(32, 4, true);
  header.setUint16(34, 32, true);
  name(36, "data");
  header.setUint32(40, size, true);
  return new Blob([header, samples], { type: "audio/wav" });
}
