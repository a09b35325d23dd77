// The history of one set: its backups as cards, newest first, a page at a time.

import { verify } from "../actions.js";
import { Action, Ago, Badge, Choice, Digest, Fact, Nothing, Pager, When } from "../elements.js";
import { brief, bytes, count, day, days, number } from "../format.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { running } from "../jobs.js";
import { address, go } from "../route.js";
import { PAGE, mayWrite } from "../store.js";
import { CONSISTENCY, HEALTH, STATE, TRIGGER } from "../words.js";
import { BackupDialog } from "./backup.js";
import { SetAtWork } from "./overview.js";

const MOST_COUNTS = 8; // collections on a card; the rest is one click away

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
          ${` ${kept(status)} `}<code>${directory(health.configuration, status)}</code>
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

const kept = (status) =>
  `${count(status.backup_count, "valid backup")}; ${number(status.retention_limit)} are kept, for ${days(status.retention_days)}, in`;

function Filters({ route, states, total }) {
  const choose = (name) => (value) => go({ view: "set", set: route.set, query: { ...route.query, page: 1, [name]: value } });
  const ofStates = Object.entries(STATE).map(([key, [, words]]) => [key, `${words} (${number(states[key])})`]);
  return html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
    <${Choice} label="State" value=${route.query.state} options=${[["", "All"], ...ofStates]} onChange=${choose("state")} />
    <${Choice} label="Made" value=${route.query.trigger} options=${[["", "All"], ...Object.entries(TRIGGER)]} onChange=${choose("trigger")} />
    <output>${total === undefined ? "" : count(total, "backup")}</output>
  </form>`;
}

function List({ state, shown }) {
  const { set, query, entries, total, decisions, problem } = shown;
  const words = total ? "This page is empty: there are fewer backups by now." : "There is no such backup.";
  if (!entries.length) return html`<${Nothing} problem=${problem}>${words}<//>`;
  const turn = (page) => address({ view: "set", set, query: { ...query, page } });
  return html`
    <ol class="backups">
      ${entries.map((entry) => html`<li key=${entry.backup_id}>
        <${Card} state=${state} entry=${entry} decision=${decisions[entry.backup_id]} query=${query} />
      </li>`)}
    </ol>
    <${Pager} page=${query.page} size=${PAGE} total=${total} address=${turn} />
  `;
}

function Card({ state, entry, decision, query }) {
  const here = { view: "set", set: entry.backup_type, id: entry.backup_id, query };
  return html`<article class="backup ${STATE[entry.state][0]}">
    <header>
      <${Badge} of=${STATE[entry.state]} title=${entry.verify_message} />
      ${entry.is_suspect && html`<${Badge} of=${["warning", "Suspect"]} />`}
      ${entry.is_pinned && html`<span class="badge neutral"><${Icon} name="pin" />Pinned</span>`}
      <h2><a href=${address(here)}>${entry.filename}</a></h2>
    </header>
    <p class="made"><strong><${Ago} at=${entry.timestamp} /></strong> <${When} at=${entry.timestamp} /></p>
    ${!entry.is_valid && html`<p class="why">${brief(entry.verify_message)}</p>`}
    <dl class="facts">
      <${Fact} name="Age">${days(entry.age_days)}<//>
      <${Fact} name="Size">${bytes(entry.size_bytes)}<//>
      <${Fact} name="Made">${TRIGGER[entry.trigger] ?? "–"}<//>
      <${Fact} name="Consistency">${CONSISTENCY[entry.consistency] ?? "–"}<//>
      <${Fact} name="SHA-256"><${Digest} value=${entry.checksum} of="SHA-256" /><//>
      <${Fact} name="Retention"><${Verdict} decision=${decision} /><//>
    </dl>
    <${Counts} collections=${entry.collections} />
    ${mayWrite(state) && html`<${CardActions} state=${state} entry=${entry} here=${here} />`}
  </article>`;
}

export const Verdict = ({ decision }) => {
  if (!decision) return "–";
  const { keep, reason, expires_at: expiresAt } = decision;
  if (!keep) return html`Goes next: ${reason}`;
  return html`${expiresAt ? `Kept until ${day(expiresAt)}` : "Kept"}: ${reason}`;
};

const Counts = ({ collections }) => {
  const all = Object.entries(collections);
  return html`<ul class="counts" aria-label="Documents by collection">
    ${all.slice(0, MOST_COUNTS).map(([name, documents]) => html`<li key=${name}>${name} <b>${number(documents)}</b></li>`)}
    ${all.length > MOST_COUNTS && html`<li>and ${number(all.length - MOST_COUNTS)} more</li>`}
  </ul>`;
};

const CardActions = ({ state, entry, here }) => {
  const isVerifying = running(state, entry.backup_type, ["verify"]).some((job) => job.runs[0].backup_id === entry.backup_id);
  return html`<footer>
    <${Action} isBusy=${isVerifying} work=${() => verify(entry.backup_id, false)} aria-label=${`Verify ${entry.backup_id}`}>Verify<//>
    ${entry.is_valid && html`<a class="button" href=${address({ ...here, action: "restore" })} aria-label=${`Restore ${entry.backup_id}`}>Restore…</a>`}
  </footer>`;
};
