// Sound as telephones carry it: samples of any rate to 8,000 a second, each a byte of mu-law (ITU-T G.711).

export const RATE = 8000;
export const FRAME = 160; // bytes of 20 ms, as Twilio sends them

const BIAS = 33;
const CLIP = 8158;

/** One sample (-1 to 1) as a byte of mu-law: sign, three bits of exponent, four of mantissa, all inverted. */
export function encoded(sample) {
  const linear = Math.round(Math.max(-1, Math.min(1, sample)) * 8159);
  const magnitude = Math.min(CLIP, Math.abs(linear)) + BIAS;
  const exponent = Math.max(0, 26 - Math.clz32(magnitude));
  const mantissa = (magnitude >> (exponent + 1)) & 15;
  return ~((linear < 0 ? 128 : 0) | (exponent << 4) | mantissa) & 255;
}

const LOBES = 12; // zero crossings of the filter on each side
const FINE = 256; // entries of its table for each of them
const CUTOFF = 0.92; // of half the lower rate

/** A windowed sinc: what is above the telephone's band must go before samples are left out. */
const KERNEL = Float64Array.from({ length: LOBES * FINE + 1 }, (_, i) => {
  const x = i / FINE;
  const window = 0.5 + 0.5 * Math.cos((Math.PI * x) / LOBES);
  return window * CUTOFF * (x === 0 ? 1 : Math.sin(Math.PI * CUTOFF * x) / (Math.PI * CUTOFF * x));
});

/** Turns blocks of samples at `rate` into blocks at 8,000, without a seam between them. */
export class Downsampler {
  constructor(rate) {
    this.step = rate / RATE;
    this.stretch = Math.max(1, this.step);
    this.reach = Math.ceil(LOBES * this.stretch);
    this.kept = new Float32Array(this.reach); // silence before the first sample
    this.position = this.reach;
  }

  /** The samples that can be told by now; the last few wait for those that come after them. */
  take(block) {
    const samples = new Float32Array(this.kept.length + block.length);
    samples.set(this.kept);
    samples.set(block, this.kept.length);
    const made = [];
    for (; this.position + this.reach < samples.length; this.position += this.step) made.push(this._at(samples));
    const from = Math.max(0, Math.floor(this.position) - this.reach);
    this.kept = samples.slice(from);
    this.position -= from;
    return made;
  }

  _at(samples) {
    const middle = this.position;
    let sum = 0;
    for (let i = Math.ceil(middle - this.reach); i <= middle + this.reach; i++) {
      const index = Math.round((Math.abs(i - middle) / this.stretch) * FINE);
      if (index < KERNEL.length && i >= 0) sum += samples[i] * KERNEL[index];
    }
    return sum / this.stretch;
  }
}

/** Cuts samples into frames of 20 ms of mu-law. */
export class Framer {
  constructor(send) {
    this.send = send;
    this.frame = new Uint8Array(FRAME);
    this.filled = 0;
  }

  take(samples) {
    for (const sample of samples) {
      this.frame[this.filled++] = encoded(sample);
      if (this.filled < FRAME) continue;
      this.send(this.frame);
      this.frame = new Uint8Array(FRAME);
      this.filled = 0;
    }
  }
}
