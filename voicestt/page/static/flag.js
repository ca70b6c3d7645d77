// The flag of streaming: a switch that asks first, and says who is moved.

import { get, post } from "./api.js";
import { confirmed } from "./dialog.js";
import { number, problem, t } from "./format.js";
import { Component, html, whileVisible } from "./ui.js";

const ASK_MS = 10000;

export class Flag extends Component {
  constructor() {
    super();
    this.state = { flag: null, told: "", trouble: null };
  }

  componentDidMount() {
    this.stop = whileVisible(() => this._load(), ASK_MS);
  }

  componentWillUnmount() {
    this.stop();
  }

  async _load() {
    const flag = await get("flag").catch(() => null);
    if (flag) this.setState({ flag });
  }

  async _turn() {
    const streaming = !this.state.flag.streaming;
    const { calls } = (await get("flag").catch(() => null)) ?? this.state.flag;
    const way = streaming ? "on" : "off";
    const question = { title: t(`flag.ask_${way}`), text: t(`flag.text_${way}`, { n: number(calls) }), yes: t(`flag.yes_${way}`) };
    if (!(await confirmed(question))) return;
    try {
      const { moved } = await post("flag", { streaming });
      this.setState({ flag: { streaming, calls }, told: t(`flag.moved_${way}`, { n: number(moved) }), trouble: null });
    } catch (refused) {
      this.setState({ trouble: problem(refused) });
    }
  }

  render({ mayAct }, { flag, told, trouble }) {
    if (!flag) return null;
    const text = t(flag.streaming ? "flag.is_on" : "flag.is_off");
    return html`
      <section class="flag" aria-labelledby="flag-title">
        <h2 id="flag-title">${t("flag.title")}</h2>
        <p>
          ${mayAct && html`<button type="button" role="switch" class="switch" aria-checked=${flag.streaming ? "true" : "false"}
            aria-labelledby="flag-title" onClick=${() => this._turn()}><span aria-hidden="true"></span></button>`}
          <span data-streaming=${String(flag.streaming)}>${text}</span>
        </p>
        <p role="status" class="told">${told}</p>
        ${trouble && html`<p role="alert" class="trouble" dir="auto">${trouble}</p>`}
      </section>`;
  }
}
