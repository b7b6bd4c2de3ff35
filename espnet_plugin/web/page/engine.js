// Calls to the worker as promises.

/** The recogniser as the page sees it. */
export class Engine {
  /** @param {(text: string) => void} onPartial called with text that is not final */
  constructor(onPartial) {
    this.waiting = new Map();
    this.next = 0;
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => {
      if (data.type === "partial") {
        onPartial(data.text);
        return;
      }
      const { resolve, reject } = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.type === "error") reject(new Error(data.message));
      else resolve({ result: data.result, seconds: data.busy / 1000 });
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error(`The recogniser stopped: ${event.message ?? "it could not be loaded"}`);
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
  }

  call(type, more = {}) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ type, id, ...more });
    });
  }

  load(entry) {
    return this.call("load", { entry });
  }

  /** Recognise a recording; resolves to its parts and the seconds of computing. */
  async recognise(samples) {
    await this.call("begin");
    return this.call("recognise", { samples });
  }
}
