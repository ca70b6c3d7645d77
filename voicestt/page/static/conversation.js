// What was said in a call, by both sides; each word knows its time.

import { clockTime, duration, percent, seconds, t } from "./format.js";
import { Mark } from "./marks.js";
import { Component, html } from "./ui.js";

/** The words of an utterance as they are written, with the times that the recogniser gave them. */
function timedWords(said) {
  const written = (said.text ?? "").split(/\s+/).filter(Boolean);
  if (!said.words?.length) return null;
  if (written.length !== said.words.length) return said.words.map(({ word, ...times }) => ({ text: word, ...times }));
  return said.words.map((word, i) => ({ ...word, text: written[i] }));
}

/** From 0 (sure) to 4 (a guess). */
function doubt(confidence) {
  return confidence == null ? null : Math.min(4, Math.max(0, Math.floor((1 - confidence) * 10)));
}

export class Conversation extends Component {
  shouldComponentUpdate(next) {
    return next.items !== this.props.items || next.play !== this.props.play;
  }

  // One listener for all words: a long call has thousands of them.
  _clicked(event) {
    const word = event.target.closest("[data-start]");
    if (word && this.props.play) this.props.play(Number(word.dataset.start));
  }

  render({ items, play }) {
    if (!items.length) return html`<p class="empty">${t("call.silent")}</p>`;
    return html`
      <ol class="conversation ${play ? "playable" : ""}" onClick=${(event) => this._clicked(event)}>
        ${items.map((said) => html`<${Said} key=${said.who + said.at + (said.utterance ?? "")} said=${said} play=${play} />`)}
      </ol>
      <p class="legend quiet">${t("call.shade")}
        ${[0, 1, 2, 3, 4].map((each) => html` <span class="swatch doubt-${each}">${percent(1 - each / 10)}${each === 4 ? "↓" : ""}</span>`)}</p>`;
  }
}

function Said({ said, play }) {
  if (said.who === "keys") return html`<li class="keys"><${Mark} kind="key" text=${said.text} /> <${Time} said=${said} /></li>`;
  const shade = doubt(said.confidence);
  return html`
    <li class="said ${said.who}" data-who=${said.who}>
      <p class="from"><${Time} said=${said} play=${play} />
        <span>${t(`call.who.${said.who}`)}</span>
        ${said.cleared && html`<span class="chip">${t("call.cleared")}</span>`}
        ${shade === null ? null : html`<span class="unseen">${t("call.confidence", { n: percent(said.confidence) })}</span>`}</p>
      <p class="text ${shade === null ? "" : `doubt-${shade}`}" dir="auto"><${Words} said=${said} /></p>
    </li>`;
}

function Time({ said, play }) {
  const shown = said.start_ms == null ? clockTime(said.at) : duration(said.start_ms / 1000);
  const title = clockTime(said.at);
  if (!play || said.start_ms == null) return html`<time datetime=${said.at} title=${title}>${shown}</time>`;
  return html`<button type="button" class="time" data-start=${said.start_ms} title=${title}
    aria-label=${t("call.play_from", { at: shown })}>${shown}</button>`;
}

function Words({ said }) {
  const words = timedWords(said);
  if (!words) {
    const text = said.text ?? t("call.audio", { n: seconds((said.end_ms - said.start_ms) / 1000) });
    return said.start_ms == null ? text : html`<span class="word" data-start=${said.start_ms} data-end=${said.end_ms}>${text}</span>`;
  }
  return words.map((word, i) => html`${i ? " " : ""}<span class="word" data-start=${word.start_ms} data-end=${word.end_ms}>${word.text}</span>`);
}
