// What several views tell of one backup.

import { Digest } from "../elements.js";
import { bytes, day, number } from "../format.js";
import { html } from "../html.js";

/** What each collection holds. `names` leaves out all others and shows the fingerprints by which these were proven. */
export const Collections = ({ entry, names }) => {
  const details = entry.metadata?.collection_details ?? {};
  const shown = Object.entries(entry.collections).filter(([name]) => !names || names.includes(name));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Collections">
    <table>
      <thead><tr>
        <th scope="col">Collection</th><th scope="col" class="figure">Documents</th>
        <th scope="col" class="figure">Size</th>${names && html`<th scope="col">Fingerprint</th>`}
      </tr></thead>
      <tbody>
        ${shown.map(([name, documents]) => html`<tr key=${name}>
          <th scope="row">${name}</th>
          <td class="figure">${number(documents)}</td>
          <td class="figure">${details[name] ? bytes(details[name].bson_bytes) : "–"}</td>
          ${names && html`<td><${Digest} value=${details[name]?.fingerprint} of=${`fingerprint of ${name}`} /></td>`}
        </tr>`)}
      </tbody>
    </table>
  </div>`;
};

/** What the retention rules do with it, and until when. */
export const Decision = ({ decision }) => {
  if (!decision) return "–";
  const { keep, reason, expires_at: expiresAt } = decision;
  if (!keep) return html`Goes next: ${reason}`;
  return html`${expiresAt ? `Kept until ${day(expiresAt)}` : "Kept"}: ${reason}`;
};
