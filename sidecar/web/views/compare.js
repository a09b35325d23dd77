// What differs between this backup and another one, or the database as it is now.

import { compare } from "../actions.js";
import { Action, Choice, Step, When } from "../elements.js";
import { local, number } from "../format.js";
import { html, useState } from "../html.js";
import { Icon } from "../icons.js";
import { idWords } from "./documents.js";

const LIVE = "";
const FIGURES = [["added", "Added"], ["removed", "Removed"], ["changed", "Changed"]];

export function Compare({ state, entry, to }) {
  const [other, setOther] = useState(LIVE);
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const choose = (id) => {
    setOther(id);
    setFound(null);
  };
  const look = async () => {
    setProblem(null);
    try {
      const isOlder = other && others(state, entry).find((one) => one.backup_id === other).timestamp < entry.timestamp;
      const rows = await (isOlder ? compare(other, entry.backup_id) : compare(entry.backup_id, other));
      setFound({ other, rows });
    } catch (refused) {
      if (refused.status === undefined) throw refused;
      setProblem(refused);
    }
  };
  const options = others(state, entry).map((one) => [one.backup_id, local(one.timestamp)]);
  return html`<${Step} label="Comparison">
    <p>Compares <code>${entry.backup_id}</code>, taken <${When} at=${entry.timestamp} />, document by document. Nothing is written.</p>
    <${Choice} label="With" value=${other} options=${[[LIVE, "the database as it is now"], ...options]} onChange=${choose} />
    ${problem && html`<p role="alert" class="problem"><${Icon} name="critical" />${problem.message}. ${problem.cure}</p>`}
    ${found?.other === other && html`<${Differences} found=${found.rows} />`}
    <footer class="actions">
      <a class="button" href=${to(undefined)}>Back</a>
      <${Action} kind="primary" work=${look} autofocus>Compare<//>
    </footer>
  <//>`;
}

/** The valid backups that the page knows: of the history that is open, and the newest. */
function others({ history, recent }, { backup_type: set, backup_id: id }) {
  const known = [...(history?.set === set ? history.entries : []), ...(recent[set] ?? [])].filter((one) => one.is_valid);
  const found = new Map(known.map((one) => [one.backup_id, one]));
  found.delete(id);
  return [...found.values()].sort((left, right) => right.timestamp.localeCompare(left.timestamp));
}

function Differences({ found }) {
  const rows = Object.entries(found);
  const isEqual = rows.every(([, one]) => !one.not_in && !one.definition_changed && FIGURES.every(([key]) => !one[key]));
  if (isEqual) return html`<p role="status"><strong>They are equal</strong>, document by document.</p>`;
  return html`<div class="scroll stacks" tabindex="0" role="region" aria-label="Differences">
    <table>
      <thead><tr>
        <th scope="col">Collection</th>
        ${FIGURES.map(([key, words]) => html`<th key=${key} scope="col" class="figure">${words}</th>`)}
        <th scope="col">Which</th>
      </tr></thead>
      <tbody>${rows.map(([name, one]) => html`<tr key=${name}>
        <th scope="row">${name}</th>
        ${FIGURES.map(([key, words]) => html`<td key=${key} data-name=${words} class=${key === "removed" && one[key] ? "figure loss" : "figure"}>${one.not_in ? "–" : number(one[key])}</td>`)}
        <td data-name="">${which(one)}</td>
      </tr>`)}</tbody>
    </table>
  </div>`;
}

const SIDES = { left: "older", right: "newer" };
const SHOWN = 3; // ids of each kind

function which({ not_in: side, definition_changed: isOther, ids, ...counts }) {
  if (side) return `Not in the ${SIDES[side]} one: nothing was compared`;
  const named = (key) => ids[key].slice(0, SHOWN).map(idWords).join(", ") + (counts[key] > SHOWN ? ` and ${number(counts[key] - SHOWN)} more` : "");
  const some = FIGURES.filter(([key]) => ids[key]?.length).map(([key, words]) => `${words}: ${named(key)}`);
  return [...some, isOther ? "Indexes or options changed" : ""].filter(Boolean).join(". ");
}
