// Everything the page knows, in one object that is replaced and never changed. Who draws it is told of each new one.

export const PAGE = 24; // backups, or jobs, on one page

const NOTHING = {
  session: undefined, // {name, role}; null when signed out, undefined until that is known
  role: null, // that of the session, also when it is over: what is drawn stays
  sessionNote: "", // why somebody has to sign in again
  route: { view: "overview" },
  health: null,
  schedule: null,
  recent: {}, // by set: its newest backups, for the curves
  jobs: [], // the newest ones
  history: null, // {key, set, entries, total, decisions}: the page of a set's backups that is open
  backup: null, // {id, entry, decision} or {id, problem}: the one that is open
  retention: null, // {set, inForce, judged, problem}: the open set's verdicts, by the rules in force and by those that are tried
  runs: null, // {key, jobs, total}: the page of the record that is open
  refreshedAt: null,
  isRefreshing: false,
  awaySince: null,
  awayReason: "", // where the server did answer, but with an error
  toasts: [],
};
let state = NOTHING;
const listeners = [];

export const current = () => state;

export function update(patch) {
  state = { ...state, ...patch };
  for (const listener of listeners) listener();
}

/** What one reader saw is not for the next. */
export const forget = () => update({ ...NOTHING, route: state.route });

export function listen(listener) {
  listeners.push(listener);
}

export const mayWrite = ({ role }) => role === "admin";

export const setNames = ({ schedule }) => schedule?.entries.filter((one) => one.kind === "backup").map((one) => one.backup_type) ?? [];

export const scheduled = ({ schedule }, kind, set) => schedule?.entries.find((one) => one.kind === kind && one.backup_type === set);

// -- toasts

const READING_MS = 8_000;
let toastNumber = 0;

/** Failures stay until somebody has read them. */
export function toast(tone, title, { detail = "", cure = "" } = {}) {
  const id = ++toastNumber;
  update({ toasts: [...state.toasts.slice(-4), { id, tone, title, detail, cure }] });
  if (tone === "good") setTimeout(() => dismiss(id), READING_MS);
}

export const dismiss = (id) => update({ toasts: state.toasts.filter((one) => one.id !== id) });

export const toastProblem = (title, problem) => toast("bad", title, { detail: problem.message, cure: problem.cure });
