// The record: what ran, how it ended, and the log of what did not succeed.

import { get, path } from "../api.js";
import { Ago, Badge, Choice, Nothing, Pager, When } from "../elements.js";
import { between } from "../format.js";
import { html, useState } from "../html.js";
import { address, go } from "../route.js";
import { PAGE, setNames, toastProblem } from "../store.js";
import { KIND, OUTCOME, TRIGGER } from "../words.js";
import { Undo } from "./restore.js";

const OUTCOMES = Object.entries(OUTCOME).filter(([key]) => key !== "running").map(([key, [, words]]) => [key, words]);

export function Runs({ state }) {
  const { runs } = state;
  const { query } = state.route;
  const choose = (name) => (value) => go({ view: "runs", query: { ...query, page: 1, [name]: value } });
  return html`
    <h1>Runs</h1>
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label="What" value=${query.kind} options=${[["", "All"], ...Object.entries(KIND)]} onChange=${choose("kind")} />
      <${Choice} label="Set" value=${query.set} options=${[["", "All"], ...setNames(state).map((name) => [name, name])]} onChange=${choose("set")} />
      <${Choice} label="Outcome" value=${query.outcome} options=${[["", "All"], ...OUTCOMES]} onChange=${choose("outcome")} />
    </form>
    ${runs && html`<${List} runs=${runs} />`}
  `;
}

const List = ({ runs: { query, jobs, total, problem } }) => jobs.length
  ? html`
    <ol class="runs">${jobs.map((job) => job.runs.map((run) => html`<li key=${job.id + run.backup_type}><${Run} job=${job} run=${run} /></li>`))}</ol>
    <${Pager} page=${query.page} size=${PAGE} total=${total} address=${(page) => address({ view: "runs", query: { ...query, page } })} />
  `
  : html`<${Nothing} problem=${problem}>There was no such run.<//>`;

const Run = ({ job, run }) => html`<article class="run">
  <header>
    <${Badge} of=${OUTCOME[run.outcome ?? "running"]} />
    <h2>${KIND[job.kind]} of ${run.backup_type}</h2>
    <span class="label">${TRIGGER[job.trigger]}${run.ended_at ? `, took ${between(run.started_at, run.ended_at)}` : ""}</span>
    <span class="label"><${Ago} at=${run.started_at} /> · <${When} at=${run.started_at} /></span>
  </header>
  <p>${run.message}</p>
  ${run.cure && html`<p class="cure">${run.cure}</p>`}
  ${run.outcome === "succeeded" && html`<${Undo} run=${run} />`}
  ${run.outcome && run.outcome !== "succeeded" && html`<${Log} job=${job} run=${run} />`}
</article>`;

/** Fetched when somebody wants to see it. */
function Log({ job, run }) {
  const [lines, setLines] = useState([]);
  const open = (event) => {
    if (!event.target.open || lines.length) return;
    const find = (found) => found.runs.find((one) => one.backup_type === run.backup_type).log;
    get(path("jobs", job.id)).then((found) => setLines(find(found)), (problem) => toastProblem("No log", problem));
  };
  return html`<details onToggle=${open}>
    <summary>Log</summary>
    <ol class="log">${lines.map((line, index) => html`<${Line} key=${index} line=${line} />`)}</ol>
  </details>`;
}

const LEFT_OUT = ["timestamp", "level", "event", "logger", "job_id", "kind", "set"];

function Line({ line }) {
  const more = Object.entries(line).filter(([key]) => !LEFT_OUT.includes(key));
  return html`<li class=${line.level}>
    <time datetime=${line.timestamp}>${String(line.timestamp ?? "").slice(11, 19)}</time>
    <b>${line.event}</b>
    ${more.map(([key, value]) => html`<span key=${key}>${key}=${typeof value === "string" ? value : JSON.stringify(value)} </span>`)}
  </li>`;
}
