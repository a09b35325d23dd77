// One backup with all that is known of it, and everything that can be done with it.

import { confirm, pin, remove, unpin, verify } from "../actions.js";
import { downloadAddress } from "../api.js";
import { Action, Badge, Dialog, Digest, Fact, Nothing, Progress, Step, When } from "../elements.js";
import { bytes, count, duration, local } from "../format.js";
import { html, useState } from "../html.js";
import { Icon } from "../icons.js";
import { running } from "../jobs.js";
import { address, go } from "../route.js";
import { current, mayWrite } from "../store.js";
import { CONSISTENCY, KIND, STATE, TRIGGER } from "../words.js";
import { Compare } from "./compare.js";
import { Documents } from "./documents.js";
import { Collections, Decision } from "./facts.js";
import { Restore } from "./restore.js";

export function BackupDialog({ state }) {
  const { route, history } = state;
  const shown = state.backup?.id === route.id ? state.backup : null;
  const decision = history?.decisions[route.id];
  const to = (action) => address({ ...route, action });
  const close = () => go({ ...route, id: undefined, action: undefined });
  const action = mayWrite(state) ? route.action : undefined;
  const part = READING[route.action] ?? { restore: Restore, delete: Delete }[action] ?? Facts;
  return html`<${Dialog} title=${title(route.action in READING ? route.action : action, shown?.entry) ?? route.id} onClose=${close} kind="wide">
    ${shown?.entry && html`<${part} key=${action} ...${{ state, entry: shown.entry, decision, to, close }} />`}
    ${shown?.problem && html`<${Nothing} problem=${shown.problem} />`}
  <//>`;
}

const READING = { compare: Compare, documents: Documents }; // for readers too

const TITLE = { restore: "Restore", compare: "Compare", documents: "Find a document", delete: "Delete a backup" };

/** Whoever restores reads to which moment, in every step. */
const title = (action, entry) => (action === "restore" && entry ? `Restore ${entry.backup_type} from ${local(entry.timestamp)}` : TITLE[action]);

const Facts = ({ state, entry, decision, to }) => html`<${Step} label="Facts">
  <p class="badges">
    <${Badge} of=${STATE[entry.state]} />
    ${entry.is_suspect && html`<${Badge} of=${["warning", "Suspect"]} />`}
    ${entry.is_sealed && html`<span class="badge neutral">Not checked here</span>`}
    ${entry.is_pinned && html`<span class="badge neutral"><${Icon} name="pin" />Pinned</span>`}
    <span>${entry.verify_message}</span>
  </p>
  ${entry.is_suspect && html`<${Suspicion} state=${state} entry=${entry} />`}
  <dl class="facts">
    <${Fact} name="Taken"><${When} at=${entry.timestamp} /><//>
    <${Fact} name="Made">${TRIGGER[entry.trigger] ?? "–"}<//>
    <${Fact} name="Took">${entry.duration_seconds === null ? "–" : duration(entry.duration_seconds)}<//>
    <${Fact} name="Size">${bytes(entry.size_bytes)}<//>
    <${Fact} name="Stored">${formWords(entry)}<//>
    <${Fact} name="Retention"><${Decision} decision=${decision} /><//>
    <${Fact} name="Pinned">${pinWords(entry)}<//>
    ${entry.copies.map((copy) => html`<${Fact} key=${copy.copy_name} name=${`Copy ${copy.copy_name}`}>${copyWords(copy)}<//>`)}
  </dl>
  ${entry.is_sealed && html`<p class="note">Encrypted for others: its stored bytes are verified here, its content is not. It can be compared, rehearsed and restored where one of its private keys is.</p>`}
  ${entry.missing_collections.length > 0 && html`<p class="note">Missing when it was made: ${entry.missing_collections.join(", ")}.</p>`}
  ${entry.metadata?.notes.map((note) => html`<p class="note" key=${note}>${note}</p>`)}
  <${Collections} entry=${entry} />
  <${Technical} entry=${entry} />
  <${Work} state=${state} entry=${entry} />
  <footer class="actions">
    ${entry.is_valid && !entry.is_sealed && html`
      <a class="button" href=${to("compare")}>Compare…</a>
      <a class="button" href=${to("documents")}>Find a document…</a>
    `}
    ${entry.is_valid && html`<a class="button" href=${downloadAddress(entry.backup_id)} download=${entry.filename}>Download</a>`}
    ${mayWrite(state) && html`<${Writing} entry=${entry} to=${to} />`}
  </footer>
<//>`;

function formWords({ compression, recipients, content_size_bytes: size }) {
  const stages = [compression && "compressed", recipients.length > 0 && `encrypted for ${count(recipients.length, "key")}`];
  const words = stages.filter(Boolean).join(", ");
  return words ? `${words}; ${bytes(size)} of text` : "as JSON";
}

function pinWords({ is_pinned: isPinned, pinned_until: until }) {
  if (!isPinned) return "No";
  return until ? html`Until <${When} at=${until} />` : "For ever";
}

function copyWords({ state, message, read_back_at: at, locked_until: locked }) {
  const lock = locked && html`; locked until <${When} at=${locked} />`;
  return state === "read_back" ? html`Read back there <${When} at=${at} />${lock}` : message;
}

const Suspicion = ({ state, entry }) => html`<div class="alert warning">
  <${Icon} name="warning" />
  <div>
    <p>${entry.suspicions.join("; ")}.</p>
    <p class="cure">Until this is settled, nothing of the set is deleted.</p>
    ${mayWrite(state) && html`<${Action} work=${() => confirm(entry.backup_id)}>Deleted on purpose: confirm<//>`}
  </div>
</div>`;

/** What nobody needs who only wants the data back. */
const Technical = ({ entry }) => html`<details>
  <summary>Technical details</summary>
  <dl class="facts">
    <${Fact} name="File"><code>${entry.filename}</code><//>
    <${Fact} name="SHA-256"><${Digest} value=${entry.checksum} of="SHA-256" /><//>
    <${Fact} name="Consistency">${CONSISTENCY[entry.consistency] ?? "–"}<//>
    <${Fact} name="Server">${entry.metadata?.server_version ?? "–"}<//>
    <${Fact} name="Codec">${entry.metadata?.codec ?? "–"}<//>
    ${Object.entries(entry.metadata?.collection_details ?? {}).map(([name, { fingerprint }]) => html`
      <${Fact} key=${name} name=${`Fingerprint of ${name}`}><${Digest} value=${fingerprint} of=${`fingerprint of ${name}`} /><//>
    `)}
  </dl>
</details>`;

const Work = ({ state, entry }) =>
  running(state, entry.backup_type, ["verify", "restore"])
    .filter((job) => job.runs[0].backup_id === entry.backup_id)
    .map((job) => html`<${Progress} key=${job.id} run=${job.runs[0]} label=${`${KIND[job.kind]} of ${entry.backup_id}`} />`);

function Writing({ entry, to }) {
  return html`
    <${Action} work=${() => verify(entry.backup_id, false)}>Verify<//>
    ${!entry.is_sealed && html`<${Action} work=${() => verify(entry.backup_id, true)}>Verify deep<//>`}
    ${entry.is_pinned ? html`<${Action} work=${() => unpin(entry.backup_id)}>Unpin<//>` : html`<${Pin} entry=${entry} />`}
    <a class="button danger" href=${to("delete")}>Delete…</a>
    ${entry.is_valid && !entry.is_sealed && html`<a class="button primary" href=${to("restore")}>Restore…</a>`}
  `;
}

function Pin({ entry }) {
  const [until, setUntil] = useState("");
  return html`<span class="joined">
    <${Action} work=${() => pin(entry.backup_id, until && new Date(until).toISOString())}>${until ? "Pin until" : "Pin"}<//>
    <input type="datetime-local" aria-label="Pin until (empty: for ever)" value=${until} onInput=${(event) => setUntil(event.target.value)} />
  </span>`;
}

function Delete({ entry, to, close }) {
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const isMeant = typed.trim() === entry.backup_id;
  const leave = () => current().route.id === entry.backup_id && close(); // the reader may have gone on meanwhile
  const submit = async (event) => {
    event.preventDefault();
    if (!isMeant || isBusy) return;
    setBusy(true);
    await remove(entry.backup_id, leave).catch(setProblem);
    setBusy(false);
  };
  return html`<${Step} label="Deletion" onSubmit=${submit}>
    <p>This deletes <code>${entry.filename}</code> and its metadata from the disk. It cannot be taken back.</p>
    <label><span>Type the backup's name, <code>${entry.backup_id}</code>, to delete it</span>
      <input name="confirm" autocomplete="off" spellcheck="false" autofocus value=${typed} onInput=${(event) => setTyped(event.target.value)} />
    </label>
    <p role="alert" class="problem">${problem && html`<${Icon} name="critical" />${problem.message}. ${problem.cure}`}</p>
    <footer class="actions">
      <a class="button" href=${to(undefined)}>Back</a>
      <button class="danger" aria-disabled=${!isMeant || isBusy} aria-busy=${isBusy}>${isBusy && html`<${Icon} name="running" />`}Delete it</button>
    </footer>
  <//>`;
}
