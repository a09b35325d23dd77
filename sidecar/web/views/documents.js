// Single documents of a backup: found, shown beside what the database holds now, and brought back.

import { findDocuments } from "../actions.js";
import { Action, Badge, Choice, Step, When } from "../elements.js";
import { count, number } from "../format.js";
import { html, useState } from "../html.js";
import { Icon } from "../icons.js";
import { mayWrite } from "../store.js";
import { NOW } from "../words.js";
import { Restore } from "./restore.js";

export function Documents(props) {
  return html`<${Restore} ...${props} choose=${mayWrite(props.state) ? Search : ReadOnly} />`;
}

const ReadOnly = (props) => html`<${Search} ...${props} look=${null} />`;

/** `look` shows the plan of a restore; it is null for who may only read. */
function Search({ entry, order, look, refusal, to }) {
  const all = Object.keys(entry.collections);
  const [collection, setCollection] = useState(order.collections?.[0] ?? all[0]);
  const [field, setField] = useState("_id");
  const [value, setValue] = useState("");
  const [found, setFound] = useState(null);
  const [chosen, setChosen] = useState([]);
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const search = async (event) => {
    event.preventDefault();
    if (isBusy || !value.trim()) return;
    setBusy(true);
    setProblem(null);
    try {
      const answer = await findDocuments(entry.backup_id, collection, field.trim() || "_id", value.trim());
      setFound(answer);
      setChosen(answer.documents.map((one, at) => (one.now === "same" ? null : at)).filter((at) => at !== null));
    } catch (refused) {
      if (refused.status === undefined) throw refused;
      setFound(null);
      setProblem(refused);
    }
    setBusy(false);
  };
  const toggle = (at) => setChosen(chosen.includes(at) ? chosen.filter((one) => one !== at) : [...chosen, at]);
  const ids = found ? chosen.map((at) => asTyped(found.documents[at].id)) : [];
  return html`<${Step} label="Find a document" onSubmit=${search}>
    <p>Looks for documents in <code>${entry.backup_id}</code>, taken <${When} at=${entry.timestamp} />. Nothing is written.</p>
    <div class="search">
      <${Choice} label="Collection" value=${collection} options=${all.map((name) => [name, name])} onChange=${setCollection} />
      <label>Field
        <input name="field" autocomplete="off" spellcheck="false" value=${field} onInput=${(event) => setField(event.target.value)} />
      </label>
      <label>Value
        <input name="value" autocomplete="off" spellcheck="false" autofocus value=${value} onInput=${(event) => setValue(event.target.value)} />
      </label>
      <button class="primary" aria-disabled=${isBusy || !value.trim()} aria-busy=${isBusy}>${isBusy && html`<${Icon} name="running" />`}Find</button>
    </div>
    <p class="help">A value as it is, an ObjectId, or Extended JSON; a field within another one as <code>address.city</code>.</p>
    ${problem && html`<p role="alert" class="problem"><${Icon} name="critical" />${problem.message}. ${problem.cure}</p>`}
    ${found && html`<${Found} ...${{ found, chosen, toggle: look && toggle }} />`}
    ${refusal}
    <footer class="actions">
      <a class="button" href=${to(undefined)}>Back</a>
      ${look && found?.count > 0 && html`
        <${Action} kind="primary" isBusy=${!ids.length} work=${() => look({ collections: [found.collection], ids })}>
          ${ids.length === 1 ? "Restore it…" : `Restore ${ids.length} of them…`}
        <//>
      `}
    </footer>
  <//>`;
}

function Found({ found, chosen, toggle }) {
  const { documents, count: all, live_error: away } = found;
  const words = all > documents.length ? `The first ${number(documents.length)} of ${count(all, "document")}` : count(all, "document");
  return html`
    <p role="status">${all ? words : html`<strong>No such document</strong> in this backup`}.</p>
    ${away && html`<p class="note"><${Icon} name="warning" />Not compared with the database: ${away}.</p>`}
    <ul class="documents">${documents.map((one, at) => html`<li key=${at}>
      <p>
        ${toggle && html`<label class="check">
          <input type="checkbox" checked=${chosen.includes(at)} onChange=${() => toggle(at)} /><code>${idWords(one.id)}</code>
        </label>`}
        ${!toggle && html`<code>${idWords(one.id)}</code>`}
        ${" "}${one.now && html`<${Badge} of=${NOW[one.now]} />`}
      </p>
      ${one.changes.length > 0 && html`<${Changes} of=${one} />`}
      <details open=${documents.length === 1 && !one.changes.length}>
        <summary>As it was</summary><pre tabindex="0">${JSON.stringify(one.document, null, 2)}</pre>
      </details>
    </li>`)}</ul>
  `;
}

const Changes = ({ of: { changes, id } }) => html`<div class="scroll" tabindex="0" role="region" aria-label=${`What changed of ${idWords(id)}`}>
  <table>
    <thead><tr><th scope="col">Field</th><th scope="col">In the backup</th><th scope="col">Now</th></tr></thead>
    <tbody>${changes.map(({ path, way, before, after }) => html`<tr key=${path}>
      <th scope="row">${path}</th>
      <td>${way === "added" ? "–" : html`<code>${short(before)}</code>`}</td>
      <td>${way === "removed" ? "–" : html`<code>${short(after)}</code>`}</td>
    </tr>`)}</tbody>
  </table>
</div>`;

const SHOWN = 200; // characters of a value

function short(value) {
  const text = JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/** An `_id` as the restore takes it: a text in quotes, so that it is no number or ObjectId that looks the same. */
const asTyped = (id) => (typeof id === "string" ? JSON.stringify(id) : id);

/** An `_id` in Extended JSON as people read it. */
export function idWords(id) {
  const [value, ...more] = id && typeof id === "object" ? Object.values(id) : [id];
  return more.length || typeof value === "object" ? JSON.stringify(id) : String(value);
}
