// Runs on the browser's audio thread: the microphone's blocks become frames of mu-law.

import { Downsampler, Framer } from "./mulaw.js";

class MulawProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.downsampler = new Downsampler(sampleRate);
    this.framer = new Framer((frame) => this.port.postMessage(frame, [frame.buffer]));
  }

  process([input]) {
    if (input.length) this.framer.take(this.downsampler.take(input[0]));
    return true;
  }
}

registerProcessor("mulaw", MulawProcessor);
