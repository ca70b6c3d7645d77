// Small marks for what befell a call, the same in every view.

import { known, seconds } from "./format.js";
import { html } from "./ui.js";

const SIGNS = {
  key: "⌨", said: "♪", seam: "⇄", stream: "▷", restart: "↻", replay: "⟲", hold: "‖", degraded: "▽", recovered: "△",
  interrupted: "✕", resumed: "✓", unrecognised: "∅",
};
// The events' own names for the same.
const KINDS = { dtmf: "key", rotated: "seam", restarted: "restart", held: "hold" };
const GRAVE = new Set(["degraded", "interrupted", "unrecognised", "restart"]);

const named = (kind) => KINDS[kind] ?? kind;

/** How much it matters: "grave", "good" or "". */
export function weight(kind) {
  if (GRAVE.has(named(kind))) return "grave";
  return kind === "recovered" || kind === "resumed" ? "good" : "";
}

export function markName(kind) {
  return known(`mark.${named(kind)}`, kind);
}

export function Mark({ kind, text, lost }) {
  return html`
    <span class="mark ${weight(kind)}" data-kind=${named(kind)}>
      <span class="sign" aria-hidden="true">${SIGNS[named(kind)] ?? "•"}</span>
      <span>${markName(kind)}</span>
      ${lost ? html`<span>${seconds(lost / 1000)}</span>` : null}
      ${text ? html`<bdi class="detail" dir="auto">${text}</bdi>` : null}
    </span>`;
}
