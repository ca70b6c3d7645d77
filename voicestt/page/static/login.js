// The way in.

import { login } from "./api.js";
import { problem, t } from "./format.js";
import { Component, createRef, html } from "./ui.js";

export class Login extends Component {
  constructor() {
    super();
    this.state = { trouble: null, busy: false };
    this.field = createRef();
  }

  componentDidMount() {
    document.title = `${t("login.title")} · voicestt`;
    this.field.current.focus();
  }

  async _submit(event) {
    event.preventDefault();
    this.setState({ busy: true, trouble: null });
    try {
      await login(this.field.current.value);
      this.props.done();
    } catch (refused) {
      this.setState({ busy: false, trouble: this._said(refused) });
      this.field.current.select();
    }
  }

  _said(refused) {
    if (refused.status === 401) return t("login.wrong");
    if (refused.status === 429) return t("login.wait", { n: refused.retryAfter ?? 60 });
    return problem(refused);
  }

  render(_props, { trouble, busy }) {
    return html`
      <main class="alone">
        <form class="login" onSubmit=${(event) => this._submit(event)}>
          <h1><img src="/page/static/icon.svg" alt="" width="40" height="40" /> voicestt</h1>
          <p class="quiet">${t("login.lead")}</p>
          <label for="password">${t("login.password")}</label>
          <input id="password" name="password" type="password" autocomplete="current-password" dir="ltr" required
            ref=${this.field} aria-describedby="trouble" />
          <button disabled=${busy}>${t("login.enter")}</button>
          <p id="trouble" role="alert" class="trouble">${trouble}</p>
        </form>
      </main>`;
  }
}
