// The server's API: JSON in and out, the cookie for who asks, the session's token for what acts.

const BASE = "/page/api/";
let csrf = "";

/** The server refused, or nobody answered (status 0); `message` is its own sentence, in English. */
export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function request(address, options) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Refused(0, "");
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  const refused = new Refused(answer.status, said.error ?? "");
  refused.retryAfter = Number(answer.headers.get("Retry-After")) || null;
  throw refused;
}

async function signedIn(address, options) {
  try {
    const answer = await request(address, options);
    return answer.status === 204 || answer.status === 202 ? null : await answer.json();
  } catch (problem) {
    if (problem.status === 401) dispatchEvent(new Event("signed-out"));
    throw problem;
  }
}

/** Ask for `path` below /page/api/, with the parameters that are not empty. */
export function get(path, parameters = {}, signal = undefined) {
  const kept = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  const query = new URLSearchParams(kept).toString();
  return signedIn(BASE + path + (query && `?${query}`), { signal });
}

/** Act: post `body` to `path` below /page/api/. */
export function post(path, body = {}) {
  return signedIn(BASE + path, posted(body));
}

/** Who is signed in, or null. */
export async function session() {
  try {
    const found = await (await request(`${BASE}session`)).json();
    csrf = found.csrf;
    return found;
  } catch (problem) {
    if (problem.status === 401) return null;
    throw problem;
  }
}

/** Ask whether the login still holds; says so to the page if not. */
export async function check() {
  if ((await session()) === null) dispatchEvent(new Event("signed-out"));
}

export function login(password) {
  return request("/page/login", posted({ password }));
}

export function logout() {
  return request("/page/logout", posted({}));
}

/** The session's token, for a socket that no header can be given to. */
export function csrfToken() {
  return csrf;
}

function posted(body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  return { method: "POST", headers, body: JSON.stringify(body) };
}
