// What runs by itself: when next, how it went last, stopping and resuming it, and the rehearsals of restores.

import { pause, rehearse, resumeSchedule, testNotices } from "../actions.js";
import { Action, Ago, Badge, Choice, When } from "../elements.js";
import { between } from "../format.js";
import { html, useState } from "../html.js";
import { running } from "../jobs.js";
import { mayWrite, setNames } from "../store.js";
import { KIND, OUTCOME } from "../words.js";
import { NextRun } from "./overview.js";

export const Schedule = ({ state }) => html`
  <h1>Schedule</h1>
  <p>Schedules are in <strong>${state.schedule.timezone}</strong>.</p>
  ${mayWrite(state) && html`<${Pausing} state=${state} />`}
  <${Table} label="Backups and verifications" entries=${state.schedule.entries.filter((one) => one.kind !== "drill")} mayWrite=${mayWrite(state)} />
  <${Drills} state=${state} />
  ${mayWrite(state) && html`<${Notices} />`}
`;

const Table = ({ label, entries, mayWrite }) => html`<div class="scroll stacks" tabindex="0" role="region" aria-label=${label}>
  <table>
    <thead><tr>
      <th scope="col">What</th><th scope="col">Schedule</th><th scope="col">Next</th><th scope="col">Last</th>
      <th scope="col">How it went</th>${mayWrite && html`<th scope="col"><span class="unseen">Actions</span></th>`}
    </tr></thead>
    <tbody>${entries.map((entry) => html`<tr key=${entry.kind + entry.backup_type}>
      <th scope="row">${KIND[entry.kind]} of ${entry.backup_type}</th>
      <td data-name="Schedule"><code>${entry.schedule}</code></td>
      <td data-name="Next"><${NextRun} entry=${entry} />${entry.blackout_until && html`<div class="label">blackout now</div>`}${entry.pause && html`<div class="label">by ${entry.pause.by}</div>`}</td>
      <td data-name="Last">${entry.last_run ? html`<${Ago} at=${entry.last_run.started_at} />` : "Never"}</td>
      <td data-name="How it went"><${Last} run=${entry.last_run} /></td>
      ${mayWrite && html`<td data-name="">${entry.pause && html`<${Resume} set=${entry.backup_type} />`}</td>`}
    </tr>`)}</tbody>
  </table>
</div>`;

const Resume = ({ set }) => html`<${Action} work=${() => resumeSchedule(set)} aria-label=${`Resume ${set}`}>Resume<//>`;

const Last = ({ run }) =>
  run ? html`<${Badge} of=${OUTCOME[run.outcome ?? "running"]} /> ${run.outcome !== "succeeded" && run.message}` : "–";

const HOURS = [["1", "for an hour"], ["4", "for 4 hours"], ["24", "for a day"], ["", "until I resume it"]];

function Pausing({ state }) {
  const [set, setSet] = useState("all");
  const [hours, setHours] = useState("1");
  const until = () => (hours ? new Date(Date.now() + hours * 3_600_000).toISOString() : undefined);
  const sets = [["all", "All sets"], ...setNames(state).map((name) => [name, name])];
  return html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
    <${Choice} label="Pause backups of" value=${set} options=${sets} onChange=${setSet} />
    <${Choice} label="How long" value=${hours} options=${HOURS} onChange=${setHours} />
    <${Action} work=${() => pause(set, until())}>Pause<//>
  </form>`;
}

const Drills = ({ state }) => html`<section>
  <h2>Restore drills</h2>
  <p>
    A drill restores the newest valid backup into a scratch database, compares every document, and drops it again.
    How long that takes is the measured recovery time.
  </p>
  <div class="cards">
    ${setNames(state).map((name) => html`<${Drill} key=${name} state=${state} name=${name} />`)}
  </div>
</section>`;

function Drill({ state, name }) {
  const entry = state.schedule.entries.find((one) => one.kind === "drill" && one.backup_type === name);
  const run = entry?.last_run ?? null;
  const isBusy = running(state, name, ["drill"]).length > 0;
  return html`<article class="card">
    <header><h3>${name}</h3>${run && html`<${Badge} of=${OUTCOME[run.outcome ?? "running"]} />`}</header>
    <p class="last">
      <span class="label">Recovery time</span>
      <strong>${run?.outcome === "succeeded" ? between(run.started_at, run.ended_at) : run ? "Not proven" : "Not measured yet"}</strong>
    </p>
    ${run && html`<p>${run.message}</p><p><${When} at=${run.started_at} /></p>`}
    <p class="label">${entry ? html`Next: <${NextRun} entry=${entry} />` : "Not scheduled; those that were asked for are among the runs."}</p>
    ${mayWrite(state) && html`
      <${Action} isBusy=${isBusy} work=${() => rehearse(name)} aria-label=${`Run a drill of ${name} now`}>Run a drill now<//>
    `}
  </article>`;
}

const Notices = () => html`<section>
  <h2>Notices</h2>
  <p>When something goes wrong and when it is over, the webhook and the mail say so; a heartbeat hears of every run.</p>
  <${Action} work=${testNotices}>Send a test notice<//>
</section>`;
