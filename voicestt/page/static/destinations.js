// Where events go: what waits, what is dead-lettered, and what is to be done with it.

import { get, post } from "./api.js";
import { confirmed } from "./dialog.js";
import { dateTime, duration, known, number, problem, t } from "./format.js";
import { Component, html } from "./ui.js";

export function Destinations({ destinations, mayAct, changed }) {
  const heads = ["name", "state", "backlog", "oldest", "dead", "error"];
  return html`
    <section aria-labelledby="destinations-title">
      <h2 id="destinations-title">${t("destinations.title")}</h2>
      ${!destinations?.length && html`<p class="empty">${t("destinations.none")}</p>`}
      ${destinations?.length > 0 && html`
        <div class="scroll" tabindex="0" role="group" aria-labelledby="destinations-title">
          <table class="small">
            <thead><tr>${heads.map((each) => html`<th scope="col" key=${each}>${t(`destinations.${each}`)}</th>`)}
              ${mayAct && html`<th scope="col">${t("destinations.act")}</th>`}</tr></thead>
            <tbody>${destinations.map((each) => html`
              <${Destination} key=${each.name} destination=${each} mayAct=${mayAct} changed=${changed} />`)}</tbody>
          </table>
        </div>`}
    </section>`;
}

class Destination extends Component {
  constructor() {
    super();
    this.state = { told: "", trouble: null, dead: null };
  }

  async _act(what) {
    const { name } = this.props.destination;
    const question = { title: t(`destinations.ask_${what}`, { name }), text: t(`destinations.text_${what}`), yes: t(`destinations.${what}`) };
    if (what !== "retry" && !(await confirmed(question))) return;
    try {
      const { done } = await post(`destinations/${encodeURIComponent(name)}/${what}`);
      this.setState({ told: t("destinations.done", { n: number(done) }), trouble: null, dead: null });
      this.props.changed();
    } catch (refused) {
      this.setState({ trouble: problem(refused) });
    }
  }

  async _show(cursor) {
    try {
      const { dead, next } = await get(`dead/${encodeURIComponent(this.props.destination.name)}`, { cursor });
      this.setState(({ dead: former }) => ({ dead: { rows: [...(cursor ? former.rows : []), ...dead], next }, trouble: null }));
    } catch (refused) {
      this.setState({ trouble: problem(refused) });
    }
  }

  render({ destination: { name, state, backlog, dead: count, oldest_s: oldest, last_error: error }, mayAct }, { told, trouble, dead }) {
    return html`
      <tr>
        <th scope="row"><bdi>${name}</bdi></th>
        <td><span class="chip ${state === "up" || state === "ok" ? "good" : state === "down" ? "grave" : ""}">${known(`state.${state}`, state)}</span></td>
        <td class="number">${number(backlog)}</td>
        <td class="number">${oldest == null ? "–" : duration(oldest)}</td>
        <td class="number">${count ? html`<button type="button" class="plain" aria-expanded=${dead ? "true" : "false"}
          onClick=${() => (dead ? this.setState({ dead: null }) : this._show())}>${number(count)}</button>` : number(count)}</td>
        <td dir="auto">${error ?? ""}</td>
        ${mayAct && html`<td class="acts">
          ${["retry", "skip", "discard"].map((what) => html`
            <button type="button" key=${what} disabled=${what === "skip" ? !backlog : !count} onClick=${() => this._act(what)}>
              ${t(`destinations.${what}`)}</button>`)}
          <span role="status">${told}</span>
          ${trouble && html`<span role="alert" class="trouble" dir="auto">${trouble}</span>`}
        </td>`}
      </tr>
      ${dead && html`<tr><td colspan=${mayAct ? 7 : 6}><${Dead} dead=${dead} more=${() => this._show(dead.next)} /></td></tr>`}`;
  }
}

function Dead({ dead, more }) {
  return html`
    <ul class="dead">${dead.rows.map((each) => html`
      <li key=${each.event_id}><bdi dir="ltr">${each.type}</bdi> · ${dateTime(each.at)} ·
        ${t("destinations.attempts", { n: number(each.attempts) })} · <bdi dir="auto">${each.last_error ?? ""}</bdi></li>`)}</ul>
    ${dead.next && html`<button type="button" class="plain" onClick=${more}>${t("destinations.more")}</button>`}`;
}
