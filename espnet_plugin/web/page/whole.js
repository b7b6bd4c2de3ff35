// A model that hears whole utterances.

import { tokenConfidence } from "./confidence.js";
import { align, bestPath } from "./ctc.js";
import { Network, floats, integers } from "./network.js";
import { split } from "./segments.js";
import { textOf, timedWords } from "./words.js";

/** Recognises a recording, cut into pieces where it is long. */
export class WholeRecogniser {
  constructor(model, network) {
    this.model = model;
    this.network = network;
    this.silent = new Set(model.silent);
  }

  static async load(model) {
    return new WholeRecogniser(model, await Network.load(model.files.model));
  }

  /** Do everything once: the first run is slower than those that follow. */
  async warmUp() {
    await this.logProbs(new Float32Array(this.model.sample_rate).fill(0.001));
  }

  /**
   * @param {Float32Array} samples at the model's rate
   * @param {(parts: object[]) => void} onPart called after each piece
   * @returns {Promise<object[]>} pieces with start, end, text, words and score
   */
  async recognise(samples, onPart = () => {}) {
    const { sample_rate: rate, max_segment_seconds: most } = this.model;
    const parts = [];
    for (const piece of split(samples, rate, most)) {
      parts.push(await this.part(piece, rate));
      onPart(parts);
    }
    return parts;
  }

  async part(piece, rate) {
    const start = piece.start / rate;
    const end = (piece.start + piece.samples.length) / rate;
    const logProbs = await this.logProbs(piece.samples);
    const { data, vocabulary } = logProbs;
    const { tokens, score } = bestPath(logProbs, this.silent);
    const spans = align(logProbs, tokens, this.model.blank).map((span) => {
      const row = data.subarray(span.peak * vocabulary, (span.peak + 1) * vocabulary);
      return { ...span, sure: tokenConfidence(row, span.token, this.model.temperature) };
    });
    const words = timedWords(spans, this.model, start, end);
    return { start, end, text: textOf(words), words, score };
  }

  async logProbs(samples) {
    const [forSamples, forLengths] = this.model.inputs;
    const [ofLogProbs, ofLengths] = this.model.outputs;
    const found = await this.network.run({
      // A copy: a part of a longer array cannot be handed over as it is.
      [forSamples]: floats(samples.slice(), [1, samples.length]),
      [forLengths]: integers([samples.length], [1]),
    });
    const { data, dims } = found[ofLogProbs];
    return { data, frames: Number(found[ofLengths].data[0]), vocabulary: dims[2] };
  }

  release() {
    return this.network.release();
  }
}
