// Times, numbers and texts in the language of the browser.

import en from "./words.en.js";
import he from "./words.he.js";

/** The first language of the browser's that the page has: "en" or "he". */
function chosen() {
  for (const tag of navigator.languages ?? [navigator.language]) {
    const [name] = tag.toLowerCase().split("-");
    if (name === "he" || name === "iw") return { name: "he", locale: "he-IL", words: he, direction: "rtl" };
    if (name === "en") return { name: "en", locale: tag, words: en, direction: "ltr" };
  }
  return { name: "en", locale: "en", words: en, direction: "ltr" };
}

export const language = chosen();

document.documentElement.lang = language.name;
document.documentElement.dir = language.direction;

/** The text of `key`, with `{name}` replaced by `values.name`. */
export function t(key, values = {}) {
  const text = language.words[key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** The text of `key`, or `other` where there is none: for what the server may name newly. */
export function known(key, other) {
  return language.words[key] ?? other;
}

const clockFormat = new Intl.DateTimeFormat(language.locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const minuteFormat = new Intl.DateTimeFormat(language.locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dateFormat = new Intl.DateTimeFormat(language.locale, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const numberFormat = new Intl.NumberFormat(language.locale, { maximumFractionDigits: 0 });
const fineFormat = new Intl.NumberFormat(language.locale, { maximumFractionDigits: 2 });

const asDate = (value) => (typeof value === "number" ? new Date(value) : new Date(value ?? NaN));
const orDash = (format) => (value) => (Number.isNaN(asDate(value).getTime()) ? "–" : format.format(asDate(value)));

export const clockTime = orDash(clockFormat);
export const minuteTime = orDash(minuteFormat);
export const dateTime = orDash(dateFormat);

export function number(value) {
  return value == null ? "–" : (Number.isInteger(value) || Math.abs(value) >= 100 ? numberFormat : fineFormat).format(value);
}

export function percent(share) {
  return new Intl.NumberFormat(language.locale, { style: "percent" }).format(share);
}

/** Seconds as 1:05 or 1:02:03. */
export function duration(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Milliseconds with their unit. */
export function ms(value) {
  return value == null ? "–" : t("unit.ms", { n: number(Math.round(value)) });
}

/** Seconds with their unit. */
export function seconds(value) {
  return value == null ? "–" : t("unit.s", { n: number(Math.round(value * 10) / 10) });
}

const names = new Intl.DisplayNames([language.locale], { type: "language" });

/** The name of a language that is spoken: "iw-IL" is Hebrew. */
export function languageName(tag) {
  if (!tag) return "";
  try {
    return names.of(tag.replace(/^iw/, "he").split("-")[0]);
  } catch {
    return tag;
  }
}

/** What went wrong, in a sentence; the server's own is English and stands behind ours. */
export function problem(refused) {
  const ours = t(`problem.${[0, 400, 401, 403, 404, 409, 413, 429, 503].includes(refused.status) ? refused.status : "other"}`);
  return refused.message && refused.status !== undefined ? `${ours} ${refused.message}` : ours;
}
