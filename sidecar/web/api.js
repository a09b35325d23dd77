// Talks to the sidecar. The session's cookie is the browser's business: no script ever sees it.

import { setClock } from "./format.js";

const ADMIN = "api/admin"; // relative to the page, which may lie below the path of a proxy
const PATIENCE_MS = 20_000;

/** What the server refused, in its own words (RFC 9457), or `away` where nobody answered. */
export class Problem extends Error {
  constructor(status, { code = "", detail = "", title = "", cure = "" } = {}) {
    super(detail || title || `the server answered ${status}`);
    Object.assign(this, { status, code, cure });
  }
  get isAway() {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
  get isSignedOut() {
    return this.status === 401;
  }
}

/** The answer's body; `accept` lists statuses besides 2xx whose body is an answer and no problem. */
export async function call(method, path, { body, query, accept = [], isSlow = method !== "GET" } = {}) {
  const response = await send(method, path + search(query), body, isSlow);
  setClock(response.headers.get("Date"));
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  const answer = response.status === 204 ? null : await response.json().catch(() => undefined);
  if (isProblem || !(response.ok || accept.includes(response.status))) throw new Problem(response.status, answer);
  if (answer === undefined) throw new Problem(0, { detail: "The answer broke off." });
  const total = response.headers.get("X-Total-Count");
  return total === null ? answer : { answer, total: Number(total) };
}

async function send(method, path, body, isSlow) {
  try {
    return await fetch(ADMIN + path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: isSlow ? undefined : AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new Problem(0, { detail: "The server does not answer." });
  }
}

function search(query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export const get = (path, query) => call("GET", path, { query });

/** A path below the admin API with each part of it escaped. */
export const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;

export const downloadAddress = (backupId) => `${ADMIN}${path("backups", backupId, "download")}`;

export const eventsAddress = (jobId) => `${ADMIN}${path("jobs", jobId, "events")}`;
