// Live: each call a card, with its captions as they come.

import { check, get } from "./api.js";
import { Feed } from "./feed.js";
import { clockTime, duration, languageName, ms, problem, t } from "./format.js";
import { LiveCalls } from "./live_calls.js";
import { Mark } from "./marks.js";
import { Component, createRef, html, whileVisible } from "./ui.js";

const FACTS_MS = 5000;
const SOON_MS = 700;
const STAYS_MS = 8000;
const WORST_MS = 300;
const MODE_WEIGHTS = { streaming: "good", "single-shot": "warn" }; // anything else is grave

export class LiveView extends Component {
  constructor() {
    super();
    this.state = { connection: "connecting", trouble: null, words: "", only: false, ready: false };
    this.live = new LiveCalls();
    this.cards = new Map();
    this.changed = new Set();
    this.frame = null;
    this.listIsOld = false;
    this.feed = new Feed({
      onEvent: (event) => this._event(event),
      onState: (connection) => this.setState({ connection }),
      check,
    });
    this.sight = new IntersectionObserver((entries) => this._seen(entries), { rootMargin: "200px" });
  }

  componentDidMount() {
    this.watch = () => (document.hidden ? this._rest() : this._wake());
    document.addEventListener("visibilitychange", this.watch);
    this.stopFacts = whileVisible(() => this._facts(), FACTS_MS);
    this.stopClocks = whileVisible(() => this._second(), 1000);
    this.watch();
  }

  componentWillUnmount() {
    document.removeEventListener("visibilitychange", this.watch);
    this.stopFacts();
    this.stopClocks();
    this.sight.disconnect();
    this._rest();
  }

  // A hidden tab costs nothing: no stream, no timer. What it missed comes with the next snapshot.
  _rest() {
    this.feed.close();
    cancelAnimationFrame(this.frame);
    this.frame = null;
    clearTimeout(this.retry);
    clearTimeout(this.soon);
    this.soon = null;
    this.attempt = null;
  }

  async _wake() {
    const attempt = (this.attempt = {});
    try {
      const snapshot = await get("live");
      if (attempt !== this.attempt) return;
      this.live.load(snapshot);
      this.setState({ ready: true, trouble: null });
      for (const session of this.cards.keys()) this._touch(session);
      this.feed.open(snapshot.last_event_id);
    } catch (refused) {
      if (attempt !== this.attempt) return;
      this.setState({ trouble: problem(refused) });
      this.retry = setTimeout(() => this._wake(), 3000);
    }
  }

  async _facts() {
    clearTimeout(this.soon);
    this.soon = null;
    if (!this.state.ready || document.hidden) return;
    const snapshot = await get("live", { captions: 0 }).catch(() => null);
    if (!snapshot) return;
    const before = this.live.calls.size;
    for (const call of this.live.refresh(snapshot)) this._touch(call.session);
    this.listIsOld ||= before !== this.live.calls.size;
  }

  _event(event) {
    const wasKnown = this.live.calls.has(event.session);
    const call = this.live.take(event);
    if (!wasKnown || call?.endedAt) this.listIsOld = true;
    if (!wasKnown) this.soon ??= setTimeout(() => this._facts(), SOON_MS);
    if (call) this._touch(call.session);
  }

  // Whatever comes between two frames is drawn once, and only where it can be seen.
  _touch(session) {
    this.changed.add(session);
    this.frame ??= requestAnimationFrame(() => this._draw());
  }

  _draw() {
    this.frame = null;
    if (this.listIsOld) {
      this.listIsOld = false;
      this.setState({});
    }
    for (const session of this.changed) {
      const card = this.cards.get(session);
      if (!card?.isSeen) continue; // drawn when it comes into view
      this.changed.delete(session);
      card.draw(this.live.calls.get(session));
    }
    for (const session of this.changed) if (!this.live.calls.has(session)) this.changed.delete(session);
  }

  _seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const card = this.cards.get(target.dataset.session);
      if (!card) continue;
      card.isSeen = isIntersecting;
      if (isIntersecting) this._touch(target.dataset.session);
    }
  }

  _second() {
    const now = Date.now();
    for (const call of this.live.calls.values()) {
      if (call.endedAt && now - call.endedAt > STAYS_MS) {
        this.live.forget(call.session);
        this.listIsOld = true;
      }
      if (this.cards.get(call.session)?.isSeen || this.listIsOld) this._touch(call.session);
    }
    if (this.listIsOld) this._touch("");
  }

  _shown() {
    const { words, only } = this.state;
    const calls = [...this.live.calls.values()].filter((call) => !only || call.trouble);
    const found = words ? calls.filter((call) => (call.number ?? "").includes(words) || call.callSid.includes(words)) : calls;
    return found.sort((one, other) => other.since - one.since || (one.session < other.session ? -1 : 1));
  }

  render({ session: who }, { connection, trouble, ready, words, only }) {
    const calls = this._shown();
    const living = calls.filter((call) => !call.endedAt).length;
    return html`
      <div class="bar">
        <h1 tabindex="-1">${t("nav.live")} <span class="count" data-count=${living}>${living}</span></h1>
        <${Connection} state=${connection} />
        ${who.streaming ? null : html`<span class="chip grave">${t("live.flag_off")}</span>`}
        <span class="filters">
          <input type="search" aria-label=${t("live.find")} placeholder=${t("live.find")} value=${words} dir="ltr"
            onInput=${(event) => this.setState({ words: event.target.value.trim() })} />
          <label class="check"><input type="checkbox" checked=${only}
            onChange=${(event) => this.setState({ only: event.target.checked })} /> ${t("live.only_trouble")}</label>
        </span>
      </div>
      ${trouble && html`<p role="alert" class="trouble" dir="auto">${trouble}</p>`}
      ${ready && !calls.length && html`<p class="empty">${t(words || only ? "live.none_found" : "live.none")}</p>`}
      <div class="cards">
        ${calls.map((call) => html`
          <${Card} key=${call.session} session=${call.session} call=${call} view=${this} linked=${who.journal} />`)}
      </div>`;
  }
}

function Connection({ state }) {
  return html`<span role="status" class="connection ${state}" data-state=${state}>
    <span class="dot" aria-hidden="true"></span>${t(`connection.${state}`)}</span>`;
}

/** One call; it draws itself again only when the view says so. */
class Card extends Component {
  constructor() {
    super();
    this.isSeen = false;
    this.box = createRef();
  }

  componentDidMount() {
    this.props.view.cards.set(this.props.session, this);
    this.props.view.sight.observe(this.box.current);
  }

  componentWillUnmount() {
    const { view, session: name } = this.props;
    if (view.cards.get(name) === this) view.cards.delete(name);
    view.sight.unobserve(this.box.current);
  }

  shouldComponentUpdate(_props, state) {
    return state !== this.state;
  }

  draw(call) {
    if (call) this.setState({ call });
  }

  render({ call: first, session: name, linked }, { call = first }) {
    const title = call.number || t("call.unknown_number");
    return html`
      <article class="card ${call.endedAt ? "over" : ""} ${call.mode}" ref=${this.box} data-session=${name}
        data-call=${call.callSid} aria-label=${title}>
        <header>
          <h2>${linked ? html`<a href="#/call/${name}"><bdi dir="ltr">${title}</bdi></a>` : html`<bdi dir="ltr">${title}</bdi>`}</h2>
          <span class="since" title=${t("live.since", { at: clockTime(call.since) })}>
            ${duration(((call.endedAt ?? Date.now()) - call.since) / 1000)}</span>
        </header>
        <p class="facts">
          <span class="chip ${call.endedAt ? "" : MODE_WEIGHTS[call.mode] ?? "grave"}" data-mode=${call.mode}>
            ${call.endedAt ? t("live.ended") : t(`mode.${call.mode}`)}</span>
          <span>${languageName(call.language)}</span>
          ${call.delay?.p50 == null ? null : html`<span class=${call.delay.p99 > WORST_MS ? "slow" : ""}
            title=${t("live.delay_title")}>${t("live.delay", { p50: ms(call.delay.p50), p99: ms(call.delay.p99) })}</span>`}
        </p>
        <div class="captions" tabindex="0" role="group" aria-label=${t("live.captions", { number: title })}>
          <${Captions} items=${call.items} />
        </div>
      </article>`;
  }
}

export function Captions({ items }) {
  const both = items.some((item) => item.track === "callee"); // where one speaks, nobody asks who
  return html`<ol>${items.map((item) => item.kind === "caption"
    ? html`<li class=${item.final ? "final" : "partial"} dir="auto" data-who=${item.track ?? "caller"} key=${`u${item.utterance}`}>${
      both && html`<${Who} track=${item.track} /> `}${item.text}</li>`
    : html`<li class="marks" key=${item.kind + item.at + item.text}>${
      item.track === "callee" && html`<${Who} track="callee" /> `}<${Mark} kind=${item.kind} text=${item.text} lost=${item.ms} /></li>`)}</ol>`;
}

function Who({ track }) {
  return html`<bdi class="chip">${t(`call.who.${track ?? "caller"}`)}</bdi>`;
}
