// ONNX files in onnxruntime-web: one thread of WebAssembly, so the server needs to send
// no special headers.

import * as ort from "./onnxruntime/ort.js";

ort.env.wasm.numThreads = 1;
ort.env.wasm.proxy = false;
ort.env.wasm.wasmPaths = { wasm: new URL("./onnxruntime/ort.wasm", import.meta.url).href };
ort.env.logLevel = "error";

/** A file that was loaded. */
export class Network {
  constructor(session) {
    this.session = session;
  }

  static async load(path) {
    const url = new URL(path, import.meta.url);
    const response = await fetch(url).catch(() => null);
    if (!response?.ok) throw new Error(`${url.pathname} cannot be fetched from the server`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
    return new Network(await ort.InferenceSession.create(bytes, options));
  }

  /** Return the outputs by name. */
  run(feeds) {
    return this.session.run(feeds);
  }

  release() {
    return this.session.release();
  }
}

export const floats = (data, shape) => new ort.Tensor("float32", data, shape);
export const integers = (numbers, shape) =>
  new ort.Tensor("int64", BigInt64Array.from(numbers, BigInt), shape);
