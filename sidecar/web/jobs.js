// Work under way, watched while it runs: by server-sent events, and by asking again and again where these do not come through.

import { eventsAddress, get, path } from "./api.js";
import { current, update } from "./store.js";

const ASK_MS = 1_000;
const MOST_STREAMS = 2; // of the six connections that a browser has for one server

const watched = new Map();
let streams = 0;

/** The job when it is over; the store has it while it runs. Raises a Problem when it is not known any more. */
export function watch(jobId) {
  if (!watched.has(jobId)) watched.set(jobId, follow(jobId).finally(() => watched.delete(jobId)));
  return watched.get(jobId);
}

export const isWatched = (jobId) => watched.has(jobId);

async function follow(jobId) {
  let job = null;
  if (streams < MOST_STREAMS) {
    job = await stream(jobId);
    if (!job) onSilence();
  }
  while (!job || job.state === "running") {
    job = current().session && (await get(path("jobs", jobId)).catch(unlessItPasses));
    if (job) place(job);
    if (job?.state === "running" || !job) await new Promise((resolve) => setTimeout(resolve, ASK_MS));
  }
  return job;
}

let onSilence = () => {};

/** Who is told when the events of a job break off: the server may be away. */
export function whenSilent(listener) {
  onSilence = listener;
}

/** The server comes back, and somebody signs in again: what was begun is still of interest then. */
function unlessItPasses(problem) {
  if (!problem.isAway && !problem.isSignedOut) throw problem;
}

/** The job when it is over, or null where the events broke off. */
function stream(jobId) {
  const source = new EventSource(eventsAddress(jobId));
  streams += 1;
  return new Promise((resolve) => {
    source.addEventListener("progress", ({ data }) => place(JSON.parse(data)));
    source.addEventListener("end", ({ data }) => {
      place(JSON.parse(data));
      resolve(JSON.parse(data));
    });
    source.addEventListener("error", () => resolve(null));
  }).finally(() => {
    source.close();
    streams -= 1;
  });
}

function place(job) {
  const others = current().jobs.filter((one) => one.id !== job.id);
  update({ jobs: [job, ...others].sort((left, right) => right.started_at.localeCompare(left.started_at)) });
}

/** The jobs that are at work on a set now. */
export function running({ jobs }, set, kinds) {
  const isMeant = (job) => job.state === "running" && (!kinds || kinds.includes(job.kind));
  return jobs.filter((job) => isMeant(job) && job.runs.some((run) => run.backup_type === set && run.outcome === null));
}
