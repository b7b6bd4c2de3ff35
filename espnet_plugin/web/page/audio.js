// A sound file as samples of one channel at the model's rate.
// Refuses and notes the same as espnet_plugin/recognise/audio.py.

import { PageError } from "./errors.js";
import { resample } from "./resample.js";
import { readHeader } from "./sound_file.js";

const CANCELLED = 0.02;
// Of what a header announces.
const LEAST_SHARE = 0.98;

/**
 * Decode a file.
 * @param {File} file
 * @param {number} wanted the model's rate in Hz
 * @returns {Promise<{samples: Float32Array, notes: string[]}>}
 */
export async function readAudio(file, wanted) {
  const bytes = await file.arrayBuffer();
  const name = file.name;
  if (!bytes.byteLength) throw new PageError(`${name} is empty (0 bytes). Record or copy it again.`);
  const { rate, missing, empty, cut, seconds } = readHeader(bytes);
  if (empty) throw new PageError(`${name} has no samples. Record or copy it again.`);
  if (missing) {
    throw new PageError(
      `${name} is truncated: ${missing} bytes of audio that its header announces are ` +
        "missing. Copy or record it again.",
    );
  }
  const lost = `${name} is truncated: its end is missing. Copy or record it again.`;
  if (cut) throw new PageError(lost);
  const decoded = await decode(bytes, name, rate ?? wanted);
  if (decoded.duration < LEAST_SHARE * seconds) throw new PageError(lost);
  const notes = [];
  const samples = oneChannel(decoded, name, notes);
  if (decoded.sampleRate === wanted) return { samples, notes };
  notes.push(resampledNote(decoded.sampleRate, wanted));
  return { samples: resample(samples, decoded.sampleRate, wanted), notes };
}

async function decode(bytes, name, rate) {
  let context;
  try {
    context = new OfflineAudioContext(1, 1, rate);
  } catch (error) {
    throw new PageError(`${name} has a sampling rate of ${rate} Hz, which this browser does not take. Convert it.`);
  }
  let decoded;
  try {
    decoded = await context.decodeAudioData(bytes);
  } catch {
    throw new PageError(
      `${name} cannot be read as audio by this browser. Choose a WAV, FLAC, MP3 or OGG file, or convert it.`,
    );
  }
  if (!decoded.length) throw new PageError(`${name} has no samples. Record or copy it again.`);
  return decoded;
}

function oneChannel(decoded, name, notes) {
  const count = decoded.numberOfChannels;
  const channels = Array.from({ length: count }, (_, c) => decoded.getChannelData(c));
  const mono = new Float32Array(decoded.length);
  let powerOfMean = 0;
  let meanPower = 0;
  for (let i = 0; i < mono.length; i++) {
    let [sum, power] = [0, 0];
    for (const channel of channels) {
      sum += channel[i];
      power += channel[i] ** 2;
    }
    if (!Number.isFinite(sum)) {
      const second = (i / decoded.sampleRate).toFixed(3);
      throw new PageError(`${name} holds a sample that is no number at ${second} s. Convert it to 16-bit samples.`);
    }
    mono[i] = sum / count;
    powerOfMean += mono[i] ** 2;
    meanPower += power / count;
  }
  if (powerOfMean < CANCELLED * meanPower) {
    throw new PageError(
      `The ${count} channels of ${name} cancel each other (opposite sign). Save one channel as a file and choose that.`,
    );
  }
  if (count > 1) notes.push(`The mean of its ${count} channels was taken.`);
  return mono;
}

function resampledNote(rate, wanted) {
  const note = `Resampled from ${rate} to ${wanted} Hz.`;
  if (rate > wanted) return note;
  return (
    `${note} The file has nothing above ${Math.floor(rate / 2)} Hz, where the model ` +
    "expects speech, so more errors are likely."
  );
}
