// A restore, step by step: what it would do, what stands in its way, the database's name, how far it is, and the proof.

import { cancel, plan, restore } from "../actions.js";
import { Action, Progress, Step, When } from "../elements.js";
import { duration, number } from "../format.js";
import { html, useState } from "../html.js";
import { Icon } from "../icons.js";
import { watch } from "../jobs.js";
import { address } from "../route.js";
import { Collections } from "./facts.js";

/** `choose` is the first step: what is wanted. It calls `look` with it. */
export function Restore({ state, entry, to, choose = Order }) {
  const [order, setOrder] = useState({});
  const [planned, setPlanned] = useState(null);
  const [problem, setProblem] = useState(null);
  const [jobId, setJobId] = useState(null);
  const [ended, setEnded] = useState(null);

  const fail = (refused) => (refused.status === undefined ? Promise.reject(refused) : setProblem(refused));
  const look = (wanted) => {
    setOrder(wanted);
    setProblem(null);
    return plan(entry.backup_id, wanted).then(setPlanned, fail);
  };
  const begin = async (confirm) => {
    setProblem(null);
    try {
      const started = await restore(entry.backup_id, { ...order, confirm, force: planned.obstacles.length > 0 });
      setJobId(started);
      setEnded(await watch(started));
    } catch (refused) {
      fail(refused);
    }
  };
  const back = () => {
    setPlanned(null);
    setProblem(null);
  };

  const refusal = problem && html`<p role="alert" class="problem"><${Icon} name="critical" />${problem.message}. ${problem.cure}</p>`;
  if (ended) return html`<${Result} ...${{ entry, planned, order, run: ended.runs[0], to }} />`;
  if (jobId && !problem) return html`<${UnderWay} state=${state} jobId=${jobId} />`;
  if (planned) return html`<${Plan} ...${{ planned, order, begin, back, refusal }} />`;
  return html`<${choose} ...${{ entry, order, look, refusal, to }} />`;
}

// -- what is wanted

function Order({ entry, order, look, refusal }) {
  const all = Object.keys(entry.collections);
  const [target, setTarget] = useState(order.target_db ?? "");
  const [chosen, setChosen] = useState(order.collections ?? all);
  const toggle = (name) => setChosen(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  const wanted = { ...(target && { target_db: target }), ...(chosen.length < all.length && { collections: chosen }) };
  return html`<${Step} label="What is restored">
    <p>
      Replaces the collections that you choose by those of <code>${entry.backup_id}</code>, taken <${When} at=${entry.timestamp} />.
      You see the plan first; until you confirm it, nothing is written.
    </p>
    <label>Into database
      <input name="target" autocomplete="off" spellcheck="false" placeholder=${entry.metadata?.db_name} value=${target}
        onInput=${(event) => setTarget(event.target.value.trim())} />
    </label>
    <fieldset>
      <legend>Collections</legend>
      ${all.map((name) => html`<span key=${name} class="check">
        <label class="check">
          <input type="checkbox" checked=${chosen.includes(name)} onChange=${() => toggle(name)} />
          ${name} <span class="label">${number(entry.collections[name])}</span>
        </label>
        ${all.length > 1 && html`<button type="button" class="quiet small" aria-label=${`Only ${name}`} onClick=${() => setChosen([name])}>only</button>`}
      </span>`)}
      ${chosen.length < all.length && html`<button type="button" class="quiet small" onClick=${() => setChosen(all)}>All of them</button>`}
    </fieldset>
    ${refusal}
    <footer class="actions">
      <${Action} kind="primary" isBusy=${!chosen.length} work=${() => look(wanted)} autofocus>Show the plan<//>
    </footer>
  <//>`;
}

// -- what it would do

const FIGURES = [
  ["documents", "In backup"],
  ["replaces_documents", "Now"],
  ["inserted", "Inserted"],
  ["replaced", "Replaced"],
  ["removed", "Removed"],
  ["unchanged", "Unchanged"],
];

function Plan({ planned, order, begin, back, refusal }) {
  const [typed, setTyped] = useState("");
  const [isBusy, setBusy] = useState(false);
  const isMeant = typed.trim() === planned.target_db;
  const submit = async (event) => {
    event.preventDefault();
    if (!isMeant || isBusy) return;
    setBusy(true);
    await begin(typed.trim());
    setBusy(false);
  };
  const warnings = planned.plan.flatMap((one) => one.warnings.map((words) => `${one.collection}: ${words}`));
  return html`<${Step} label="Plan" onSubmit=${submit}>
    <p>Into the database <code>${planned.target_db}</code>:</p>
    <${PlanTable} rows=${planned.plan} />
    ${warnings.map((words) => html`<p class="note" key=${words}><${Icon} name="warning" />${words}</p>`)}
    <${Obstacles} obstacles=${planned.obstacles} />
    <p>${safety(planned, order)} ${!order.ids && estimate(planned)}</p>
    <label><span>Type the database's name, <code>${planned.target_db}</code>, to restore into it</span>
      <input name="confirm" autocomplete="off" spellcheck="false" value=${typed} onInput=${(event) => setTyped(event.target.value)} />
    </label>
    ${refusal}
    <footer class="actions">
      <button type="button" onClick=${back}>Back</button>
      <button class="danger" aria-disabled=${!isMeant || isBusy} aria-busy=${isBusy}>
        ${isBusy && html`<${Icon} name="running" />`}${planned.obstacles.length ? "Restore all the same" : "Restore"}
      </button>
    </footer>
  <//>`;
}

const safety = ({ plan: rows }, { ids }) =>
  rows.some((one) => (ids ? one.replaced > 0 : one.replaces_documents !== null))
    ? html`<strong>Safety backup:</strong> what it replaces is backed up first and pinned. If the restore fails, it is put back.`
    : "Nothing is replaced, so no safety backup is needed.";

const estimate = ({ estimated_seconds: seconds }) =>
  seconds === null
    ? "How long it will take is not known before the first drill."
    : `It will take about ${duration(seconds)}, going by the last drill.`;

const PlanTable = ({ rows }) => html`<div class="scroll stacks" tabindex="0" role="region" aria-label="Plan">
  <table>
    <thead><tr>
      <th scope="col">Collection</th>
      ${FIGURES.map(([, words]) => html`<th key=${words} scope="col" class="figure">${words}</th>`)}
    </tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.collection}>
      <th scope="row">${row.collection} ${row.kind !== "collection" && html`<span class="label">${row.kind}</span>`}</th>
      ${FIGURES.map(([key, words]) => html`<td key=${key} data-name=${words} class=${key === "removed" && row[key] ? "figure loss" : "figure"}>${row[key] === null ? "–" : number(row[key])}</td>`)}
    </tr>`)}</tbody>
  </table>
</div>`;

const Obstacles = ({ obstacles }) => obstacles.length > 0 && html`<div class="alert critical">
  <${Icon} name="critical" />
  <div>
    <p>In the way:</p>
    <ul>${obstacles.map((words) => html`<li key=${words}>${words}</li>`)}</ul>
  </div>
</div>`;

// -- doing it

const UnderWay = ({ state, jobId }) => {
  const job = state.jobs.find((one) => one.id === jobId);
  return html`<${Step} label="Restore under way">
    ${job ? html`<${Progress} run=${job.runs[0]} label="Restore" />` : html`<p>Beginning…</p>`}
    <p class="help">It continues if you close this window.</p>
    <footer class="actions"><${Action} work=${() => cancel(jobId)}>Cancel the restore<//></footer>
  <//>`;
};

// -- how it ended

/** How to undo a restore: the backup of what it replaced. */
export const Undo = ({ run: { backup_type: set, safety_backup: id } }) => id && html`<p>
  Safety backup <a href=${address({ view: "set", set, id })}>${id}</a>
  ${" "}<a class="button small" href=${address({ view: "set", set, id, action: "restore" })}>Undo this restore…</a>
</p>`;

function Result({ entry, planned, order, run, to }) {
  const isGood = run.outcome === "succeeded";
  return html`<${Step} label="Result">
    <div class="alert ${isGood ? "good" : "critical"}" role="status">
      <${Icon} name=${isGood ? "good" : "critical"} />
      <div>
        <p><strong>${isGood ? "Restored and proven" : "Not restored"}</strong></p>
        <p>${run.message}.</p>
        ${run.cure && html`<p class="cure">${run.cure}</p>`}
      </div>
    </div>
    ${isGood && !order.ids && html`
      <p>Every collection was read back from <code>${planned.target_db}</code>; its count and fingerprint are those of the backup:</p>
      <${Collections} entry=${entry} names=${planned.plan.map((one) => one.collection)} />
    `}
    <${Undo} run=${run} />
    <footer class="actions"><a class="button primary" href=${to(undefined)}>Done</a></footer>
  <//>`;
}
