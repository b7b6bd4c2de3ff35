// Runs in the audio thread: hands the microphone's samples over in blocks.

const BLOCK_SECONDS = 0.1;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(Math.round(sampleRate * BLOCK_SECONDS));
    this.filled = 0;
    this.open = true;
    this.port.onmessage = () => {
      this.send();
      this.open = false;
      this.port.postMessage(null);
    };
  }

  send() {
    if (this.filled) this.port.postMessage(this.block.slice(0, this.filled));
    this.filled = 0;
  }

  process([[samples]]) {
    for (const sample of samples ?? []) {
      this.block[this.filled++] = sample;
      if (this.filled === this.block.length) this.send();
    }
    return this.open;
  }
}

registerProcessor("capture", Capture);
