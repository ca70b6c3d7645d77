// The shell: who is signed in, which view is shown, and the way between them.

import { logout, session } from "./api.js";
import { CallView } from "./call.js";
import { CallsView } from "./calls.js";
import { problem, t } from "./format.js";
import { HealthView } from "./health.js";
import { LiveView } from "./live.js";
import { Login } from "./login.js";
import { TryView } from "./try.js";
import { Component, html, render } from "./ui.js";

const VIEWS = { live: LiveView, calls: CallsView, call: CallView, health: HealthView, try: TryView };

/** The address behind the #: the view, what it shows, and its parameters. */
function where() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, subject] = path.split("/");
  const parameters = Object.fromEntries(new URLSearchParams(query ?? ""));
  return { name: name in VIEWS ? name : "live", subject: decodeURIComponent(subject ?? ""), parameters };
}

class App extends Component {
  constructor() {
    super();
    this.state = { session: undefined, where: where(), problem: null };
  }

  componentDidMount() {
    addEventListener("hashchange", () => this._moved());
    addEventListener("signed-out", () => this.setState({ session: null }));
    this._ask();
  }

  async _ask() {
    try {
      this.setState({ session: await session(), problem: null });
    } catch (refused) {
      this.setState({ problem: problem(refused) });
      setTimeout(() => this._ask(), 3000);
    }
  }

  _moved() {
    this.setState({ where: where() }, () => document.querySelector("h1")?.focus());
  }

  async _leave() {
    await logout().catch(() => null);
    this.setState({ session: null });
  }

  render(_props, { session: who, where: place, problem: trouble }) {
    if (trouble) return html`<main class="alone"><p role="alert" dir="auto">${trouble}</p></main>`;
    if (who === undefined) return html`<main class="alone"><p>${t("loading")}</p></main>`;
    if (who === null) return html`<${Login} done=${() => this._ask()} />`;
    const View = VIEWS[place.name];
    document.title = `${t(`nav.${place.name}`)} · voicestt`;
    return html`
      <a class="skip" href="#main" onClick=${skip}>${t("nav.skip")}</a>
      <${Header} session=${who} name=${place.name} leave=${() => this._leave()} />
      <main id="main" tabindex="-1">
        <${View} key=${place.name + place.subject} session=${who} mayAct=${who.role === "act"} ...${place} />
      </main>`;
  }
}

function skip(event) {
  event.preventDefault(); // the address behind the # is a view's
  document.querySelector("#main").focus();
}

function Header({ session: who, name, leave }) {
  const shown = ["live", ...(who.journal ? ["calls"] : []), "health", ...(who.try && who.role === "act" ? ["try"] : [])];
  return html`
    <header class="top">
      <span class="brand"><img src="/page/static/icon.svg" alt="" width="24" height="24" />voicestt</span>
      <nav aria-label=${t("nav.label")}>
        ${shown.map((each) => html`
          <a key=${each} href="#/${each}" aria-current=${isAt(name, each) ? "page" : null}>${t(`nav.${each}`)}</a>`)}
      </nav>
      <span class="who">
        ${who.role === "view" && html`<span class="chip">${t("role.view")}</span>`}
        <button type="button" class="plain" onClick=${leave}>${t("logout")}</button>
      </span>
    </header>`;
}

const isAt = (name, link) => name === link || (name === "call" && link === "calls");

render(html`<${App} />`, document.querySelector("#app"));
