// Receives voicestt's webhook and checks its signature: Node 18 or newer, nothing to install.
//
//     EVENTS_WEBHOOK_SECRET=whsec_… node webhook_receiver.mjs 8080
//
// The signature is that of Standard Webhooks: HMAC-SHA256 of the id, the time and the body as it came, byte for
// byte, with full stops between them. A framework that parses JSON must give you the raw body (Express:
// express.raw({ type: "application/json" })).

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const TOLERANCE_SECONDS = 300;
const REMEMBERED_IDS = 100_000;
const LARGEST_BODY = 1_000_000;

const key = Buffer.from(process.env.EVENTS_WEBHOOK_SECRET.replace(/^whsec_/, ""), "base64");
const seen = new Set(); // ids of the events that were worked on: the same event can come twice

function isGenuine(headers, body) {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const right = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // While a secret is changed there are two signatures; one that fits is enough.
  return (headers["webhook-signature"] ?? "").split(" ").some((signature) => {
    const [scheme, value] = signature.split(",", 2);
    const given = Buffer.from(value ?? "", "base64");
    return scheme === "v1" && given.length === right.length && timingSafeEqual(given, right);
  });
}

// Yours. It must be done within 15 seconds: put what is slow into a queue of your own.
async function work(event) {
  console.log(JSON.stringify(event));
}

async function bodyOf(request) {
  if (Number(request.headers["content-length"]) > LARGEST_BODY) return null;
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length > LARGEST_BODY) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

async function statusFor(request) {
  const body = await bodyOf(request);
  if (body === null) return 413;
  if (!isGenuine(request.headers, body)) return 401;
  try {
    // With EVENTS_WEBHOOK_BATCH it is an array, in order.
    for (const event of [JSON.parse(body)].flat()) await workOnce(event);
  } catch (problem) {
    console.error(problem);
    return 500; // voicestt tries again later
  }
  return 204;
}

async function workOnce(event) {
  if (seen.has(event.id)) return;
  seen.add(event.id);
  try {
    await work(event);
  } catch (problem) {
    seen.delete(event.id);
    throw problem;
  }
  if (seen.size > REMEMBERED_IDS) seen.delete(seen.values().next().value);
}

createServer(async (request, response) => {
  response.writeHead(await statusFor(request).catch(() => 400)).end();
}).listen(Number(process.argv[2] ?? 8080), "127.0.0.1");
