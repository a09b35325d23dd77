// What has just happened, said in a corner and to screen readers.

import { html, useLayoutEffect, useRef } from "../html.js";
import { Icon } from "../icons.js";
import { dismiss } from "../store.js";
import { percent } from "../format.js";
import { KIND } from "../words.js";

const TONE = { good: "good", bad: "critical" };

/** Shown anew with each toast, which puts it above a window that was opened since. */
export function Toasts({ toasts }) {
  const ref = useRef();
  const newest = toasts.at(-1)?.id;
  useLayoutEffect(() => {
    ref.current.hidePopover();
    ref.current.showPopover();
  }, [newest]);
  return html`<div class="toasts" popover="manual" ref=${ref}>
    <div role="status">${toasts.filter((one) => one.tone === "good").map((one) => html`<${Toast} key=${one.id} ...${one} />`)}</div>
    <div role="alert">${toasts.filter((one) => one.tone === "bad").map((one) => html`<${Toast} key=${one.id} ...${one} />`)}</div>
  </div>`;
}

const Toast = ({ id, tone, title, detail, cure }) => html`<div class="toast ${TONE[tone]}">
  <${Icon} name=${TONE[tone]} />
  <div>
    <strong>${title}</strong>
    ${detail && html`<p>${detail}</p>`}
    ${cure && html`<p class="cure">${cure}</p>`}
  </div>
  <button type="button" class="quiet small" aria-label="Dismiss" onClick=${() => dismiss(id)}><${Icon} name="close" /></button>
</div>`;

/** Progress in words for those who do not see the bars, at every quarter. */
export const Announcer = ({ state }) => {
  const words = state.jobs.filter((job) => job.state === "running").flatMap((job) => job.runs.map((run) => said(job, run)));
  return html`<p class="unseen" role="status">${words.join(". ")}</p>`;
};

function said(job, { backup_type: set, progress }) {
  const share = progress?.expected_documents ? progress.documents / progress.expected_documents : 0;
  const quarter = Math.min(Math.floor(share * 4) / 4, 1);
  return `${KIND[job.kind]} of ${set} is under way${quarter ? `: ${percent(quarter)}` : ""}`;
}
