// Banners over every view: what is wrong, and what to do.

import { alerts } from "../alerts.js";
import { Action } from "../elements.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { mayWrite } from "../store.js";

const WORDS = { critical: "Critical", warning: "Warning", caution: "Caution" };

export const Alerts = ({ state }) => html`<section class="alerts" aria-label="Alerts" aria-live="polite">
  ${alerts(state).map((one) => html`<article key=${one.key} class="alert ${one.isCalm ? "neutral" : one.tone}">
    <${Icon} name=${one.isCalm ? "neutral" : one.tone} />
    <div>
      <h2>${!one.isCalm && html`<span class="tone">${WORDS[one.tone]}:</span>`} ${one.title}</h2>
      ${one.detail && html`<p>${one.detail}</p>`}
      <p class="cure">${one.cure}</p>
      <p class="actions">
        ${one.act && mayWrite(state) && html`<${Action} kind="small" work=${one.act.work}>${one.act.words}<//>`}
        ${one.link && html`<a href=${one.link.href}>${one.link.text}</a>`}
      </p>
    </div>
  </article>`)}
</section>`;
