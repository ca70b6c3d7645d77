// Try it: speak into the microphone, or drop a file, and see the words: the whole chain but the telephone.

import { csrfToken } from "./api.js";
import { duration, t } from "./format.js";
import { Captions } from "./live.js";
import { LiveCalls } from "./live_calls.js";
import { file, microphone } from "./sound.js";
import { Component, html } from "./ui.js";

const LANGUAGES = ["", "he-IL", "en-US"];
const LAST_WORDS_MS = 6000;
const MOST_WAITING = 64000; // bytes; a socket that takes nothing is no conversation

export class TryView extends Component {
  constructor() {
    super();
    this.state = { phase: "idle", items: [], trouble: null, over: false, left: null };
    this.language = "";
  }

  componentWillUnmount() {
    this.isGone = true;
    this._end();
  }

  async _begin(source) {
    this._end();
    this.setState({ phase: "opening", items: [], trouble: null });
    try {
      await this._open();
      this.silence = await source((frame) => this._send(frame), () => this._finish());
      if (this.isGone) return this._end();
      this.setState({ phase: "speaking" });
    } catch (problem) {
      this._end();
      this.setState({ phase: "idle", trouble: said(problem) });
    }
  }

  _open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.socket = new WebSocket(`${scheme}//${location.host}/page/try`, ["voicestt.try"]));
    const words = new LiveCalls();
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this._heard(words, JSON.parse(data));
    return new Promise((resolve, reject) => {
      socket.onopen = () => {
        socket.send(JSON.stringify({ type: "start", csrf: csrfToken(), language: this.language || undefined }));
        resolve();
      };
      socket.onclose = ({ reason }) => {
        reject(new Error(reason));
        if (socket === this.socket) this._closed(reason);
      };
    });
  }

  _heard(words, message) {
    if (message.type === "try_limit") return this.setState({ left: message.seconds_left });
    if (!message.session) return;
    const call = words.take(message);
    if (call) this.setState({ items: [...call.items] });
  }

  _send(frame) {
    const { socket } = this;
    if (socket?.readyState === WebSocket.OPEN && socket.bufferedAmount < MOST_WAITING) socket.send(frame);
  }

  // The microphone is off; the last words may still come.
  _finish() {
    this.silence?.();
    this.silence = null;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: "stop" }));
    this.setState({ phase: "ending" });
    this.timer = setTimeout(() => this._end(), LAST_WORDS_MS);
  }

  _closed(reason) {
    this._end();
    if (reason) this.setState({ trouble: reason });
  }

  _end() {
    clearTimeout(this.timer);
    this.silence?.();
    this.silence = null;
    const { socket } = this;
    this.socket = null;
    socket?.close();
    if (!this.isGone) this.setState({ phase: "idle" });
  }

  _dropped(event) {
    event.preventDefault();
    this.setState({ over: false });
    this._file(event.dataTransfer.files[0]);
  }

  _file(chosen) {
    if (chosen) this._begin((send, done) => file(chosen, send, done));
  }

  render(_props, { phase, items, trouble, over, left }) {
    const isBusy = phase !== "idle";
    return html`
      <h1 tabindex="-1">${t("nav.try")}</h1>
      <p class="quiet">${t("try.lead")}</p>
      <div class="try ${over ? "over" : ""}" onDragOver=${(event) => (event.preventDefault(), this.setState({ over: true }))}
        onDragLeave=${() => this.setState({ over: false })} onDrop=${(event) => this._dropped(event)}>
        <p class="actions">
          <label>${t("call.language")}${" "}
            <select disabled=${isBusy} onChange=${(event) => (this.language = event.target.value)}>
              ${LANGUAGES.map((each) => html`<option value=${each} key=${each}>${t(`try.language.${each || "server"}`)}</option>`)}
            </select></label>
          ${phase === "speaking"
            ? html`<button type="button" class="danger" onClick=${() => this._finish()}>${t("try.stop")}</button>`
            : html`<button type="button" disabled=${isBusy} onClick=${() => this._begin(microphone)}>${t("try.speak")}</button>`}
          <label class="button">${t("try.choose")}
            <input type="file" accept="audio/*" class="unseen" disabled=${isBusy} onChange=${(event) => this._file(event.target.files[0])} /></label>
          <span role="status" data-phase=${phase}>${t(`try.${phase}`)}</span>
          ${left != null && html`<span class="quiet">${t("try.left", { n: duration(left) })}</span>`}
        </p>
        <p class="quiet">${t("try.drop")}</p>
      </div>
      ${trouble && html`<p role="alert" class="trouble" dir="auto">${trouble}</p>`}
      <div class="captions large" tabindex="0" role="log" aria-label=${t("try.words")}><${Captions} items=${items} /></div>`;
  }
}

function said(problem) {
  if (problem.name === "NotAllowedError") return t("try.not_allowed");
  if (problem.name === "NotFoundError") return t("try.no_microphone");
  if (problem.name === "EncodingError") return t("try.no_sound");
  if (!navigator.mediaDevices && problem instanceof TypeError) return t("try.not_secure");
  return problem.message || t("try.closed");
}
