// GO or NO-GO: the last report, and a button that makes a new one.

import { get, post } from "./api.js";
import { dateTime, known, number, problem, t } from "./format.js";
import { Component, html } from "./ui.js";

const ASK_MS = 2000;
const WEIGHTS = { ok: "good", skipped: "warn", failed: "grave" };

export class GoNoGo extends Component {
  constructor() {
    super();
    this.state = { found: null, trouble: null };
  }

  componentDidMount() {
    this._load();
  }

  componentWillUnmount() {
    clearTimeout(this.timer);
  }

  async _load() {
    clearTimeout(this.timer);
    try {
      const found = await get("gonogo");
      this.setState({ found, trouble: null });
      if (found?.running) this.timer = setTimeout(() => this._load(), ASK_MS);
    } catch (refused) {
      if (refused.status !== 404) this.setState({ trouble: problem(refused) });
    }
  }

  async _run() {
    try {
      await post("gonogo");
      await this._load();
    } catch (refused) {
      this.setState({ trouble: problem(refused) });
    }
  }

  render({ mayAct }, { found, trouble }) {
    const isRunning = Boolean(found?.running);
    return html`
      <section aria-labelledby="gonogo-title">
        <h2 id="gonogo-title"><bdi dir="ltr">GO / NO-GO</bdi></h2>
        <p class="actions">
          <span role="status"><${Verdict} found=${found} /></span>
          ${mayAct && html`<button type="button" disabled=${isRunning} onClick=${() => this._run()}>
            ${t(isRunning ? "gonogo.running" : "gonogo.run")}</button>`}
        </p>
        ${trouble && html`<p role="alert" class="trouble" dir="auto">${trouble}</p>`}
        ${found && !found.report && found.progress?.length > 0 && html`<pre class="progress" dir="ltr" tabindex="0" aria-label=${t("gonogo.progress")}>${found.progress.join("\n")}</pre>`}
        ${!isRunning && found?.report && html`<${Findings} checks=${found.report.checks} />`}
      </section>`;
  }
}

function Verdict({ found }) {
  if (found?.running) return t("gonogo.running");
  if (!found?.report) return t(found?.at ? "gonogo.no_verdict" : "gonogo.never");
  const { verdict, against, of } = found.report;
  return html`<strong class="chip ${verdict === "GO" ? "good" : "grave"}" dir="ltr">${verdict}</strong>
    ${against > 0 && html` <span>${t("gonogo.against", { n: number(against), of: number(of) })}</span>`} <span>${dateTime(found.at)}</span>`;
}

function Findings({ checks }) {
  const heads = ["check", "outcome", "figure", "advice"];
  return html`
    <div class="scroll" tabindex="0" role="group" aria-labelledby="gonogo-title">
      <table class="small findings">
        <thead><tr>${heads.map((each) => html`<th scope="col" key=${each}>${t(`gonogo.${each}`)}</th>`)}</tr></thead>
        <tbody>${checks.map((each) => html`
          <tr key=${each.key}>
            <td dir="auto">${each.check}</td>
            <td><span class="chip ${WEIGHTS[each.result] ?? ""}">${known(`outcome.${each.result}`, each.result)}</span></td>
            <td dir="auto">${each.figure}</td><td dir="auto">${each.what_to_do}</td>
          </tr>`)}</tbody>
      </table>
    </div>`;
}
