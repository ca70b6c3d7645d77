// The live calls as values: what a snapshot says of them, and what each event changes. Nothing here knows a page.

const KEPT = 20;
const MODES = { degraded: "degraded", recovered: "streaming", interrupted: "interrupted", resumed: "streaming" };
function blank(session, callSid) {
  return {
    session, callSid, number: null, since: Date.now(), language: null, mode: "streaming", delay: null, items: [],
    endedAt: null, trouble: false,
  };
}

function mark(kind, at, text, track) {
  return { kind, at, text: text ?? "", track };
}

/** All live calls by their session. */
export class LiveCalls {
  constructor() {
    this.calls = new Map();
  }

  /** Replace everything by a snapshot of the server's. */
  load(snapshot) {
    this.calls = new Map(snapshot.calls.map((said) => [said.session, this._loaded(said)]));
  }

  /**
   * Take from a later snapshot what no event tells: delays and modes, and all of the calls of other processes.
   * Returns the calls that it has changed.
   */
  refresh(snapshot) {
    const there = new Set(snapshot.calls.map((said) => said.session));
    const gone = [...this.calls.values()].filter((call) => call.elsewhere && !call.endedAt && !there.has(call.session));
    for (const call of gone) call.endedAt = Date.now();
    const said = snapshot.calls.filter(({ session, elsewhere }) => elsewhere || this.calls.has(session));
    return [...gone, ...said.map((each) => this._refreshed(each))];
  }

  /** Take one event. Returns the call that it changed, or null. */
  take(event) {
    const type = event.type.replace(/^transcript\./, "");
    const call = this._call(event);
    if (type === "call_started") Object.assign(call, { number: event.from ?? call.number, since: Date.parse(event.timestamp) });
    else if (type === "partial" || type === "final") this._caption(call, event, type === "final");
    else if (type === "dtmf") this._add(call, mark("key", event.timestamp, event.digit));
    else if (type === "said") this._add(call, { ...mark("said", event.timestamp, event.text), ms: event.text ? 0 : 1000 * event.seconds });
    else if (type === "incident") this._add(call, mark(event.incident, event.timestamp, "", event.track));
    else if (type === "call_ended") call.endedAt = Date.now();
    else if (type in MODES || type === "unrecognised") this._incident(call, event, type);
    else return null;
    return call;
  }

  forget(session) {
    this.calls.delete(session);
  }

  _call(event) {
    let call = this.calls.get(event.session);
    if (!call) {
      call = blank(event.session, event.call_sid);
      call.since = Date.parse(event.timestamp);
      this.calls.set(event.session, call);
    }
    return call;
  }

  _refreshed(said) {
    if (!said.elsewhere) return Object.assign(this.calls.get(said.session), this._facts(said));
    const call = this._loaded(said);
    this.calls.set(said.session, call);
    return call;
  }

  _facts(said) {
    const { number, language, mode, elsewhere } = said;
    return { number, language, mode, elsewhere, since: Date.parse(said.since), delay: said.delay_ms };
  }

  _loaded(said) {
    const call = Object.assign(blank(said.session, said.call_sid), this._facts(said));
    const captions = said.captions.map((each) => ({ kind: "caption", ...each }));
    call.items = [...captions, ...this._marks(said)];
    call.items.sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0));
    call.items = call.items.slice(-KEPT);
    call.trouble = call.mode === "degraded" || call.items.some((item) => item.kind === "unrecognised");
    return call;
  }

  _marks(said) {
    const shown = (said.marks ?? []).filter(({ kind }) => kind !== "mark");
    return shown.map((each) => mark(each.kind, each.at, each.text, each.track));
  }

  _caption(call, event, final) {
    const { utterance, text, track, timestamp: at } = event;
    const caption = { kind: "caption", utterance, text, track, final, at };
    for (let i = call.items.length - 1; i >= 0; i--) {
      const item = call.items[i];
      if (item.kind !== "caption" || item.utterance !== event.utterance) continue;
      if (item.final) return; // its final has been heard: nothing replaces it
      caption.at = item.at;
      call.items[i] = caption;
      return;
    }
    this._add(call, caption);
  }

  _incident(call, event, type) {
    if (event.track !== "callee") call.mode = MODES[type] ?? call.mode; // the card's mode is the caller's
    call.trouble = true;
    this._add(call, mark(type, event.timestamp, event.why, event.track));
  }

  _add(call, item) {
    call.items.push(item);
    if (call.items.length > KEPT) call.items.shift();
  }
}
