// The history of one set: a row for each of its backups, newest first, day by day, a page at a time.

import { Badge, Choice, Nothing, Pager } from "../elements.js";
import { brief, bytes, count, dayName, local, number, timeOfDay, utc } from "../format.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { address, go } from "../route.js";
import { PAGE, mayWrite } from "../store.js";
import { ELSEWHERE, HEALTH, STATE, TRIGGER } from "../words.js";
import { BackupDialog } from "./backup.js";
import { Decision } from "./facts.js";
import { SetAtWork } from "./overview.js";

export function SetView({ state }) {
  const { route, history, health } = state;
  const status = health[`${route.set}_backup`];
  const shown = history?.set === route.set ? history : null;
  return html`
    <section class="set-head">
      <div>
        <h1>${route.set}</h1>
        ${status && html`<p>
          <${Badge} of=${HEALTH[status.health]} /> ${status.message}.
          ${` ${count(status.backup_count, "valid backup")} in `}<code>${directory(health.configuration, status)}</code>
        </p>
        <p class="help">
          <a href=${address({ view: "retention", set: route.set })}>Retention</a> reaches back ${status.retention.reaches_back}. ${status.retention.cure}
        </p>`}
      </div>
      ${status && html`<${SetAtWork} state=${state} name=${route.set} />`}
    </section>
    ${status && html`<${Filters} route=${route} states=${status.states} total=${shown?.total} />`}
    ${shown && html`<${List} state=${state} shown=${shown} />`}
    ${route.id && html`<${BackupDialog} key=${route.id} state=${state} />`}
  `;
}

const directory = ({ backup_directory: root }, { directory: below }) => (below === "." ? root : `${root}/${below}`);

function Filters({ route, states, total }) {
  const choose = (name) => (value) => go({ view: "set", set: route.set, query: { ...route.query, page: 1, [name]: value } });
  const ofStates = Object.entries(STATE).map(([key, [, words]]) => [key, `${words} (${number(states[key])})`]);
  return html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
    <${Choice} label="State" value=${route.query.state} options=${[["", "All"], ...ofStates]} onChange=${choose("state")} />
    <${Choice} label="Made" value=${route.query.trigger} options=${[["", "All"], ...Object.entries(TRIGGER)]} onChange=${choose("trigger")} />
    <label class="choice">Up to
      <input type="date" value=${route.query.until ?? ""} onChange=${(event) => choose("until")(event.target.value)} />
    </label>
    <output>${total === undefined ? "" : count(total, "backup")}</output>
  </form>`;
}

function List({ state, shown }) {
  const { set, query, entries, total, decisions, problem } = shown;
  const words = total ? "This page is empty: there are fewer backups by now." : "There is no such backup.";
  if (!entries.length) return html`<${Nothing} problem=${problem}>${words}<//>`;
  const turn = (page) => address({ view: "set", set, query: { ...query, page } });
  return html`
    ${byDay(entries).map(([name, ofDay]) => html`<section key=${name} class="day">
      <h2>${name}</h2>
      <ol class="backups">
        ${ofDay.map((entry) => html`<li key=${entry.backup_id}>
          <${Row} entry=${entry} decision=${decisions[entry.backup_id]} query=${query} mayWrite=${mayWrite(state)} />
        </li>`)}
      </ol>
    </section>`)}
    <${Pager} page=${query.page} size=${PAGE} total=${total} address=${turn} />
  `;
}

/** [day, its backups] pairs in the order that they came in. */
function byDay(entries) {
  const days = new Map();
  for (const entry of entries) {
    const name = dayName(entry.timestamp);
    days.set(name, [...(days.get(name) ?? []), entry]);
  }
  return [...days];
}

function Row({ entry, decision, query, mayWrite: mayRestore }) {
  const here = { view: "set", set: entry.backup_type, id: entry.backup_id, query };
  const documents = Object.values(entry.collections).reduce((sum, one) => sum + one, 0);
  return html`<article class="backup ${STATE[entry.state][0]}" data-id=${entry.backup_id}>
    <h3><a href=${address(here)} aria-label=${entry.backup_id}><${Moment} at=${entry.timestamp} /></a></h3>
    <p class="badges">
      <${Badge} of=${STATE[entry.state]} title=${entry.verify_message} />
      ${entry.is_suspect && html`<${Badge} of=${["warning", "Suspect"]} />`}
      ${entry.is_sealed && html`<span class="badge neutral">Not checked here</span>`}
      ${entry.is_pinned && html`<span class="badge neutral"><${Icon} name="pin" />Pinned</span>`}
      ${entry.copies.map((copy) => html`<${Elsewhere} key=${copy.copy_name} copy=${copy} />`)}
    </p>
    <div class="about">
      <p class="figure">${entry.is_valid || documents ? count(documents, "document") : ""}</p>
      <p class="figure">${bytes(entry.size_bytes)}</p>
      <p class="label">${TRIGGER[entry.trigger] ?? "–"}</p>
    </div>
    <p class="why">${entry.is_valid ? html`<${Decision} decision=${decision} />` : brief(entry.verify_message)}</p>
    ${mayRestore && entry.is_valid && !entry.is_sealed
      ? html`<a class="button small" href=${address({ ...here, action: "restore" })} aria-label=${`Restore ${entry.backup_id}`}>Restore…</a>`
      : html`<span />`}
  </article>`;
}

/** Whether a copy elsewhere has it, and read back when in the hint. */
export function Elsewhere({ copy }) {
  const [tone, words] = ELSEWHERE[copy.state];
  const hint = copy.state === "read_back" ? `Read back there ${local(copy.read_back_at)}` : copy.message;
  return html`<span class="badge ${tone}" title=${hint}>${tone !== "neutral" && html`<${Icon} name=${tone} />`}${words} ${copy.copy_name}</span>`;
}

/** `03:18`; the day stands above it, everything else in the hint. */
const Moment = ({ at }) => html`<time datetime=${at} title=${`${local(at)} (${utc(at)})`}>${timeOfDay(at)}</time>`;
