// The call's audio, with the word that is being spoken lit, and a click on a word that goes there.

import { t } from "./format.js";
import { Component, createRef, html } from "./ui.js";

export class Player extends Component {
  constructor() {
    super();
    this.audio = createRef();
    this.words = [];
    this.lit = [];
    this.frame = null;
    this.state = { trouble: false };
  }

  componentDidMount() {
    this.props.control({ play: (ms) => this._playFrom(ms) });
  }

  componentWillUnmount() {
    cancelAnimationFrame(this.frame);
  }

  _playFrom(ms) {
    const audio = this.audio.current;
    audio.currentTime = ms / 1000;
    audio.play().catch(() => null); // the browser may want a click of its own
  }

  // Looked up when it begins: the conversation may have grown since.
  _playing() {
    const spans = [...this.props.words.current.querySelectorAll(".word")];
    this.words = spans.map((span) => ({ span, start: Number(span.dataset.start), end: Number(span.dataset.end) }));
    this._follow();
  }

  _follow() {
    cancelAnimationFrame(this.frame);
    this._light();
    if (!this.audio.current || this.audio.current.paused) return;
    this.frame = requestAnimationFrame(() => this._follow());
  }

  _light() {
    const now = 1000 * (this.audio.current?.currentTime ?? 0);
    this.props.moved?.(now);
    const due = this.words.filter(({ start, end }) => start <= now && now < end).map(({ span }) => span);
    for (const span of this.lit) if (!due.includes(span)) span.classList.remove("lit");
    for (const span of due) {
      if (this.lit.includes(span)) continue;
      span.classList.add("lit");
      span.scrollIntoView({ block: "nearest" });
    }
    this.lit = due;
  }

  render({ session, recording }, { trouble }) {
    return html`
      <section class="player" aria-label=${t("call.recording")}>
        <audio controls preload="metadata" ref=${this.audio} src="/page/api/calls/${encodeURIComponent(session)}/audio?format=pcm16"
          aria-label=${t("call.recording")} onPlay=${() => this._playing()} onSeeked=${() => this._playing()}
          onPause=${() => this._follow()} onError=${() => this.setState({ trouble: true })}></audio>
        <p class="quiet">${t(recording.tracks === 2 ? "call.stereo" : "call.mono")} ${t("call.click_word")}</p>
        ${trouble && html`<p role="alert" class="trouble">${t("call.no_audio")}</p>`}
      </section>`;
  }
}
