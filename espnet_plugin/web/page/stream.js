// A model that hears while one speaks, chunk by chunk: what the script recognise.py of
// the exported folder does (espnet_plugin/export/streaming/recognise.py).

import { tokenConfidence } from "./confidence.js";
import { RunningBestPath } from "./ctc.js";
import { Network, floats, integers } from "./network.js";
import { joined } from "./resample.js";
import { textOf, timedWords } from "./words.js";

/** Samples in, text out; what has come out only grows. */
export class StreamRecogniser {
  constructor(model, frontEnd, chunk) {
    this.model = model;
    this.frontEnd = frontEnd;
    this.chunk = chunk;
    this.reset();
  }

  static async load(model) {
    const { front_end, chunk } = model.files;
    return new StreamRecogniser(model, await Network.load(front_end), await Network.load(chunk));
  }

  /** Do everything once: the first run is slower than those that follow. */
  async warmUp() {
    await this.accept(new Float32Array(this.model.sample_rate).fill(0.001), true);
    this.reset();
  }

  /** Begin the next utterance. */
  reset() {
    const { streaming: s, silent, temperature } = this.model;
    this.samples = new Float32Array(0);
    this.recent = this.samples;
    this.started = false;
    this.heard = 0;
    // Of the first call only the frames ahead of the first chunk are of use.
    this.fetch = s.look_ahead_frames > 0;
    const empty = this.fetch ? s.shift - s.look_ahead_frames * s.stride : 0;
    this.features = new Float32Array(empty * s.features);
    this.count = 0; // feature frames
    this.done = 0; // encoder frames that came out
    this.caches = Object.fromEntries(
      s.caches.map(({ name, shape }) => [
        name,
        floats(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape),
      ]),
    );
    this.path = new RunningBestPath(new Set(silent), (row, token) =>
      tokenConfidence(row, token, temperature),
    );
  }

  /**
   * Take any number of samples.
   * @param {Float32Array} samples at the model's rate
   * @param {boolean} last whether the utterance ends with them
   * @returns {Promise<{text: string, words: object[]}>} what is known by now
   */
  async accept(samples, last = false) {
    this.heard += samples.length;
    await this.addFeatures(samples, last);
    await this.runChunks(last);
    const seconds = this.heard / this.model.sample_rate;
    const words = timedWords(this.path.spans, this.model, 0, seconds);
    return { text: textOf(words), words };
  }

  async runChunks(last) {
    const s = this.model.streaming;
    const size = s.frames * s.features;
    const reach = s.chunk_frames + s.look_ahead_frames;
    const total = Math.max(Math.floor((this.count - s.span) / s.stride) + 1, 0);
    while (this.features.length >= size || (last && this.done < total)) {
      const part = new Float32Array(size);
      part.set(this.features.subarray(0, size));
      this.features = this.features.slice(s.shift * s.features);
      const present = Math.min(total - this.done, reach);
      const found = await this.chunk.run({
        features: floats(part, [1, s.frames, s.features]),
        before: integers([Math.min(this.done, s.left_context_frames)], []),
        present: integers([present], []),
        ...this.caches,
      });
      if (this.fetch) {
        this.caches.frames = found.next_frames;
        this.fetch = false;
        continue;
      }
      for (const name in this.caches) this.caches[name] = found[`next_${name}`];
      const { data, dims } = found.log_probs;
      const frames = Math.min(s.chunk_frames, present);
      this.path.push({ data, frames, vocabulary: dims[1] });
      this.done += frames;
    }
  }

  async addFeatures(samples, last) {
    const f = this.model.framing;
    this.samples = joined([this.samples, samples]);
    this.recent = joined([this.recent, samples]);
    this.recent = this.recent.slice(Math.max(0, this.recent.length - f.after - f.skip));
    if (!this.started && this.samples.length >= f.least) {
      const mirrored = this.samples.slice(f.skip, f.before + f.skip).reverse();
      this.samples = joined([mirrored, this.samples]);
      this.started = true;
    }
    if (!this.started) return;
    if (last && f.after) {
      const mirrored = this.recent.slice(0, this.recent.length - f.skip).reverse();
      this.samples = joined([this.samples, mirrored]);
    }
    const frames = Math.floor((this.samples.length - f.size) / f.hop) + 1;
    if (frames < 1) return;
    const piece = this.samples.slice(0, (frames - 1) * f.hop + f.size);
    const found = await this.frontEnd.run({ samples: floats(piece, [1, piece.length]) });
    this.samples = this.samples.slice(frames * f.hop);
    this.features = joined([this.features, found.features.data]);
    this.count += frames;
  }

  async release() {
    await this.frontEnd.release();
    await this.chunk.release();
  }
}
