// The microphone as blocks of samples at the model's rate.

import { PageError } from "./errors.js";
import { Resampler } from "./resample.js";

const PATIENCE_MS = 2000;

const REASONS = {
  NotAllowedError:
    "The microphone may not be used. Allow it for this page in the browser's address bar, then try again.",
  NotFoundError: "No microphone was found. Connect one, then try again.",
  NotReadableError: "The microphone cannot be opened. Another program may be using it.",
};

/** Listens until it is stopped. */
export class Microphone {
  constructor(stream, context, node, finished) {
    this.stream = stream;
    this.context = context;
    this.node = node;
    this.finished = finished;
  }

  /**
   * @param {number} rate wanted rate in Hz
   * @param {(samples: Float32Array) => void} onBlock called ten times a second
   */
  static async open(rate, onBlock) {
    const stream = await permission();
    const { context, source } = await connect(stream, rate);
    await context.audioWorklet.addModule(new URL("./capture.js", import.meta.url));
    const node = new AudioWorkletNode(context, "capture", {
      channelCount: 1,
      channelCountMode: "explicit",
    });
    const resampler = context.sampleRate === rate ? null : new Resampler(context.sampleRate, rate);
    const finished = new Promise((resolve) => {
      node.port.onmessage = ({ data }) => {
        if (data) onBlock(resampler ? resampler.push(data) : data);
        else resolve(resampler ? onBlock(resampler.finish()) : undefined);
      };
    });
    // It writes nothing to its output: connected, it is run; heard it is not.
    source.connect(node).connect(context.destination);
    await context.resume();
    return new Microphone(stream, context, node, finished);
  }

  /** Stop; resolves once the last block was handed over. */
  async close() {
    this.node.port.postMessage("stop");
    // The audio thread does not answer where the system has taken the microphone away.
    await Promise.race([this.finished, new Promise((done) => setTimeout(done, PATIENCE_MS))]);
    this.stream.getTracks().forEach((track) => track.stop());
    await this.context.close();
  }
}

async function permission() {
  if (!navigator.mediaDevices) {
    throw new PageError(
      "Browsers give the microphone to pages from https or from this computer (localhost) only. Files work here.",
    );
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        // Made for telephone calls; models are trained without.
        echoCancellation: false,
        noiseSuppression: false,
        autoGainControl: false,
      },
    });
  } catch (error) {
    throw new PageError(REASONS[error.name] ?? `The microphone cannot be used: ${error.message}`);
  }
}

/** Let the browser resample; where it refuses to (Firefox), do it here. */
async function connect(stream, rate) {
  for (const options of [{ sampleRate: rate }, {}]) {
    const context = new AudioContext(options);
    try {
      return { context, source: context.createMediaStreamSource(stream) };
    } catch (error) {
      await context.close();
      if (!("sampleRate" in options)) throw error;
    }
  }
}
