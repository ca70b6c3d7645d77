// A call on a line of time: who spoke when, and what befell it.

import { duration, t } from "./format.js";
import { Mark, markName, weight } from "./marks.js";
import { html } from "./ui.js";

const WIDTH = 1000;
const LANES = { caller: 4, callee: 24, us: 24 }; // nothing is said into a call of two sides

export function Timeline({ conversation, incidents, length, started, play, head }) {
  const began = Date.parse(started);
  const placed = incidents.map((each) => ({ ...each, offset: each.at_ms ?? Date.parse(each.at) - began }));
  const whole = Math.max(1, length * 1000, ...conversation.map((said) => said.end_ms ?? 0), ...placed.map((each) => each.offset));
  const at = (ms) => Math.round((WIDTH * Math.max(0, ms)) / whole);
  const spoken = conversation.filter((said) => said.who in LANES && said.start_ms != null);
  const clicked = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    play?.((whole * (event.clientX - box.left)) / box.width);
  };
  return html`
    <section aria-labelledby="line-title">
      <h2 id="line-title">${t("call.timeline")}</h2>
      <div class="line" dir="ltr">
        <svg viewBox="0 0 ${WIDTH} 64" preserveAspectRatio="none" role="img" aria-label=${t("call.timeline_label")}
          class=${play ? "playable" : ""} onClick=${clicked}>
          ${spoken.map((said) => html`
            <rect class="bar-${said.who}" x=${at(said.start_ms)} y=${LANES[said.who]} height="16" rx="2"
              width=${Math.max(2, at(said.end_ms ?? said.start_ms) - at(said.start_ms))}><title>${said.text}</title></rect>`)}
          ${placed.map((each) => html`
            <rect class="incident ${weight(each.kind)}" data-kind=${each.kind} x=${at(each.offset)} y="0" height="64"
              width=${Math.max(4, at(each.offset + (each.ms ?? 0)) - at(each.offset))}><title>${markName(each.kind)}</title></rect>`)}
          ${head != null && html`<rect class="head" x=${at(head)} y="0" width="3" height="64" />`}
        </svg>
        <p class="scale"><span>0:00</span><span>${duration(whole / 2000)}</span><span>${duration(whole / 1000)}</span></p>
      </div>
      <ol class="incidents" tabindex="0" aria-label=${t("call.incidents_label")}>${placed.map((each) => html`
        <li key=${each.kind + each.at}><span class="at" dir="ltr">${duration(each.offset / 1000)}</span>
          ${each.who === "callee" && html`<span class="chip">${t("call.who.callee")}</span> `}<${Mark} kind=${each.kind} text=${each.text} lost=${each.ms} /></li>`)}
        ${!placed.length && html`<li class="quiet">${t("call.no_incidents")}</li>`}</ol>
    </section>`;
}
