// The same work in Node, for comparison: ws and @google-cloud/speech, one process, no threads of its own.
//
// Written for this purpose, after nobody's code, and as lean as the two libraries allow: batches of 150 ms, LINEAR16 made
// by table a batch at a time, partials at most every 180 ms, one line in the events file for each. It answers the same
// TwiML and writes the same events file as the real server, so that the same callers can drive both. It checks no
// signatures, retries nothing, replaces no stream, and keeps neither a journal nor audio.
//
//     GCP_STT_ENDPOINT=127.0.0.1:9000 PUBLIC_HOST=demo.example EVENTS_FILE=e.jsonl TWIML=twiml.xml node server.mjs 80
import { createWriteStream, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

import { WebSocketServer } from "ws";

const require = createRequire(import.meta.url);
const { SpeechClient } = require("@google-cloud/speech");
const grpc = require("@grpc/grpc-js");

const BATCH_BYTES = 1200; // 150 ms of mu-law
const DEBOUNCE_MS = 180;
const [endpoint, port] = process.env.GCP_STT_ENDPOINT.split(":");
const twiml = readFileSync(process.env.TWIML);
const events = createWriteStream(process.env.EVENTS_FILE, { flags: "a" });
const client = new SpeechClient({ servicePath: endpoint, port: Number(port), sslCreds: grpc.credentials.createInsecure() });

// ITU-T G.711, mu-law: sign, three bits of exponent, four of mantissa, all inverted.
const LINEAR = Int16Array.from({ length: 256 }, (_, code) => {
  const byte = ~code & 0xff;
  const size = (((byte & 0x0f) << 3) + 132) << ((byte & 0x70) >> 4);
  return byte & 0x80 ? 132 - size : size - 132;
});

const CONFIG = {
  config: {
    encoding: "LINEAR16",
    sampleRateHertz: 8000,
    languageCode: "en-US",
    model: "phone_call",
    useEnhanced: true,
  },
  interimResults: true,
};

const monotonic = () => Number(process.hrtime.bigint()) / 1e9;

class Transcriber {
  constructor(callSid) {
    this.callSid = callSid;
    this.buffered = Buffer.alloc(0);
    this.lastPartial = 0;
    this.stream = client.streamingRecognize(CONFIG);
    this.stream.on("data", (response) => response.results.forEach((result) => this.heard(result)));
    this.stream.on("error", (error) => console.log(`${callSid} failed: ${error.message}`));
  }

  take(payload) {
    const frame = Buffer.from(payload, "base64");
    this.buffered = this.buffered.length ? Buffer.concat([this.buffered, frame]) : frame;
    if (this.buffered.length >= BATCH_BYTES) {
      this.send(this.buffered.subarray(0, BATCH_BYTES));
      this.buffered = this.buffered.subarray(BATCH_BYTES);
    }
  }

  send(batch) {
    const linear = new Int16Array(batch.length);
    for (let i = 0; i < batch.length; i++) linear[i] = LINEAR[batch[i]];
    this.stream.write(Buffer.from(linear.buffer));
  }

  end() {
    if (this.buffered.length) this.send(this.buffered);
    this.stream.end();
  }

  heard(result) {
    if (!result.alternatives.length) return;
    const now = monotonic();
    if (!result.isFinal && (now - this.lastPartial) * 1000 < DEBOUNCE_MS) return;
    this.lastPartial = now;
    const kind = result.isFinal ? "final" : "partial";
    const text = result.alternatives[0].transcript;
    console.log(`${kind}: ${text}`);
    events.write(`${JSON.stringify({ call: this.callSid, kind, text, t: now })}\n`);
  }
}

const server = createServer((request, response) => {
  const isCall = request.url === "/webhook/incoming_call";
  response.setHeader("Content-Type", isCall ? "text/xml; charset=utf-8" : "text/plain");
  response.end(isCall ? twiml : "ok");
});

const sockets = new WebSocketServer({
  server,
  perMessageDeflate: false,
  handleProtocols: (protocols) => (protocols.has("audio.twilio.com") ? "audio.twilio.com" : false),
});

sockets.on("connection", (socket) => {
  let transcriber;
  const end = () => {
    transcriber?.end();
    transcriber = undefined;
  };
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.event === "media") transcriber?.take(message.media.payload);
    else if (message.event === "start") transcriber = new Transcriber(message.start.callSid);
    else if (message.event === "stop") {
      end();
      socket.close(1000);
    }
  });
  socket.on("close", end);
});

server.listen(Number(process.argv[2]), "127.0.0.1");
