// Keeps what is shown fresh: every 30 seconds, when the reader comes back, and after everything that changes something.

import { get, path } from "./api.js";
import { endOfDay } from "./format.js";
import { isWatched, watch, whenSilent } from "./jobs.js";
import { entered, isRemembered, left } from "./session.js";
import { PAGE, current, update } from "./store.js";

const EVERY_MS = 30_000;
const RETRY_MS = 3_000; // while nobody answers
const CURVE = 30; // backups of each set whose size and duration are drawn
const JOBS = 8;
export const RULES = [
  "keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "keep_within_days", "retention_days", "max_total_mb",
];

let timer;
let loading = null; // what is awaited by everybody who asks while it is under way
let isOutdated = false; // asked for, or once more while it was loading

/** Returns when everything is as new as this call. What went wrong is in the store. */
export function refresh() {
  isOutdated = true;
  loading ??= untilNew();
  return loading;
}

async function untilNew() {
  clearTimeout(timer);
  update({ isRefreshing: true });
  try {
    while (isOutdated) {
      isOutdated = false;
      await told(load);
    }
  } finally {
    loading = null;
    update({ isRefreshing: false });
    if (current().session !== null) timer = setTimeout(tick, current().awaySince ? RETRY_MS : EVERY_MS);
  }
}

whenSilent(refresh);

/** The reader has gone somewhere else on the page. */
export const arrive = () => (loading ? refresh() : told(loadOpen));

function tick() {
  if (document.hidden) timer = setTimeout(tick, EVERY_MS);
  else refresh();
}

document.addEventListener("visibilitychange", () => {
  const { refreshedAt, session } = current();
  if (!document.hidden && session && Date.now() - refreshedAt > EVERY_MS) refresh();
});

/** Does it, and says in the store whether the server answered. */
async function told(work) {
  const { session } = current();
  try {
    await work();
    if (current().awaySince) update({ awaySince: null });
  } catch (problem) {
    if (problem.isSignedOut) {
      update({ awaySince: null }); // it answers, if only that
      if (session === current().session) left("Your session is over, or the server was started again."); // and not an earlier one
    } else if (problem.status === undefined) throw problem; // a defect of ours belongs on the console
    else update({ awaySince: current().awaySince ?? Date.now(), awayReason: problem.isAway ? "" : problem.message });
  }
}

async function load() {
  if (current().session === undefined && !isRemembered()) left("");
  if (current().session === null) return;
  const [session, health, schedule, recent, { answer }] = await Promise.all([
    current().session ?? get("/session"),
    get("/backups/health"),
    get("/schedule"),
    get("/backups/list", { backup_type: "all", limit: CURVE }),
    get("/jobs", { limit: JOBS }),
    loadOpen(),
  ]);
  if (current().session === undefined) entered(session);
  if (!current().session) return; // signed out meanwhile
  update({ health, schedule, recent: recent.answer, jobs: answer.jobs, refreshedAt: Date.now() });
  for (const job of answer.jobs) if (job.state === "running" && !isWatched(job.id)) watch(job.id).then(refresh, () => {});
}

let newest = 0; // the last question about the open view: a late answer to one before is out of date

/** What only the open view shows. */
async function loadOpen() {
  const { route, session } = current();
  if (session === null) return;
  const mine = ++newest;
  const loaded = await { set: loadSet, runs: loadRuns, retention: loadRetention }[route.view]?.(route);
  if (mine === newest && route === current().route && session === current().session) update(loaded ?? {});
}

async function loadSet({ set, id, query }) {
  const chosen = { state: query.state, trigger: query.trigger, until: query.until && endOfDay(query.until) };
  const where = { backup_type: set, ...chosen, limit: PAGE, offset: (query.page - 1) * PAGE };
  const [listed, decided, backup] = await Promise.all([
    known(get("/backups/list", where)),
    known(get("/retention", { backup_type: set })),
    id && known(get(path("backups", id))),
  ]);
  const problem = listed.problem ?? decided.problem;
  const decisions = Object.fromEntries((decided[set] ?? []).map((one) => [one.backup_id, one]));
  const entries = listed.answer?.[set] ?? [];
  return {
    history: { set, query, entries, total: listed.total ?? 0, decisions, problem },
    backup: id ? { id, entry: backup.problem ? null : backup, problem: backup.problem } : null,
  };
}

/** A refusal that is about what was asked for belongs into the view. */
async function known(answer) {
  try {
    return await answer;
  } catch (problem) {
    if (problem.code && !problem.isSignedOut) return { problem };
    throw problem;
  }
}

/** What the rules in force say, and the same by those that are tried. */
async function loadRetention({ set, query }) {
  const tried = Object.fromEntries(Object.entries(query).filter(([name]) => RULES.includes(name)));
  const ask = (rules) => known(get("/retention", { backup_type: set, ...rules }));
  const [inForce, judged] = await Promise.all([ask({}), Object.keys(tried).length ? ask(tried) : null]);
  const problem = judged?.problem ?? inForce.problem;
  return { retention: { set, inForce: inForce[set] ?? [], judged: (judged ?? inForce)[set] ?? [], problem } };
}

async function loadRuns({ query }) {
  const where = { kind: query.kind, backup_type: query.set, outcome: query.outcome, limit: PAGE, offset: (query.page - 1) * PAGE };
  const found = await known(get("/jobs", where));
  return { runs: { query, jobs: found.answer?.jobs ?? [], total: found.total ?? 0, problem: found.problem } };
}
