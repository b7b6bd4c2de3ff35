// What the first bytes of a sound file say, and a recording as a WAV file.

// What programs that write into a pipe put where the length should stand.
const UNKNOWN_LENGTH = 0x7fff0000;

// An Ogg page is at most so long.
const OGG_PAGE = 65307;
const OGG_LAST = 4;
// The decoder leaves out what the encoder has put before and after the sound.
const MP3_MARGIN_FRAMES = 4;
const MP3_RATES = [44100, 48000, 32000];

/**
 * Return the sampling rate of a WAV or FLAC file, null for others.
 *
 * A browser resamples by a filter of its own whatever it decodes. With the rate known it
 * is asked for that very rate, and the page resamples as the Python program does.
 *
 * @param {ArrayBuffer} bytes
 * @returns {{rate: ?number, missing: number, empty: boolean, cut: boolean,
 *     seconds: ?number}} `missing`: bytes of samples that a WAV file announces and does
 *     not have; `empty`: it announces none; `cut`: an Ogg file has lost its end;
 *     `seconds`: what a FLAC or MP3 file announces, if it does
 */
export function readHeader(bytes) {
  const view = new DataView(bytes);
  const found = { rate: null, missing: 0, empty: false, cut: false, seconds: null };
  const name = nameAt(view, 0);
  if (name === "fLaC" && view.byteLength >= 26) return { ...found, ...readFlac(view) };
  if (name === "RIFF" && nameAt(view, 8) === "WAVE") return { ...found, ...readWave(view) };
  if (name === "OggS") return { ...found, cut: !oggEnds(view) };
  return { ...found, seconds: mp3Seconds(view) };
}

function readFlac(view) {
  const rate = view.getUint32(18) >>> 12;
  const samples = (view.getUint8(21) & 15) * 2 ** 32 + view.getUint32(22);
  return { rate, seconds: samples && rate ? samples / rate : null };
}

/** Tell whether the last page is whole, and marked as the last one. */
function oggEnds(view) {
  const end = view.byteLength;
  for (let place = end - 27; place >= Math.max(0, end - 2 * OGG_PAGE); place--) {
    if (nameAt(view, place) !== "OggS") continue;
    const count = view.getUint8(place + 26);
    let size = 27 + count;
    if (place + size > end) return false;
    for (let i = 0; i < count; i++) size += view.getUint8(place + 27 + i);
    return place + size <= end && (view.getUint8(place + 5) & OGG_LAST) !== 0;
  }
  return false;
}

/** Return the least duration that an MP3 file announces in its first frame, or null. */
function mp3Seconds(view) {
  let place = 0;
  if (nameAt(view, 0).startsWith("ID3") && view.byteLength >= 10) {
    const size = [6, 7, 8, 9].reduce((sum, i) => sum * 128 + view.getUint8(i), 0);
    place = 10 + size;
  }
  if (place + 48 > view.byteLength || view.getUint16(place) < 0xffe0) return null;
  const version = (view.getUint8(place + 1) >> 3) & 3; // 3: MPEG 1, 2: MPEG 2, 0: 2.5
  const rate = MP3_RATES[(view.getUint8(place + 2) >> 2) & 3] >> (version === 3 ? 0 : version === 2 ? 1 : 2);
  const mono = view.getUint8(place + 3) >> 6 === 3;
  const tag = place + 4 + (version === 3 ? (mono ? 17 : 32) : mono ? 9 : 17);
  if (!["Xing", "Info"].includes(nameAt(view, tag)) || !(view.getUint32(tag + 4) & 1)) return null;
  const frames = view.getUint32(tag + 8) - MP3_MARGIN_FRAMES;
  return rate ? (Math.max(0, frames) * (version === 3 ? 1152 : 576)) / rate : null;
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
