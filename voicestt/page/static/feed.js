// The events as they happen, over server-sent events; a lost connection goes on where it was.

const TYPES = [
  "call_started", "partial", "final", "utterance_end", "dtmf", "mark", "said", "incident", "degraded", "recovered",
  "interrupted", "resumed", "unrecognised", "call_ended",
];
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15000;
const TOLD_MS = 6000;

/**
 * A connection that comes again by itself. `onEvent(event)` hears each event once, in order; `onState(state)`
 * hears "connecting", "open", "lost", and "resumed" for a while after a lost connection came back.
 */
export class Feed {
  constructor({ onEvent, onState, check }) {
    this.onEvent = onEvent;
    this.onState = onState;
    this.check = check;
    this.last = null;
    this.source = null;
    this.timer = null;
    this.wasLost = false;
    this.pause = FIRST_PAUSE_MS;
  }

  /** Listen to what comes after the event of this number. */
  open(after) {
    this.close();
    this.last = after;
    this.wasLost = false;
    this.onState("connecting");
    this._connect();
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  _connect() {
    // The browser's own Last-Event-ID wins over `after` once an event has come.
    const after = this.last == null ? "" : `?after=${encodeURIComponent(this.last)}`;
    const source = new EventSource(`/page/api/events${after}`);
    this.source = source;
    const take = (message) => {
      if (message.lastEventId) this.last = message.lastEventId;
      this.onEvent(JSON.parse(message.data));
    };
    for (const type of TYPES) source.addEventListener(type, take);
    source.addEventListener("expired", () => this.check()); // the login is over
    source.onopen = () => this._opened();
    source.onerror = (event) => {
      if (!(event instanceof MessageEvent)) this._failed(source);
    };
  }

  _opened() {
    this.pause = FIRST_PAUSE_MS;
    clearTimeout(this.timer);
    if (!this.wasLost) return this.onState("open");
    this.wasLost = false;
    this.onState("resumed");
    this.timer = setTimeout(() => this.onState("open"), TOLD_MS);
  }

  _failed(source) {
    if (source !== this.source) return;
    this.wasLost = true;
    clearTimeout(this.timer);
    this.onState("lost");
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again itself
    this.close();
    this.timer = setTimeout(() => this._again(), this.pause);
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
  }

  async _again() {
    const timer = this.timer;
    await this.check().catch(() => null); // tells a login that is over from a server that is away
    if (timer === this.timer) this._connect();
  }
}
