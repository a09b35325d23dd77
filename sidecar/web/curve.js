// A small curve: how something grew over the last backups.

import { html } from "./html.js";

const WIDTH = 120;
const HEIGHT = 28;
const EDGE = 3;
const FEWEST = 4; // values: a line through two or three looks like a trend and is none

/** `values` from old to new; `show` makes words of one. */
export function Curve({ name, values, show }) {
  const words = values.length ? show(values.at(-1)) : "–";
  return html`<figure class="curve">
    <figcaption>${name} <strong>${words}</strong></figcaption>
    ${values.length >= FEWEST && html`<${Line} values=${values} label=${`${name} of the last ${values.length} backups: ${range(values, show)}`} />`}
  </figure>`;
}

const range = (values, show) => `from ${show(values[0])} to ${show(values.at(-1))}, at most ${show(Math.max(...values))}`;

function Line({ values, label }) {
  const low = Math.min(...values);
  const spread = Math.max(...values) - low || 1;
  const isFlat = Math.max(...values) === low;
  const x = (index) => EDGE + (index * (WIDTH - 2 * EDGE)) / (values.length - 1);
  const y = (value) => (isFlat ? HEIGHT / 2 : HEIGHT - EDGE - ((value - low) * (HEIGHT - 2 * EDGE)) / spread);
  const points = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${label}>
    <polygon points="${EDGE},${HEIGHT} ${points} ${WIDTH - EDGE},${HEIGHT}" />
    <polyline points=${points} />
    <circle cx=${x(values.length - 1)} cy=${y(values.at(-1))} r="2" />
  </svg>`;
}
