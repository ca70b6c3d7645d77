// Google's own client for Node, as a program: does the jobs of its argument, and prints what it hears.
//
// See ../rig.py for the jobs and the lines. `options` of a job are the fields of RecognitionConfig, `streaming` those of
// v1's StreamingRecognitionConfig or v2's StreamingRecognitionFeatures.
import { readFileSync } from "node:fs";

import speech from "@google-cloud/speech";

const recognizer = (job) => `projects/a-project/locations/${job.location}/recognizers/_`;
const EVENTS = { SPEECH_ACTIVITY_BEGIN: "speech begins", SPEECH_ACTIVITY_END: "speech ends" };

const say = (job, kind, text) => console.log(JSON.stringify([job.name, kind, text]));

const configs = {
  v1: (job) => ({ encoding: "LINEAR16", sampleRateHertz: job.rate, ...job.options }),
  v2: (job) => ({
    explicitDecodingConfig: { encoding: "LINEAR16", sampleRateHertz: job.rate, audioChannelCount: 1 },
    ...job.options,
  }),
};

function told(job, response) {
  const event = EVENTS[response.speechEventType];
  if (event) say(job, event, "");
  for (const result of response.results) {
    say(job, job.stream && !result.isFinal ? "partial" : "final", result.alternatives[0].transcript);
  }
}

const streams = {
  v1: (job, client) => client.streamingRecognize({ config: configs.v1(job), ...job.streaming }),
  v2: (job, client) => {
    const stream = client._streamingRecognize(); // the name that its own samples call: v2 has no other
    const streamingConfig = { config: configs.v2(job), streamingFeatures: job.streaming };
    stream.write({ recognizer: recognizer(job), streamingConfig });
    return stream;
  },
};

const message = { v1: (audio) => audio, v2: (audio) => ({ audio }) };

function listen(job, client, audio) {
  return new Promise((resolve, reject) => {
    const stream = streams[job.version](job, client);
    stream.on("data", (response) => told(job, response)).on("error", reject).on("end", resolve);
    const size = job.rate / 5;
    for (let start = 0; start < audio.length; start += size) {
      stream.write(message[job.version](audio.subarray(start, start + size)));
    }
    stream.end();
  });
}

const requests = {
  v1: (job, audio) => ({ config: configs.v1(job), audio: { content: audio.toString("base64") } }),
  v2: (job, content) => ({ recognizer: recognizer(job), config: configs.v2(job), content }),
};

async function recognised(job, client, request) {
  if (!job.is_long) return (await client.recognize(request))[0];
  const [operation] = await client.longRunningRecognize(request);
  return (await operation.promise())[0];
}

for (const job of JSON.parse(process.argv[2])) {
  const elsewhere = { apiEndpoint: `${job.location}-speech.googleapis.com` };
  const client = new speech[job.version].SpeechClient(job.location === "global" ? {} : elsewhere);
  const audio = readFileSync(job.audio);
  try {
    if (job.stream) await listen(job, client, audio);
    else told(job, await recognised(job, client, requests[job.version](job, audio)));
  } catch (error) {
    say(job, "error", String(error));
  }
  await client.close();
}
