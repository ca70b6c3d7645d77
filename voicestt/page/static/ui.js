// Preact and htm under one roof: every view imports them from here.
import { Component, Fragment, createRef, h, render } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";

export const html = htm.bind(h);
export { Component, Fragment, createRef, render };

/** Run `work` now and every `ms` while the tab is seen; a hidden tab costs nothing. Returns what stops it. */
export function whileVisible(work, ms) {
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
  };
  const look = () => {
    stop();
    if (document.hidden) return;
    work();
    timer = setInterval(work, ms);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    stop();
  };
}

/** Download a file that the server makes; the name is the server's. */
export function download(address) {
  const link = document.createElement("a");
  link.href = address;
  link.download = "";
  link.click();
}
