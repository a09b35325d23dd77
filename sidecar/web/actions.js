// What a reader with the admin token can do. Everything long is a job of the server: it goes on whatever becomes of this page.

import { call, path } from "./api.js";
import { watch } from "./jobs.js";
import { refresh } from "./refresh.js";
import { left } from "./session.js";
import { toast, toastProblem } from "./store.js";
import { KIND, NOTICE, setWords } from "./words.js";

const ANSWERS = [409, 500, 502, 503, 507]; // whose body says what became of each set

/** Returns when the work has begun; toasts say how it ends. `set` may be `all`. */
export const backUp = (set) => begin(`Backup of ${setWords(set)}`, "/backups/trigger", set);

export const rehearse = (set) => begin(`Drill of ${setWords(set)}`, "/backups/drill", set);

function begin(title, where, set) {
  return attempt(title, async () => {
    const results = await call("POST", where, { query: { backup_type: set, wait: 0 }, accept: ANSWERS });
    for (const [name, result] of Object.entries(results)) {
      if (result.success === false) toast("bad", `${title} was not begun`, { detail: `${name}: ${result.message}`, cure: result.cure });
    }
    const jobIds = new Set(Object.values(results).map((one) => one.job_id));
    for (const jobId of jobIds) if (jobId) reportEnd(jobId, title);
    await refresh();
  });
}

export function verify(backupId, deep) {
  const title = deep ? "Deep verification" : "Verification";
  return attempt(title, async () => {
    const body = await call("POST", path("backups", "verify", backupId), { query: { deep, wait: 0 }, accept: ANSWERS });
    reportEnd(body.job_id, title);
    await refresh();
  });
}

/** The plan of a restore. Raises a Problem. */
export const plan = (backupId, order) => call("POST", path("backups", backupId, "restore"), { body: { ...order, dry_run: true } });

/** What differs between a backup and a newer one, or the database as it is now. Reads both from end to end. Raises a Problem. */
export const compare = (backupId, otherId) =>
  call("GET", path("backups", backupId, "diff", ...(otherId ? [otherId] : [])), { isSlow: true });

/** Documents of a backup by `_id` or by a field, beside what the database holds now. Reads the backup from end to end. Raises a Problem. */
export const findDocuments = (backupId, collection, field, value) => {
  const wanted = field === "_id" ? { id: value } : { where: JSON.stringify({ [field]: value }) };
  return call("GET", path("backups", backupId, "documents"), { query: { collection, live: true, ...wanted }, isSlow: true });
};

/** Begins a restore: the id of its job. Raises a Problem. */
export async function restore(backupId, order) {
  const body = await call("POST", path("backups", backupId, "restore"), { query: { wait: 0 }, body: order, accept: ANSWERS });
  reportEnd(body.job_id, "Restore");
  refresh();
  return body.job_id;
}

async function reportEnd(jobId, title) {
  await attempt(title, async () => {
    const job = await watch(jobId);
    for (const run of job.runs) report(job, run);
  });
  refresh();
}

function report({ kind }, run) {
  const what = `${KIND[kind]} of ${run.backup_type}`;
  if (run.outcome === "succeeded") toast("good", `${what} succeeded`, { detail: run.message });
  else toast("bad", `${what} ${run.outcome === "aborted" ? "was cancelled" : run.outcome}`, { detail: run.message, cure: run.cure });
}

export const cancel = (jobId) => attempt("Cancelling", () => call("POST", path("jobs", jobId, "cancel")));

/** Deletes a backup and calls `leave`, for nobody can look at it any more. Raises a Problem that says why it stays. */
export async function remove(backupId, leave) {
  await call("DELETE", path("backups", backupId));
  toast("good", "Backup deleted", { detail: backupId });
  leave();
  await refresh();
}

export const pin = (backupId, until) => change("Pinning", () => call("PUT", path("backups", backupId, "pin"), { body: until ? { until } : {} }));

export const unpin = (backupId) => change("Unpinning", () => call("DELETE", path("backups", backupId, "pin")));

export const confirm = (backupId) => change("Confirmation", () => call("POST", path("backups", backupId, "confirm")));

export const pause = (set, until) =>
  change("Pausing", () => call("POST", "/schedule/pause", { query: { backup_type: set }, body: until ? { until } : {} }));

export const resumeSchedule = (set) => change("Resuming", () => call("POST", "/schedule/resume", { query: { backup_type: set } }));

export const testNotices = () =>
  attempt("The test", async () => {
    const { deliveries } = await call("POST", "/notifications/test");
    if (!deliveries.length) toast("bad", "No channel is configured", { cure: "Set SIDECAR_WEBHOOK_URL, SIDECAR_SMTP_HOST or SIDECAR_HEARTBEAT_URL." });
    for (const { channel, backup_type: set, error } of deliveries) {
      const where = `${NOTICE[channel]}${set ? ` of ${set}` : ""}`;
      if (error) toast("bad", `${where}: not delivered`, { detail: error });
      else toast("good", `${where}: delivered`);
    }
  });

const change = (title, work) =>
  attempt(title, async () => {
    await work();
    await refresh();
  });

async function attempt(title, work) {
  try {
    await work();
  } catch (problem) {
    if (problem.isSignedOut) left("Your session is over, or the server was started again.");
    else if (problem.status === undefined) throw problem;
    else toastProblem(`${title} failed`, problem);
  }
}
