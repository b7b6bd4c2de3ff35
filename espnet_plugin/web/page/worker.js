// The recogniser in a thread of its own, so that the page stays usable meanwhile.

import { StreamRecogniser } from "./stream.js";
import { WholeRecogniser } from "./whole.js";

const BLOCK_SECONDS = 0.1;

let model = null;
let recogniser = null;
let busy = 0; // milliseconds of computing for the current recording

async function load(entry) {
  await recogniser?.release();
  recogniser = null;
  model = entry;
  const kind = model.streaming ? StreamRecogniser : WholeRecogniser;
  const loaded = await kind.load(model);
  await loaded.warmUp();
  recogniser = loaded;
}

async function whole(samples, id) {
  const parts = await recogniser.recognise(samples, (done) => {
    const text = done.map((part) => part.text).filter(Boolean).join(" ");
    self.postMessage({ id, type: "partial", text });
  });
  return parts;
}

async function block(samples, last, id) {
  const found = await recogniser.accept(samples, last);
  self.postMessage({ id, type: "partial", text: found.text });
  return found;
}

/** Feed a file to a streaming model as if it were spoken, as fast as it goes. */
async function streamed(samples, id) {
  const size = Math.max(1, Math.round(model.sample_rate * BLOCK_SECONDS));
  for (let place = 0; place < samples.length; place += size) {
    await block(samples.subarray(place, place + size), false, id);
  }
  return ending(id);
}

async function ending(id) {
  const end = recogniser.heard / model.sample_rate;
  const found = await block(new Float32Array(0), true, id);
  return end ? [{ start: 0, end, ...found }] : [];
}

const handlers = {
  load: ({ entry }) => load(entry),
  begin: () => {
    busy = 0;
    recogniser.reset?.();
  },
  block: async ({ samples, id }) => void (await block(samples, false, id)),
  end: ({ id }) => ending(id),
  recognise: ({ samples, id }) => (model.streaming ? streamed(samples, id) : whole(samples, id)),
};

let queue = Promise.resolve();
self.onmessage = ({ data }) => {
  queue = queue.then(async () => {
    const started = performance.now();
    try {
      const result = await handlers[data.type](data);
      busy += performance.now() - started;
      self.postMessage({ id: data.id, type: "done", result, busy });
    } catch (error) {
      self.postMessage({ id: data.id, type: "error", message: String(error?.message ?? error) });
    }
  });
};
