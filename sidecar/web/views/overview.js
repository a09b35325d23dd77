// The health of everything on one page.

import { backUp, cancel } from "../actions.js";
import { Curve } from "../curve.js";
import { Action, Ago, Badge, Fact, Progress, When } from "../elements.js";
import { bytes, count, days, duration, megabytes, percent } from "../format.js";
import { html } from "../html.js";
import { running } from "../jobs.js";
import { address } from "../route.js";
import { mayWrite, scheduled, setNames } from "../store.js";
import { HEALTH, KIND, OUTCOME, overallWords } from "../words.js";

export const Overview = ({ state }) => html`
  <${Overall} state=${state} />
  <section class="cards" aria-label="Backup sets">
    ${setNames(state).map((name) => html`<${SetCard} key=${name} state=${state} name=${name} />`)}
  </section>
  <section class="cards" aria-label="Sidecar">
    <${Storage} ...${state.health} />
    <${Process} ...${state.health} />
    <${Latest} jobs=${state.jobs} />
  </section>
`;

function Overall({ state }) {
  const { overall_health: health } = state.health;
  const isBusy = setNames(state).some((name) => running(state, name, ["backup", "restore"]).length);
  return html`<section class="overall ${HEALTH[health][0]}">
    <div>
      <h1>${overallWords(health)}</h1>
      <p><${Badge} of=${HEALTH[health]} /> ${summary(state)}</p>
    </div>
    ${mayWrite(state) && html`<${Action} kind="primary" isBusy=${isBusy} work=${() => backUp("all")}>Run all backups now<//>`}
  </section>`;
}

function summary(state) {
  const names = setNames(state);
  const valid = names.reduce((sum, name) => sum + state.health[`${name}_backup`].backup_count, 0);
  return `${count(valid, "valid backup")} in ${count(names.length, "set")}`;
}

function SetCard({ state, name }) {
  const status = state.health[`${name}_backup`];
  const last = status.last_backup;
  return html`<article class="card">
    <header>
      <h2><a href=${address({ view: "set", set: name })}>${name}</a></h2>
      <${Badge} of=${HEALTH[status.health]} title=${status.message} />
    </header>
    <p class="last">
      <span class="label">Last backup</span>
      ${last ? html`<strong><${Ago} at=${last.timestamp} /></strong> <${When} at=${last.timestamp} />` : html`<strong>None yet</strong>`}
    </p>
    <${SetFacts} state=${state} name=${name} status=${status} />
    <${Curves} entries=${state.recent[name] ?? []} />
    <${SetAtWork} state=${state} name=${name} />
  </article>`;
}

const SetFacts = ({ state, name, status }) => html`<dl class="facts">
  <${Fact} name="Next run"><${NextRun} entry=${scheduled(state, "backup", name)} /><//>
  <${Fact} name="Kept">${status.backup_count} of ${status.retention_limit}, for ${days(status.retention_days)}<//>
</dl>`;

export function NextRun({ entry }) {
  if (entry.pause) return html`Paused${entry.pause.until ? html` until <${When} at=${entry.pause.until} />` : ""}`;
  return entry.next_run ? html`<${Ago} at=${entry.next_run} />` : "Never";
}

export function Curves({ entries }) {
  const made = entries.filter((one) => one.trigger && one.trigger !== "pre_restore").reverse();
  const timed = made.filter((one) => one.duration_seconds !== null);
  return html`<div class="curves">
    <${Curve} name="Size" values=${made.map((one) => one.size_bytes)} show=${bytes} />
    <${Curve} name="Duration" values=${timed.map((one) => one.duration_seconds)} show=${duration} />
  </div>`;
}

/** What is at work on a set, or the button that starts a backup of it. */
export function SetAtWork({ state, name }) {
  const jobs = running(state, name);
  const isTaken = running(state, name, ["backup", "restore", "prune"]).length > 0;
  return html`<div class="work">
    ${jobs.map((job) => html`<${JobBar} key=${job.id} job=${job} set=${name} mayCancel=${mayWrite(state)} />`)}
    ${mayWrite(state) && html`
      <${Action} isBusy=${isTaken} work=${() => backUp(name)} aria-label=${`Run backup of ${name} now`}>Run Backup Now<//>
    `}
  </div>`;
}

function JobBar({ job, set, mayCancel }) {
  const what = KIND[job.kind];
  const label = `Cancel the ${what.toLowerCase()} of ${set}`;
  return html`<${Progress} run=${job.runs.find((run) => run.backup_type === set)} label=${`${what} of ${set}`}>
    <p class="what">
      ${what} ${mayCancel && html`<${Action} kind="quiet small" work=${() => cancel(job.id)} aria-label=${label}>Cancel<//>`}
    </p>
  <//>`;
}

const Storage = ({ storage, configuration }) => html`<article class="card">
  <header>
    <h2>Storage</h2>
    <${Badge} of=${storage.has_sufficient_space ? ["good", "Sufficient"] : ["critical", "Insufficient"]} />
  </header>
  <p class="last"><strong>${megabytes(storage.free_mb)} free</strong> <span class="label">of ${megabytes(storage.capacity_mb)}</span></p>
  <meter aria-label="Free storage" max="1" low="0.05" high="0.15" optimum="1" value=${storage.capacity_mb ? storage.free_mb / storage.capacity_mb : 0}>
    ${percent(storage.capacity_mb ? storage.free_mb / storage.capacity_mb : 0)}
  </meter>
  <dl class="facts">
    <${Fact} name="Needed for a run">${megabytes(storage.required_mb)}<//>
    <${Fact} name="Minimum left free">${megabytes(storage.minimum_required_mb)}<//>
    <${Fact} name="Limits">${configuration.backup_limit} per set, ${days(configuration.retention_days)}<//>
    <${Fact} name="Directory"><code>${configuration.backup_directory}</code><//>
  </dl>
</article>`;

const Process = ({ mongodb, scheduler, configuration }) => html`<article class="card">
  <header>
    <h2>Sidecar</h2>
    <${Badge} of=${mongodb.is_up ? ["good", "MongoDB answers"] : ["warning", "MongoDB is away"]} title=${mongodb.error} />
  </header>
  ${mongodb.error && html`<p>${mongodb.error}</p>`}
  <dl class="facts">
    <${Fact} name="Database"><code>${configuration.db_name}</code> on <code>${mongodb.hosts}</code><//>
    <${Fact} name="Scheduler">${schedulerWords(scheduler)}<//>
    <${Fact} name="Time zone">${configuration.timezone}<//>
    <${Fact} name="Codec"><code>${configuration.codec}</code><//>
  </dl>
</article>`;

function schedulerWords({ is_running: isRunning, held_because: held, paused_sets: paused }) {
  if (!isRunning) return "Not running";
  if (held) return "Held";
  return paused.length ? `Running; paused: ${paused.join(", ")}` : "Running";
}

const Latest = ({ jobs }) => html`<article class="card">
  <header><h2><a href=${address({ view: "runs" })}>Latest runs</a></h2></header>
  <ul class="latest">
    ${jobs.slice(0, 6).map((job) => html`<li key=${job.id}>
      <${Badge} of=${OUTCOME[job.state]} />
      <span>${KIND[job.kind]} of ${job.runs.map((run) => run.backup_type).join(", ")} <${Ago} at=${job.started_at} /></span>
    </li>`)}
  </ul>
</article>`;
