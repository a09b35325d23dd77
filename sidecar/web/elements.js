// The small parts that all views are made of.

import { bytes, duration, local, number, rate, relative, shortDigest, utc } from "./format.js";
import { html, useLayoutEffect, useRef, useState } from "./html.js";
import { Icon } from "./icons.js";
import { toast } from "./store.js";
import { ACTION } from "./words.js";

/** A status: colour, icon and word. `of` is a [tone, word] pair. */
export const Badge = ({ of: [tone, word], title }) =>
  html`<span class="badge ${tone}" title=${title}><${Icon} name=${tone} />${word}</span>`;

/** A moment in the reader's own time; in UTC on demand. */
export const When = ({ at }) => html`<time datetime=${at} title=${utc(at)}>${local(at)}</time>`;

/** How long ago, or in how long; the moment itself on demand. */
export const Ago = ({ at }) => html`<time datetime=${at} title=${`${local(at)} (${utc(at)})`}>${relative(at)}</time>`;

export const Fact = ({ name, kind = "", title, children }) => html`<div class="fact ${kind}" title=${title}><dt>${name}</dt><dd>${children}</dd></div>`;

export const Digest = ({ value, of }) =>
  value ? html`<span class="digest"><code title=${value}>${shortDigest(value)}</code><${Copy} text=${value} what=${of} /></span>` : "–";

const Copy = ({ text, what }) => {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text); // browsers have it only where the page came by HTTPS or from this machine
      toast("good", `Copied: ${what}`);
    } catch {
      toast("bad", `The browser does not allow copying: here is the ${what}`, { detail: text });
    }
  };
  return html`<button class="quiet small" type="button" onClick=${copy} aria-label=${`Copy the ${what}`}><${Icon} name="copy" /></button>`;
};

/** A button whose work takes a while: it spins, stays where the focus is, and is not pressed twice. */
export function Action({ work, isBusy = false, kind = "", children, ...more }) {
  const [isAtWork, setAtWork] = useState(false);
  const busy = isBusy || isAtWork;
  const press = async () => {
    if (busy) return;
    setAtWork(true);
    await work();
    setAtWork(false);
  };
  return html`<button type="button" class=${kind} aria-disabled=${busy} aria-busy=${busy} onClick=${press} ...${more}>
    ${busy && html`<${Icon} name="running" />`}${children}
  </button>`;
}

/** How far a run has come. */
export function Progress({ run, label, children }) {
  const { action, collection, documents, expected_documents: expected, bytes: size } = run.progress ?? {};
  const { bytes_per_second: speed, remaining_seconds: rest } = run.progress ?? {};
  const share = expected ? Math.min(documents / expected, 1) : undefined;
  const words = [
    action ? `${ACTION[action] ?? action}${collection ? ` ${collection}` : ""}` : "Beginning",
    documents ? `${number(documents)}${expected ? ` of ${number(expected)}` : ""} documents` : size ? bytes(size) : "",
    speed ? rate(speed) : "",
    rest ? `about ${duration(Math.max(rest, 1))} left` : "",
  ];
  return html`<div class="progress">
    ${children}
    <progress aria-label=${label} max="1" value=${share} />
    <p>${words.filter(Boolean).join(" · ")}</p>
  </div>`;
}

let windows = 0;

/** A modal window as long as it is drawn; the focus goes back to where it was. Without `onClose` nobody can close it. */
export function Dialog({ title, onClose, children, kind = "" }) {
  const ref = useRef();
  const [id] = useState(() => `window-${++windows}`);
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  const close = (event) => {
    event.preventDefault();
    onClose?.();
  };
  const closed = ({ target }) => target.isConnected && (onClose ? onClose() : target.showModal()); // by the browser, which asks once only
  return html`<dialog ref=${ref} class=${kind} aria-labelledby=${id} closedby=${onClose ? undefined : "none"} onCancel=${close} onClose=${closed}>
    <header>
      <h2 id=${id}>${title}</h2>
      ${onClose && html`<button type="button" class="quiet" aria-label="Close" onClick=${close}><${Icon} name="close" /></button>`}
    </header>
    ${children}
  </dialog>`;
}

/** A part of a window that takes another's place: what was focused in that is gone, so this takes the focus over. */
export function Step({ label, onSubmit, children }) {
  const ref = useRef();
  useLayoutEffect(() => {
    const first = ref.current.querySelector("[autofocus]") ?? ref.current;
    first.focus({ preventScroll: true });
    ref.current.closest("dialog").scrollTop = 0;
  }, []);
  const inside = html`<div class="step" ref=${ref} tabindex="-1" role="group" aria-label=${label}>${children}</div>`;
  return onSubmit ? html`<form onSubmit=${onSubmit}>${inside}</form>` : inside;
}

/** A sentence for when there is nothing, or the server's reason why not. */
export const Nothing = ({ problem, children }) =>
  html`<p class="nothing">${problem ? html`<${Icon} name="critical" />${problem.message} ${problem.cure}` : children}</p>`;

/** Newer and older. */
export function Pager({ page, size, total, address }) {
  const from = (page - 1) * size + 1;
  const to = Math.min(page * size, total);
  const link = (target, isThere, words) =>
    isThere
      ? html`<a class="button" href=${address(target)}>${words}</a>`
      : html`<span class="button" aria-disabled="true">${words}</span>`;
  return total > size && html`<nav class="pager" aria-label="Pages">
    ${link(page - 1, page > 1, "Newer")}
    <span>${number(from)}–${number(to)} of ${number(total)}</span>
    ${link(page + 1, to < total, "Older")}
  </nav>`;
}

/** A choice among a few. `options` are [value, words] pairs; the first stands for all. */
export const Choice = ({ label, value, options, onChange }) => html`<label class="choice">${label}
  <select value=${value ?? ""} onChange=${(event) => onChange(event.target.value)}>
    ${options.map(([key, words]) => html`<option key=${key} value=${key} selected=${key === (value ?? "")}>${words}</option>`)}
  </select>
</label>`;
