// What the page is drawn with: Preact, its hooks, and htm, which makes templates of it without a build step.
// A text in a template is always a text: nothing that comes from the server can become markup.

import { h, render } from "./vendor/preact.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";

const html = htm.bind(h);

export { html, render, useEffect, useLayoutEffect, useRef, useState };
