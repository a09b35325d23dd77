// Icons as paths in a square of 16, so that a status never depends on its colour alone.

import { html } from "./html.js";

const PATHS = {
  good: "M8 1.500a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13M5 8.200l2.100 2.100L11 6.200",
  caution: "M8 1.500a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13M8 4.500V8l2.300 1.500",
  warning: "M8 1.800 14.800 14H1.200zM8 6.300v3.500M8 11.800v.2",
  critical: "M5.300 1.500h5.400l3.800 3.800v5.400l-3.800 3.800H5.300l-3.800-3.800V5.300zM5.700 5.700l4.600 4.600M10.300 5.700l-4.600 4.600",
  neutral: "M8 1.500a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13M8 7.300v4M8 4.700v.2",
  running: "M8 1.500A6.500 6.500 0 1 1 1.500 8",
  refresh: "M13.500 2.500v4h-4M13 6.500A5.500 5.500 0 1 0 13.300 10",
  pin: "M5.500 1.800h5M6.300 1.800v4.400L4 9.200h8L9.700 6.200V1.800M8 9.200v5",
  copy: "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3",
  close: "m3.500 3.500 9 9M12.500 3.500l-9 9",
  pause: "M5.500 3v10M10.500 3v10",
};

/** The mark of the page, which lies beside this file. */
export const Mark = ({ size }) => html`<img src=${new URL("icon.svg", import.meta.url)} alt="" width=${size} height=${size} />`;

export const Icon = ({ name }) =>
  html`<svg class="icon ${name}" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
