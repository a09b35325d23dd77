// The page as a whole: who is signed in, where they are, and what is drawn.

import { overall } from "./alerts.js";
import { html, render, useEffect } from "./html.js";
import { clock } from "./format.js";
import { Icon, Mark } from "./icons.js";
import { arrive, refresh } from "./refresh.js";
import { address, follow } from "./route.js";
import { left, signIn, signOut } from "./session.js";
import { current, listen, setNames } from "./store.js";
import { Alerts } from "./views/alerts.js";
import { Announcer, Toasts } from "./views/toasts.js";
import { Overview } from "./views/overview.js";
import { Retention } from "./views/retention.js";
import { Runs } from "./views/runs.js";
import { Schedule } from "./views/schedule.js";
import { SetView } from "./views/set.js";
import { SignIn } from "./views/sign-in.js";
import { HEALTH } from "./words.js";

function App({ state }) {
  useEffect(() => {
    document.title = state.health && state.session ? `${HEALTH[overall(state)][1]} · Backups` : "Backups";
  });
  if (state.session === undefined && !state.awaySince) return null;
  if (!state.health) return state.session === null ? html`<${SignIn} state=${state} />` : html`<${Away} state=${state} />`;
  return html`
    <button type="button" class="skip" onClick=${() => document.querySelector("#main").focus()}>Skip to the content</button>
    <${Top} state=${state} />
    <main id="main" tabindex="-1">
      <${Alerts} state=${state} />
      <${View} state=${state} />
    </main>
    <${Foot} state=${state} />
    <${Away} state=${state} />
    <${Toasts} toasts=${state.toasts} />
    <${Announcer} state=${state} />
    ${state.session === null && html`<${SignIn} state=${state} isOver />`}
  `;
}

function View({ state }) {
  const { view, set } = state.route;
  if (view === "set") return html`<${SetView} key=${set} state=${state} />`;
  if (view === "retention") return html`<${Retention} key=${set} state=${state} />`;
  if (view === "schedule") return html`<${Schedule} state=${state} />`;
  return view === "runs" ? html`<${Runs} state=${state} />` : html`<${Overview} state=${state} />`;
}

function Top({ state }) {
  const { health, role, route } = state;
  const tab = (target, words) => {
    const here = route.view === "retention" ? "set" : route.view;
    const isHere = target.view === here && target.set === route.set;
    return html`<a href=${address(target)} aria-current=${isHere ? "page" : undefined}>${words}</a>`;
  };
  return html`<header class="top">
    <div class="bar">
      <a class="brand" href="#/"><${Mark} size="26" />Backups <span>${health.configuration.db_name}</span></a>
      <div class="tools">
        <span class="fresh">${state.refreshedAt && html`As of ${clock(state.refreshedAt)}`}</span>
        <button type="button" class="quiet" aria-label="Refresh" aria-busy=${state.isRefreshing} onClick=${refresh}>
          <${Icon} name="refresh" />
        </button>
        ${role === "reader" && html`<span class="role">Read only</span>`}
        <button type="button" class="quiet" onClick=${signOut}>Sign out</button>
      </div>
    </div>
    <nav class="tabs" aria-label="Views">
      ${tab({ view: "overview" }, "Overview")}
      ${setNames(state).map((set) => tab({ view: "set", set }, set))}
      ${tab({ view: "schedule" }, "Schedule")}
      ${tab({ view: "runs" }, "Runs")}
    </nav>
  </header>`;
}

const Foot = ({ state: { health } }) => html`<footer class="foot">
  <span>Sidecar ${health.configuration.version}</span>
  <a href="docs">API</a><a href="metrics">Metrics</a>
</footer>`;

/** Nobody answers: what is shown is old, and since when. It is tried again all the time. */
const Away = ({ state }) => state.awaySince && html`<div class="away" role="alert">
  <${Icon} name="warning" />
  <p>
    <strong>${state.awayReason ? "There have been errors" : "The server has not answered"} since ${clock(state.awaySince)}.</strong>
    ${` ${state.awayReason} `}
    ${state.refreshedAt ? `What you see is of ${clock(state.refreshedAt)}. ` : ""}Trying again…
  </p>
</div>`;

const draw = () => render(html`<${App} state=${current()} />`, document.body);

async function arrived(token) {
  if (token) await signIn(token).catch((problem) => left(`The link's token was refused: ${problem.message}.`));
  await (token || !current().health ? refresh() : arrive());
}

listen(draw);
follow(arrived);
