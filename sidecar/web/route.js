// Where in the page the reader is, as the address says it: #/set/main/backup/ID can be bookmarked and sent to a colleague.

import { current, update } from "./store.js";

/**
 * `#/`, `#/schedule`, `#/runs?outcome=failed&page=2`, `#/set/NAME?state=invalid&trigger=manual&page=2`,
 * `#/set/NAME/retention?keep_daily=14`, `#/set/NAME/backup/ID`, and below that `/restore`, `/compare`, `/documents` and `/delete`.
 */
export function parse(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, set, below, id, action] = path.split("/").map(decoded);
  const query = Object.fromEntries(new URLSearchParams(search));
  query.page = Math.max(Number.parseInt(query.page, 10) || 1, 1);
  if (view === "set" && set && below === "retention") return { view: below, set, query };
  if (view === "set" && set) return { view, set, id, action, query };
  return { view: ["schedule", "runs"].includes(view) ? view : "overview", query };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function address({ view, set, id, action, query = {} }) {
  const ofSet = ["set", set, ...(id ? ["backup", id] : []), ...(id && action ? [action] : [])];
  const parts = { set: ofSet, overview: [], retention: ["set", set, "retention"] }[view] ?? [view];
  const given = Object.entries(query).filter(([name, value]) => value && !(name === "page" && value === 1));
  return `#/${parts.map(encodeURIComponent).join("/")}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

let arrive = () => {};

/** Calls `arrived` now and whenever the address changes, with the token of a ready link if it has one. */
export function follow(arrived) {
  arrive = arrived;
  addEventListener("hashchange", read);
  read();
}

/** At once, so that what follows already sees the new place. */
export function go(route) {
  history.pushState(null, "", address(route));
  read();
}

/** Whether two places are the same page with another window or filter over it: then the reader stays where they are. */
const isSamePage = (one, other) => one.view === other.view && one.set === other.set && one.query?.page === other.query?.page;

function read() {
  const token = takeToken();
  const route = parse(location.hash);
  if (!isSamePage(current().route, route)) scrollTo(0, 0);
  update({ route });
  arrive(token);
}

/** Taken out of the address before anything else happens, so that it stays nowhere. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) history.replaceState(null, "", location.pathname);
  return token;
}
