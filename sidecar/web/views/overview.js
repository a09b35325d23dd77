// The health of everything on one page.

import { backUp, cancel } from "../actions.js";
import { awaitsFirst, canRun, isFirstStart, overall } from "../alerts.js";
import { Curve } from "../curve.js";
import { Action, Ago, Badge, Fact, Progress, When } from "../elements.js";
import { between, bytes, count, days, duration, mebibytes, percent } from "../format.js";
import { html } from "../html.js";
import { running } from "../jobs.js";
import { address } from "../route.js";
import { mayWrite, scheduled, setNames } from "../store.js";
import { HEALTH, KIND, OUTCOME, OVERALL } from "../words.js";

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

const NO_BACKUP_YET = ["neutral", "No backup yet"];

function Overall({ state }) {
  const health = overall(state);
  const isFirst = isFirstStart(state);
  const badge = isFirst ? NO_BACKUP_YET : HEALTH[health];
  const isBusy = setNames(state).some((name) => running(state, name, ["backup", "restore"]).length);
  return html`<section class="overall ${badge[0]}">
    <div>
      <h1>${isFirst ? "Waiting for the first backup" : OVERALL[health]}</h1>
      <p><${Badge} of=${badge} /> ${summary(state)}</p>
    </div>
    ${mayWrite(state) && html`<${Action} kind=${canRun(state.health) ? "primary" : ""} isBusy=${isBusy} work=${() => backUp("all")}>Run all backups now<//>`}
  </section>`;
}

function summary(state) {
  const names = setNames(state);
  const valid = names.reduce((sum, name) => sum + state.health[`${name}_backup`].backup_count, 0);
  return `${count(valid, "valid backup")} in ${count(names.length, "set")}`;
}

function SetCard({ state, name }) {
  const status = state.health[`${name}_backup`];
  return html`<article class="card">
    <header>
      <h2><a href=${address({ view: "set", set: name })}>${name}</a></h2>
      <${Badge} of=${awaitsFirst(state, name) ? NO_BACKUP_YET : HEALTH[status.health]} title=${status.message} />
    </header>
    <${GoBack} status=${status} />
    <${SetFacts} state=${state} name=${name} status=${status} />
    <${Curves} entries=${state.recent[name] ?? []} />
    <${SetAtWork} state=${state} name=${name} />
  </article>`;
}

/** The first question at night: to what moment can the data be brought back? A newer backup that is damaged does not count. */
function GoBack({ status: { last_backup: last, newest_restorable: newest } }) {
  const isNewest = last?.backup_id === newest?.backup_id;
  return html`<div class="last">
    ${newest
      ? html`<p><span class="label">You can go back to</span> <strong><${When} at=${newest.timestamp} /></strong>, <${Ago} at=${newest.timestamp} /></p>`
      : html`<p><strong>Nothing can be restored yet</strong></p>`}
    ${last && !isNewest && html`<p class="label">The newest backup, of <${Ago} at=${last.timestamp} />, cannot be restored.</p>`}
  </div>`;
}

const SetFacts = ({ state, name, status }) => html`<dl class="facts">
  <${Fact} name="Back as far as">${status.oldest_restorable ? html`<${When} at=${status.oldest_restorable.timestamp} />` : "–"}<//>
  <${Fact} name="All verified" title="Each backup is verified when it is made. The schedule verifies all of them again: this is when it last did."><${Proven} by=${status.last_verification} /><//>
  <${Fact} name="Restore rehearsed"><${Proven} by=${status.last_drill} run=${scheduled(state, "drill", name)?.last_run} /><//>
  ${status.copies.map((copy) => html`<${Fact} key=${copy.copy_name} name=${`Copy ${copy.copy_name}`}><${Elsewhere} copy=${copy} /><//>`)}
  <${Fact} name="Next run"><${NextRun} entry=${scheduled(state, "backup", name)} /><//>
  <${Fact} name="Kept" kind="wide">${count(status.backup_count, "valid backup")}; <a href=${address({ view: "retention", set: name })}>retention</a> reaches back ${status.retention.reaches_back}<//>
</dl>`;

/** A copy elsewhere: how old the newest one is that was read back there, and what is wrong with it. */
function Elsewhere({ copy }) {
  const wrong = [copy.is_late && "too old", copy.damaged_count && `${copy.damaged_count} damaged`, copy.error && "the last contact failed"].filter(Boolean);
  const newest = copy.newest_copy ? html`<${Ago} at=${copy.newest_copy.timestamp} />` : "None yet";
  return html`<span title=${copy.error ?? ""}>${newest}${wrong.length ? `, ${wrong.join(", ")}` : ""}</span>`;
}

/** When something was last proven and how that ended; with `run` also how long it took. */
function Proven({ by: proof, run }) {
  if (!proof) return "Not yet";
  const how = !proof.success ? ", failed" : run?.ended_at ? `, took ${between(run.started_at, run.ended_at)}` : "";
  return html`<${Ago} at=${proof.ended_at} />${how}`;
}

export function NextRun({ entry }) {
  if (entry.pause) return html`Paused${entry.pause.until ? html` until <${When} at=${entry.pause.until} />` : ""}`;
  return entry.next_run ? html`<${Ago} at=${entry.next_run} />` : "Never";
}

export function Curves({ entries }) {
  const made = entries.filter((one) => one.trigger && one.trigger !== "pre_restore").reverse();
  const timed = made.filter((one) => one.duration_seconds !== null);
  return made.length > 0 && html`<div class="curves">
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
  <p class="last"><strong>${mebibytes(storage.free_mb)} free</strong> <span class="label">of ${mebibytes(storage.capacity_mb)}</span></p>
  <meter class=${room(storage)} aria-label="Used storage" max="1" value=${used(storage)}>${percent(used(storage))} used</meter>
  <dl class="facts">
    <${Fact} name="Needed for a run">${mebibytes(storage.required_mb)}<//>
    <${Fact} name="Needed at full retention">${mebibytes(storage.full_retention_mb)}<//>
    <${Fact} name="Room for backups">${mebibytes(storage.room_for_backups_mb)}<//>
    <${Fact} name="Forecast">${storage.days_until_full === null ? "Not filling up" : `Full in about ${days(Math.floor(storage.days_until_full))}`}<//>
    <${Fact} name="Minimum left free">${mebibytes(storage.minimum_required_mb)}<//>
    <${Fact} name="Directory" kind="wide"><code>${configuration.backup_directory}</code><//>
  </dl>
</article>`;

/** The bar has the colour of the verdict: a large disk may be nearly full and still have room for years. */
const room = ({ has_sufficient_space: isEnough, cure }) => (!isEnough ? "critical" : cure ? "caution" : "good");

const used = ({ free_mb: free, capacity_mb: capacity }) => (capacity ? 1 - free / capacity : 0);

const Process = ({ mongodb, scheduler, configuration }) => html`<article class="card">
  <header>
    <h2>Sidecar</h2>
    ${mongodb.is_up && html`<${Badge} of=${["good", "MongoDB answers"]} />`}
  </header>
  <dl class="facts">
    <${Fact} name="Database"><code>${configuration.db_name}</code> on <code>${mongodb.hosts}</code><//>
    <${Fact} name="Scheduler">${schedulerWords(scheduler)}<//>
    <${Fact} name="Time zone">${configuration.timezone}<//>
  </dl>
  <details><summary>Details</summary><dl class="facts"><${Fact} name="Codec"><code>${configuration.codec}</code><//></dl></details>
</article>`;

function schedulerWords({ is_running: isRunning, held_because: held, paused_sets: paused }) {
  if (!isRunning) return "Not running";
  if (held) return "Held";
  return paused.length ? `Running; paused: ${paused.join(", ")}` : "Running";
}

const Latest = ({ jobs }) => html`<article class="card">
  <header><h2><a href=${address({ view: "runs" })}>Latest runs</a></h2></header>
  ${!jobs.length && html`<p class="label">No run yet.</p>`}
  <ul class="latest">
    ${jobs.slice(0, 6).map((job) => html`<li key=${job.id}>
      <${Badge} of=${OUTCOME[job.state]} />
      <span>${KIND[job.kind]} of ${job.runs.map((run) => run.backup_type).join(", ")} <${Ago} at=${job.started_at} /></span>
    </li>`)}
  </ul>
</article>`;
