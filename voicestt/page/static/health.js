// Health: how the server is and was, where events go, who else serves, whether it may go live, and the flag.

import { get } from "./api.js";
import { Destinations } from "./destinations.js";
import { known, number, problem, t } from "./format.js";
import { Flag } from "./flag.js";
import { GoNoGo } from "./gonogo.js";
import { Plot } from "./plot.js";
import { Component, html, whileVisible } from "./ui.js";

const ASK_MS = 5000;
const SOON_MS = 2000; // the server counts what waits every now and then
const SPANS = ["hour", "day"];

/** What each plot shows: fields of a minute, and their colours. */
const PLOTS = [
  { name: "delays", unit: "ms", fields: ["delay_p50", "delay_p95", "delay_p99"] },
  { name: "calls", fields: ["calls"] },
  { name: "lag", unit: "ms", fields: ["reactor_lag_ms"] },
  { name: "streams", fields: ["streams", "rotations"] },
  { name: "failures", fields: ["failures"] },
  { name: "google", fields: ["google_seconds", "cost"] },
];

export class HealthView extends Component {
  constructor() {
    super();
    this.state = { span: "hour", found: null, fleet: null, trouble: null };
  }

  componentDidMount() {
    this.stop = whileVisible(() => this._load(), ASK_MS);
  }

  componentWillUnmount() {
    clearTimeout(this.soon);
    this.stop();
  }

  async _load() {
    const { span } = this.state;
    try {
      const found = await get("health", { span });
      if (span === this.state.span) this.setState({ found, trouble: null });
      if (this.props.session.fleet) this.setState({ fleet: await get("fleet") });
    } catch (refused) {
      this.setState({ trouble: problem(refused) });
    }
  }

  _changed() {
    this._load();
    this.soon = setTimeout(() => this._load(), SOON_MS);
  }

  _choose(span) {
    this.setState({ span }, () => this._load());
  }

  render({ mayAct, session }, { span, found, fleet, trouble }) {
    return html`
      <div class="bar">
        <h1 tabindex="-1">${t("nav.health")}</h1>
        ${found && html`<${Status} now=${found.now} />`}
      </div>
      ${trouble && html`<p role="alert" class="trouble" dir="auto">${trouble}</p>`}
      ${found && html`<${Now} now=${found.now} />`}
      <${Flag} mayAct=${mayAct} streaming=${session.streaming} />
      <div class="spans" role="group" aria-label=${t("health.span")}>
        ${SPANS.map((each) => html`
          <button type="button" key=${each} aria-pressed=${each === span ? "true" : "false"} onClick=${() => this._choose(each)}>
            ${t(`health.${each}`)}</button>`)}
      </div>
      ${found && !found.minutes.length && html`<p class="quiet">${t("health.first_minute")}</p>`}
      ${found && html`<div class="plots">${PLOTS.map((plot) => html`<${Figure} key=${plot.name} plot=${plot} minutes=${found.minutes} />`)}</div>`}
      ${found && html`<${Destinations} destinations=${found.destinations} mayAct=${mayAct} changed=${() => this._changed()} />`}
      ${fleet && html`<${Fleet} processes=${fleet.processes} />`}
      <${GoNoGo} mayAct=${mayAct} />`;
  }
}

function Status({ now }) {
  const weight = { ok: "good", degraded: "warn" }[now.status] ?? "grave";
  return html`<span role="status" class="chip ${weight}" data-status=${now.status}>${known(`status.${now.status}`, now.status)}</span>`;
}

function Now({ now }) {
  const facts = [["live", now.live_calls], ["taken", now.calls_taken], ["refused", now.calls_refused]];
  return html`
    ${now.reasons?.length > 0 && html`<ul class="reasons">${now.reasons.map((why) => html`<li key=${why} dir="auto">${why}</li>`)}</ul>`}
    <dl class="facts">
      ${facts.map(([name, value]) => html`<div key=${name}><dt>${t(`health.${name}`)}</dt><dd>${number(value)}</dd></div>`)}
      <div><dt>${t("health.version")}</dt><dd><bdi dir="ltr">${now.version}</bdi></dd></div>
    </dl>`;
}

function Figure({ plot, minutes }) {
  const series = plot.fields.map((field, i) => ({
    label: t(`plot.${field}`), values: minutes.map((minute) => minute[field] ?? null), colour: `--plot-${i + 1}`,
    unit: field === "cost" ? " $" : undefined,
  }));
  const x = minutes.map((minute) => Date.parse(minute.at) / 1000);
  return html`<${Plot} title=${t(`plot.title.${plot.name}`)} unit=${plot.unit} x=${x} series=${series} />`;
}

function Fleet({ processes }) {
  const columns = Object.keys(processes[0] ?? {});
  const shown = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? "–"));
  return html`
    <section aria-labelledby="fleet-title">
      <h2 id="fleet-title">${t("fleet.title")}</h2>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="fleet-title">
        <table class="small">
          <thead><tr>${columns.map((each) => html`<th scope="col" key=${each}>${known(`fleet.${each}`, each)}</th>`)}</tr></thead>
          <tbody>${processes.map((process, i) => html`
            <tr key=${i}>${columns.map((each) => html`<td key=${each}><bdi dir="auto">${shown(process[each])}</bdi></td>`)}</tr>`)}</tbody>
        </table>
      </div>
    </section>`;
}
