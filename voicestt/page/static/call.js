// A call: its conversation, its incidents, its account, its delays, its deliveries; played, downloaded, erased.

import { get, post } from "./api.js";
import { Trouble } from "./calls.js";
import { Conversation } from "./conversation.js";
import { confirmed } from "./dialog.js";
import { clockTime, dateTime, duration, known, languageName, ms, number, problem, seconds, t } from "./format.js";
import { Player } from "./player.js";
import { Plot } from "./plot.js";
import { Timeline } from "./timeline.js";
import { Component, createRef, html, whileVisible } from "./ui.js";

const LIVE_MS = 4000;
const BYTES_A_SECOND = 8000;
const FATES = ["received", "recognised", "passed_over", "given_up", "uncovered", "sent_again"];
const FORMATS = ["txt", "srt", "vtt", "json"];

export class CallView extends Component {
  constructor() {
    super();
    this.state = { found: null, trouble: null, more: [], next: null, head: null, isErased: false };
    this.words = createRef();
    this.play = (ms) => this.player?.play(ms);
  }

  componentDidMount() {
    this._load();
    this.stop = whileVisible(() => this.state.found && !this.state.found.call.ended && this._load(), LIVE_MS);
  }

  componentWillUnmount() {
    this.stop();
  }

  _path(more = "") {
    return `calls/${encodeURIComponent(this.props.subject)}${more}`;
  }

  async _load() {
    try {
      const found = await get(this._path());
      const grown = this.state.more.length ? {} : { next: found.more };
      this.setState({ found: kept(this.state.found, found), trouble: null, ...grown });
    } catch (refused) {
      this.setState({ trouble: refused.status === 404 ? t("call.gone") : problem(refused) });
    }
  }

  async _more() {
    try {
      const found = await get(this._path(), { cursor: this.state.next });
      this.setState({ more: [...this.state.more, ...found.conversation], next: found.more });
    } catch (refused) {
      this.setState({ trouble: problem(refused) });
    }
  }

  async _erase() {
    if (!(await confirmed({ title: t("erase.title"), text: t("erase.text"), yes: t("erase.yes") }))) return;
    try {
      await post(this._path("/erase"));
      this.setState({ isErased: true });
    } catch (refused) {
      this.setState({ trouble: problem(refused) });
    }
  }

  _moved(ms) {
    const second = Math.floor(ms / 250) * 250;
    if (second !== this.state.head) this.setState({ head: second });
  }

  render({ subject, mayAct }, { found, trouble, more, next, head, isErased }) {
    if (isErased) return html`<h1 tabindex="-1">${t("nav.call")}</h1><p role="status">${t("erase.done")} <a href="#/calls">${t("call.back")}</a></p>`;
    const alert = trouble && html`<p role="alert" class="trouble" dir="auto">${trouble}</p>`;
    if (!found) return html`<h1 tabindex="-1">${t("nav.call")}</h1>${alert ?? html`<p>${t("loading")}</p>`}`;
    const { call } = found;
    const recording = mayAct ? found.recording : null; // closed to viewers, who only see that there is one
    this.items = joined(this.items, found.conversation, more);
    const play = recording ? this.play : null;
    return html`
      <${Head} call=${call} />
      ${alert}
      <${Actions} session=${subject} mayAct=${mayAct} recording=${recording} erase=${() => this._erase()} />
      ${recording && html`<${Player} session=${subject} recording=${recording} words=${this.words}
        control=${(player) => (this.player = player)} moved=${(ms) => this._moved(ms)} />`}
      <div class="two">
        <section ref=${this.words} aria-labelledby="said-title">
          <h2 id="said-title">${t("call.conversation")}</h2>
          <${Conversation} items=${this.items} play=${play} />
          ${next && html`<button type="button" onClick=${() => this._more()}>${t("call.more")}</button>`}
        </section>
        <div>
          <${Timeline} conversation=${this.items} incidents=${found.incidents} length=${call.duration_s ?? 0}
            started=${call.started} play=${play} head=${recording ? head : null} />
          <${Delays} delays=${found.delays} />
          <${Account} caller=${found.account} callee=${found.callee_account} />
          <${Figures} figures=${found.figures} />
        </div>
      </div>
      <${Deliveries} deliveries=${found.deliveries} />`;
  }
}

/** The former answer where nothing has changed, so that nothing is drawn again. */
function kept(former, found) {
  return former && JSON.stringify(former) === JSON.stringify(found) ? former : found;
}

function joined(former, first, more) {
  if (former && former.first === first && former.more === more) return former;
  const all = [...first, ...more];
  // What we said is told when it has been heard: in the order of events it stands behind what it was said before.
  if (all.every((said) => said.start_ms != null)) all.sort((one, other) => one.start_ms - other.start_ms);
  return Object.assign(all, { first, more });
}

function Head({ call }) {
  return html`
    <div class="bar">
      <h1 tabindex="-1"><bdi dir="ltr">${call.number || t("call.unknown_number")}</bdi></h1>
      ${call.ended ? null : html`<span class="chip good">${t("calls.live")}</span>`}
      <${Trouble} trouble=${call.trouble} />
    </div>
    <dl class="facts">
      <div><dt>${t("calls.head.started")}</dt><dd>${dateTime(call.started)}</dd></div>
      <div><dt>${t("calls.head.duration")}</dt><dd dir="ltr">${duration(call.duration_s)}</dd></div>
      <div><dt>${t("calls.head.words")}</dt><dd>${number(call.words)}</dd></div>
      ${call.language && html`<div><dt>${t("call.language")}</dt><dd>${languageName(call.language)}</dd></div>`}
      ${call.reason && html`<div><dt>${t("call.reason")}</dt><dd><bdi>${known(`reason.${call.reason}`, call.reason)}</bdi></dd></div>`}
      <div><dt>CallSid</dt><dd><code dir="ltr">${call.call_sid}</code></dd></div>
      ${Object.entries(call.custom ?? {}).map(([name, value]) => html`
        <div key=${name}><dt><bdi>${name}</bdi></dt><dd dir="auto">${String(value)}</dd></div>`)}
    </dl>`;
}

function Actions({ session, mayAct, recording, erase }) {
  const base = `/page/api/calls/${encodeURIComponent(session)}`;
  return html`
    <p class="actions">
      <span>${t("call.download")}</span>
      ${FORMATS.map((each) => html`<a key=${each} download href="${base}/transcript.${each}"><bdi>${each.toUpperCase()}</bdi></a>`)}
      ${recording && html`<a download href="${base}/audio"><bdi>WAV</bdi></a>`}
      ${mayAct && html`<button type="button" class="danger" onClick=${erase}>${t("erase.button")}</button>`}
    </p>`;
}

const LINES = [
  { who: "caller", final: false, colour: "--plot-1" },
  { who: "caller", final: true, colour: "--plot-2" },
  { who: "callee", final: true, colour: "--plot-3" },
];

class Delays extends Component {
  shouldComponentUpdate(next) {
    return next.delays !== this.props.delays;
  }

  render({ delays }) {
    if (!delays?.length) return null;
    const ordered = [...delays].sort((one, other) => one.at_ms - other.at_ms);
    const isOf = (line) => (each) => each.final === line.final && each.who === line.who;
    const shown = LINES.filter((line) => ordered.some(isOf(line)));
    const both = shown.some(({ who }) => who === "callee");
    const label = (line) => t(line.final ? "call.delay_final" : "call.delay_partial") + (both ? ` · ${t(`call.who.${line.who}`)}` : "");
    const series = shown.map((line) => ({
      ...line, label: label(line), values: ordered.map((each) => (isOf(line)(each) ? each.ms : null)),
    }));
    return html`<${Plot} title=${t("call.delays")} unit="ms" x=${ordered.map((each) => each.at_ms / 1000)} points=${true}
      format=${duration} series=${series} />`;
  }
}

function Account({ caller, callee }) {
  if (!caller || !Object.keys(caller).length) return null;
  const sides = Object.entries({ caller, callee }).filter(([, account]) => account);
  const shown = [...FATES.filter((name) => name in caller), ...Object.keys(caller).filter((name) => !FATES.includes(name))];
  const isGrave = (name) => (name === "given_up" || name === "uncovered") && sides.some(([, account]) => account[name]);
  return html`
    <section aria-labelledby="account-title">
      <h2 id="account-title">${t("call.account")}</h2>
      <table class="small account">
        <thead>
          ${callee && html`<tr><td></td>${sides.map(([who]) => html`<th scope="colgroup" colspan="2" key=${who}>${t(`call.who.${who}`)}</th>`)}</tr>`}
          <tr><th scope="col">${t("account.fate")}</th>${sides.map(() => html`
            <th scope="col">${t("account.bytes")}</th><th scope="col">${t("account.time")}</th>`)}</tr>
        </thead>
        <tbody>${shown.map((name) => html`
          <tr key=${name} class=${isGrave(name) ? "grave" : ""}>
            <th scope="row">${known(`account.${name}`, name)}</th>
            ${sides.map(([who, account]) => html`
              <td class="number" data-who=${who}>${number(account[name])}</td><td class="number">${seconds(account[name] / BYTES_A_SECOND)}</td>`)}
          </tr>`)}</tbody>
      </table>
    </section>`;
}

const COUNTS = ["partials", "finals", "rotations", "restarts", "fallbacks"];
const LATENCIES = ["added_partial_delay_ms", "final_delay_ms", "callee_added_partial_delay_ms", "callee_final_delay_ms"];

function Figures({ figures }) {
  if (!figures) return null;
  return html`
    <dl class="facts">
      ${COUNTS.map((name) => html`<div key=${name}><dt>${t(`figures.${name}`)}</dt><dd>${number(figures[name])}</dd></div>`)}
      <div><dt>${t("figures.google_seconds")}</dt><dd>${seconds(figures.google_seconds)}</dd></div>
      ${LATENCIES.filter((name) => figures[name]?.count).map((name) => html`
        <div key=${name}><dt>${t(`figures.${name}`)}</dt><dd>${ms(figures[name].p50)} · ${ms(figures[name].p95)} · ${ms(figures[name].p99)}</dd></div>`)}
    </dl>`;
}

function Deliveries({ deliveries }) {
  if (!deliveries?.length) return null;
  const heads = ["event", "destination", "state", "attempts", "delivered", "error"];
  return html`
    <details class="deliveries">
      <summary>${t("call.deliveries", { n: number(deliveries.length) })}</summary>
      <div class="scroll" tabindex="0" role="group" aria-label=${t("call.deliveries_label")}>
        <table class="small">
          <thead><tr>${heads.map((each) => html`<th scope="col" key=${each}>${t(`deliveries.${each}`)}</th>`)}</tr></thead>
          <tbody>${deliveries.map((each) => html`
            <tr key=${each.destination + each.event}>
              <td><bdi dir="ltr">${each.kind}</bdi></td><td><bdi>${each.destination}</bdi></td>
              <td>${known(`state.${each.state}`, each.state)}</td><td class="number">${number(each.attempts)}</td>
              <td>${dateTime(each.delivered_at)}</td><td><${Tries} delivery=${each} /></td>
            </tr>`)}</tbody>
        </table>
      </div>
    </details>`;
}

/** Every attempt: when, and what the receiver said. */
function Tries({ delivery: { tries, last_error: last } }) {
  if (!tries?.length) return html`<bdi dir="auto">${last ?? ""}</bdi>`;
  return html`<ol class="tries">${tries.map((each) => html`
    <li key=${each.at}>${clockTime(each.at)} <bdi dir="auto">${each.error ?? each.status ?? ""}</bdi></li>`)}</ol>`;
}
