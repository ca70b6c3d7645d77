// A question before what cannot be undone: the browser's own dialog, with its focus and its Escape.

import { t } from "./format.js";
import { html, render } from "./ui.js";

/** Ask; true if it was said so. */
export function confirmed({ title, text, yes }) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "question");
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      render(null, dialog);
      dialog.remove();
    });
    render(html`
      <form method="dialog">
        <h2 id="question">${title}</h2>
        <p dir="auto">${text}</p>
        <p class="answers">
          <button value="no" class="plain" autofocus>${t("dialog.no")}</button>
          <button value="yes" class="danger">${yes}</button>
        </p>
      </form>`, dialog);
    dialog.showModal();
  });
}
