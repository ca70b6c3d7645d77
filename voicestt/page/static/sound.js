// Where the sound of a trial comes from: the microphone, or a file in real time; either as frames of mu-law.

import { FRAME, Framer, RATE } from "./mulaw.js";

const TICK_MS = 20;

/** Listen to the microphone until the function that this gives is called. */
export async function microphone(send) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, autoGainControl: true } });
  const context = new AudioContext();
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("./mulaw_worklet.js", import.meta.url));
    const worklet = new AudioWorkletNode(context, "mulaw", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    worklet.port.onmessage = ({ data }) => send(data);
    context.createMediaStreamSource(stream).connect(worklet);
  } catch (problem) {
    stop();
    throw problem;
  }
  return stop;
}

/** Play a file to `send` as fast as it is spoken, then call `done`. The browser decodes and resamples it. */
export async function file(dropped, send, done) {
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await dropped.arrayBuffer());
  const frames = [];
  const framer = new Framer((frame) => frames.push(frame));
  framer.take(mixed(sound));
  framer.take(new Float32Array(FRAME)); // fills the last frame up
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    for (const due = (performance.now() - began) / TICK_MS; sent < Math.min(due, frames.length); sent++) send(frames[sent]);
    if (sent < frames.length) return;
    clearInterval(timer);
    done();
  }, TICK_MS);
  return () => clearInterval(timer);
}

function mixed(sound) {
  const channels = Array.from({ length: sound.numberOfChannels }, (_, i) => sound.getChannelData(i));
  return channels[0].map((_, at) => channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length);
}
