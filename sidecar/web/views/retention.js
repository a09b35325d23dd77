// What the retention rules keep of a set, on a line of time; and what others would keep.

import { Nothing } from "../elements.js";
import { ago, count, local, now, number } from "../format.js";
import { html, useState } from "../html.js";
import { RULES } from "../refresh.js";
import { address, go } from "../route.js";
import { Decision } from "./facts.js";

const FIELDS = {
  keep_last: "Newest",
  keep_hourly: "Hours",
  keep_daily: "Days",
  keep_weekly: "Weeks",
  keep_monthly: "Months",
  keep_yearly: "Years",
  keep_within_days: "All, for days",
  retention_days: "Newest, for days",
  max_total_mb: "At most MiB",
};

/** From what always stays to what goes: the lanes of the picture. The last of a backup's rules keeps it the longest. */
const LANES = [
  [["newest", "pinned", "held", "all_that_is_left", "ahead", "in_use"], "always", "Always"],
  [["last"], "latest-lane", "Newest"],
  [["hourly"], "hourly", "Hourly"],
  [["daily"], "daily", "Daily"],
  [["weekly"], "weekly", "Weekly"],
  [["monthly"], "monthly", "Monthly"],
  [["yearly"], "yearly", "Yearly"],
  [["within"], "within", "Young enough"],
  [["age"], "undated", "Not valid, until too old"],
  [[], "going", "Goes"],
];
const MARKS = [[1, "1 hour"], [24, "1 day"], [24 * 7, "1 week"], [24 * 30.4, "1 month"], [24 * 365.25, "1 year"]];
const TOLD = 50; // changes that are listed

export function Retention({ state }) {
  const { route, retention, health } = state;
  const rules = health[`${route.set}_backup`]?.retention;
  const shown = retention?.set === route.set ? retention : null;
  if (!rules) return html`<h1>${route.set}</h1><${Nothing}>There is no such set.<//>`;
  return html`
    <h1>Retention of <a href=${address({ view: "set", set: route.set })}>${route.set}</a></h1>
    <p>It reaches back <strong>${rules.reaches_back}</strong>. ${rules.cure}</p>
    <${Form} route=${route} rules=${rules} />
    ${shown && html`<${Judged} shown=${shown} />`}
  `;
}

/** Other numbers are tried, and stand in the address; nothing is changed by them. */
function Form({ route, rules }) {
  const given = RULES.filter((name) => route.query[name] !== undefined);
  const tried = Object.fromEntries(given.map((name) => [name, route.query[name]]));
  const change = (name, value) => {
    const { [name]: _, ...others } = tried;
    const isOther = value !== "" && Number(value) !== rules[name];
    go({ view: "retention", set: route.set, query: isOther ? { ...others, [name]: value } : others });
  };
  return html`<form class="rules" onSubmit=${(event) => event.preventDefault()}>
    <p class="help">What if? Try other numbers: nothing is deleted or changed by that.</p>
    <div>${RULES.map((name) => html`<label key=${name} class=${tried[name] === undefined ? "" : "tried"}>${FIELDS[name]}
      <${Count} least=${["keep_last", "retention_days"].includes(name) ? 1 : 0} value=${tried[name] ?? rules[name]} onChange=${(value) => change(name, value)} />
    </label>`)}</div>
    ${given.length > 0 && html`
      <p class="help">To keep it so, write into the configuration file and start the sidecar again:</p>
      <pre tabindex="0"><code>${[`[sets.${route.set}]`, ...given.map((name) => `${name} = ${tried[name]}`)].join("\n")}</code></pre>
      <p><a class="button" href=${address({ view: "retention", set: route.set })}>Back to the rules in force</a></p>
    `}
  </form>`;
}

/** What is being typed stays when the page is drawn again; it counts once the field is left, or on Enter. */
function Count({ least, value, onChange }) {
  const [typed, setTyped] = useState(null);
  const end = (event) => {
    setTyped(null);
    onChange(event.target.value);
  };
  return html`<input type="number" inputmode="numeric" min=${least} value=${typed ?? value} onInput=${(event) => setTyped(event.target.value)} onChange=${end} />`;
}

function Judged({ shown: { inForce, judged, problem } }) {
  if (!judged.length) return html`<${Nothing} problem=${problem}>There is no backup yet.<//>`;
  const before = Object.fromEntries(inForce.map((one) => [one.backup_id, one]));
  const differ = judged.filter((one) => before[one.backup_id] && before[one.backup_id].keep !== one.keep);
  const going = judged.filter((one) => !one.keep).length;
  return html`
    <p role="status">${count(judged.length - going, "backup")} stay, ${number(going)} would be deleted. ${judged === inForce ? "" : changes(differ)}</p>
    <${Timeline} judged=${judged} />
    ${differ.length > 0 && html`<section class="differing"><h2>What changes</h2>
      <ul>${differ.slice(0, TOLD).map((one) => html`<li key=${one.backup_id}><strong>${local(one.timestamp)}</strong> <${Decision} decision=${one} /></li>`)}</ul>
    </section>`}
  `;
}

function changes(differ) {
  const lost = differ.filter((one) => !one.keep).length;
  const saved = differ.length - lost;
  if (!differ.length) return "That is as it is now.";
  return [saved && `${count(saved, "backup")} more than now.`, lost && `${count(lost, "backup")} that the rules keep now would be deleted.`].filter(Boolean).join(" ");
}

/** A dot for each backup in the lane of the rule that keeps it, the newest at the right; each step to the left is longer ago. */
function Timeline({ judged }) {
  const oldest = Math.max(...judged.map(age), 24);
  const place = (hours) => `${(98 - (96 * Math.log1p(Math.max(hours, 0))) / Math.log1p(oldest)).toFixed(2)}%`;
  const lanes = LANES.map(([rules, tone, name]) => [tone, name, judged.filter((one) => isIn(one, rules))]);
  return html`<figure class="timeline">
    <figcaption class="unseen">When the backups were made, and which rule keeps each</figcaption>
    <ul>${lanes.filter(([, , ones]) => ones.length).map(([tone, name, ones]) => html`<li key=${tone} class=${`lane ${tone}`}>
      <span>${name} <b>${number(ones.length)}</b></span>
      <svg role="img" aria-label=${spoken(name, ones)}>
        <line x1="0" x2="100%" y1="50%" y2="50%" />
        ${ones.map((one) => html`<circle key=${one.backup_id} cx=${place(age(one))} cy="50%" r="4.5"><title>${`${local(one.timestamp)}: ${one.reason}`}</title></circle>`)}
      </svg>
    </li>`)}</ul>
    <svg class="marks" aria-hidden="true">
      ${[[0, "now"], ...MARKS.filter(([hours]) => hours < oldest && oldest < 500 * hours)].map(([hours, words]) => html`<text key=${words} x=${place(hours)} y="75%">${words}</text>`)}
    </svg>
  </figure>`;
}

const age = (one) => (now() - new Date(one.timestamp)) / 3_600_000;

const isIn = ({ keep, rules }, lane) => (keep ? lane.includes(rules.at(-1)) : lane.length === 0);

const spoken = (name, ones) => {
  const ages = ones.map(age);
  const [least, most] = [Math.min(...ages), Math.max(...ages)].map((hours) => ago(Math.max(hours, 0) * 3600));
  return `${name}: ${count(ones.length, "backup")}, ${least === most ? least : `from ${least} to ${most}`} old`;
};
