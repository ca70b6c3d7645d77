// Calls: the journal, newest first, found by words, number, date or trouble.

import { get } from "./api.js";
import { dateTime, duration, languageName, number, problem, seconds, t } from "./format.js";
import { Component, html } from "./ui.js";

const FILTERS = ["query", "number", "since", "until", "degraded", "lost"];

/** The address of the view with these parameters; empty ones are left out. */
function address(parameters) {
  const kept = Object.entries(parameters).filter(([, value]) => value);
  const query = new URLSearchParams(kept).toString();
  return `#/calls${query && `?${query}`}`;
}

/** Days are the reader's own: from its midnight to the next one. */
function asked({ since, until, ...rest }) {
  const midnight = (day, later) => {
    const [year, month, date] = day.split("-").map(Number);
    return new Date(year, month - 1, date + later).toISOString();
  };
  return { ...rest, since: since && midnight(since, 0), until: until && midnight(until, 1), limit: 50 };
}

export class CallsView extends Component {
  constructor(props) {
    super(props);
    this.state = { found: null, trouble: null, busy: true };
  }

  componentDidMount() {
    this._search(this.props.parameters);
  }

  componentDidUpdate(previous) {
    if (address(previous.parameters) !== address(this.props.parameters)) this._search(this.props.parameters);
  }

  componentWillUnmount() {
    this.asking?.abort();
  }

  async _search(parameters) {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    this.setState({ busy: true });
    try {
      const found = await get("calls", asked(parameters), asking.signal);
      this.setState({ found, trouble: null, busy: false });
    } catch (refused) {
      if (refused.name !== "AbortError") this.setState({ trouble: problem(refused), busy: false });
    }
  }

  _submit(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    location.hash = address(Object.fromEntries(FILTERS.map((name) => [name, (form.get(name) ?? "").trim()])));
  }

  render({ parameters }, { found, trouble, busy }) {
    return html`
      <div class="bar"><h1 tabindex="-1">${t("nav.calls")}</h1></div>
      <${Filters} parameters=${parameters} submit=${(event) => this._submit(event)} />
      ${trouble && html`<p role="alert" class="trouble" dir="auto">${trouble}</p>`}
      <div aria-busy=${busy} class=${busy ? "busy" : ""}>
        ${found && !found.calls.length && html`<p class="empty">${t("calls.none")}</p>`}
        ${found && found.calls.length > 0 && html`<${Table} calls=${found.calls} query=${parameters.query} />`}
      </div>
      <nav class="pages" aria-label=${t("calls.pages")}>
        ${parameters.cursor && html`<a href=${address({ ...parameters, cursor: "" })}>${t("calls.first")}</a>`}
        ${found?.next && html`<a href=${address({ ...parameters, cursor: found.next })}>${t("calls.older")}</a>`}
      </nav>`;
  }
}

class Filters extends Component {
  // Drawn again for other parameters only: what somebody is typing stays when a list comes.
  shouldComponentUpdate(next) {
    return address(next.parameters) !== address(this.props.parameters);
  }

  render({ parameters, submit }) {
    const field = (name, type, more = {}) => html`
      <label><span>${t(`calls.${name}`)}</span>
        <input name=${name} type=${type} value=${parameters[name] ?? ""} ...${more} /></label>`;
    const check = (name) => html`
      <label class="check"><input type="checkbox" name=${name} value="1" checked=${parameters[name] === "1"} /> ${t(`calls.${name}`)}</label>`;
    return html`
      <form class="search" role="search" onSubmit=${submit}>
        ${field("query", "search", { dir: "auto", class: "wide" })}
        ${field("number", "search", { dir: "ltr", inputmode: "tel" })}
        ${field("since", "date")} ${field("until", "date")}
        ${check("degraded")} ${check("lost")}
        <button>${t("calls.search")}</button>
      </form>`;
  }
}

function Table({ calls, query }) {
  const heads = ["started", "caller", "duration", "words", "trouble"];
  return html`
    <table class="calls">
      <thead><tr>${heads.map((each) => html`<th scope="col" key=${each}>${t(`calls.head.${each}`)}</th>`)}</tr></thead>
      <tbody>${calls.map((call) => html`
        <tr key=${call.session} data-call=${call.call_sid}>
          <td><a href="#/call/${call.session}">${dateTime(call.started)}</a></td>
          <td><bdi dir="ltr">${call.number || t("call.unknown_number")}</bdi></td>
          <td class="number">${call.duration_s == null ? t("calls.live") : duration(call.duration_s)}</td>
          <td class="said">
            <span class="quiet">${number(call.words)} ${languageName(call.language)}${call.recorded ? html` · ${t("calls.recorded")}` : ""}</span>
            ${call.snippet && html`<p class="snippet" dir="auto"><${Found} text=${call.snippet} query=${query} /></p>`}
          </td>
          <td><${Trouble} trouble=${call.trouble} none=${t("calls.no_trouble")} /></td>
        </tr>`)}</tbody>
    </table>`;
}

/** The text with what was searched for marked. */
function Found({ text, query }) {
  const at = query ? text.toLowerCase().indexOf(query.toLowerCase()) : -1;
  if (at < 0) return text;
  const end = at + query.length;
  return html`${text.slice(0, at)}<mark>${text.slice(at, end)}</mark>${text.slice(end)}`;
}

/** What went wrong in a call; `none` is said where nothing did. */
export function Trouble({ trouble, none = null }) {
  if (!trouble) return null;
  const { degraded, lost_ms: lost, incidents } = trouble;
  return html`<span class="troubles">
    ${degraded && html`<span class="chip grave">${t("mode.degraded")}</span>`}
    ${lost > 0 && html`<span class="chip grave">${t("calls.lost_words", { n: seconds(lost / 1000) })}</span>`}
    ${incidents > 0 && html`<span class="chip">${t("calls.incidents", { n: number(incidents) })}</span>`}
    ${!degraded && !lost && !incidents && none && html`<span class="quiet">${none}</span>`}
  </span>`;
}
