// What somebody should do something about: the four causes of the specification, and those that the sidecar adds.

import { backUp, rehearse } from "./actions.js";
import { ago, brief, brieflyLocal, count, days, local, mebibytes, now, relative } from "./format.js";
import { address } from "./route.js";
import { scheduled, setNames } from "./store.js";

const ENDED = { aborted: "was aborted", skipped: "was skipped", missed: "was missed" };
const ORDER = ["critical", "warning", "caution"];

/** How well everything is, in one tone: a banner is never beside a headline that says all is well. */
export function overall(state) {
  const [worst] = alerts(state);
  return worst ? worst.tone : state.health.overall_health;
}

/** Nothing is wrong but that the first backups are still to come. */
export const isFirstStart = (state) => {
  const found = alerts(state);
  return found.length > 0 && found.every((one) => one.key.startsWith("first "));
};

/** The first backup of a set is still to come, and its schedule will make it. */
export const awaitsFirst = (state, name) => alerts(state).some((one) => one.key === `first ${name}`);

/** The worst first. Each has a tone, what is wrong, its details, what to do, perhaps a button that does it and where to look. */
export function alerts(state) {
  const { health, schedule } = state;
  if (!health || !schedule) return [];
  const hasBackups = setNames(state).some((name) => health[`${name}_backup`]?.backup_count);
  const found = [...ofProcess(health, hasBackups), ...setNames(state).flatMap((name) => [...ofSet(state, name)])];
  if (!canRun(health)) for (const one of found) delete one.act; // what they start would fail at once
  return found.sort((left, right) => ORDER.indexOf(left.tone) - ORDER.indexOf(right.tone));
}

function* ofProcess({ storage, scheduler, configuration, mongodb, coverage }, hasBackups) {
  if (!mongodb.is_up && mongodb.asked_at) {
    yield {
      key: "mongodb",
      tone: "critical",
      title: "MongoDB is unreachable",
      detail: [mongodb.last_up_at ? `It last answered ${relative(mongodb.last_up_at)}` : "It never answered", mongodb.error].filter(Boolean).map((words) => `${sentence(words)}.`).join(" "),
      cure: `Nothing can be backed up or restored until ${mongodb.hosts} answers. The stored backups are safe.`,
    };
  }
  if (!storage.has_sufficient_space) {
    yield {
      key: "storage",
      tone: "critical",
      title: "Too little storage for the next backup",
      detail: storage.error ?? `${mebibytes(storage.free_mb)} are free, ${mebibytes(storage.required_mb)} are needed.`,
      cure: storage.free_mb === 0 || !hasBackups
        ? `Delete what is not a backup from the disk of ${configuration.backup_directory}, or give the volume more room.`
        : `Make room in ${configuration.backup_directory}: enlarge the volume, or keep fewer backups (${configuration.backup_limit} per set now).`,
    };
  }
  if (storage.has_sufficient_space && storage.cure) {
    yield {
      key: "outlook",
      tone: "caution",
      title: storage.days_until_full === null ? "Retention will keep more than has room" : `The storage will be full in about ${days(Math.floor(storage.days_until_full))}`,
      detail: `${sentence(storage.outlook)}.`,
      cure: storage.cure,
    };
  }
  if (coverage.message) {
    yield {
      key: "coverage",
      tone: "caution",
      title: sentence(coverage.message),
      detail: "",
      cure: "Add what matters to a set, and name the rest in SIDECAR_IGNORE.",
    };
  }
  if (scheduler.held_because) {
    yield {
      key: "held",
      tone: "critical",
      title: "The schedules are held",
      detail: scheduler.held_because,
      cure: "Nothing is backed up by schedule until this is solved, so that an empty database cannot push good backups out.",
    };
  }
  if (!scheduler.is_running) {
    yield {
      key: "scheduler",
      tone: "critical",
      title: "The scheduler is not running",
      detail: scheduler.error ?? "",
      cure: "It is started again by itself within seconds. If it is not, restart the sidecar and read its log.",
    };
  }
}

function* ofSet(state, name) {
  const status = state.health[`${name}_backup`];
  const entry = scheduled(state, "backup", name);
  if (status) yield* ofBackups(state, name, status, entry);
  if (state.health.scheduler.failing_sets.includes(name)) {
    yield {
      key: `run ${name}`,
      tone: "warning",
      title: `The last backup run of ${name} ${ENDED[entry.last_run?.outcome] ?? "failed"}`,
      detail: entry.last_run?.message ?? "",
      cure: entry.last_run?.cure || "Run one now.",
      act: mend(name),
      link: { text: `Runs of ${name}`, href: address({ view: "runs", query: { set: name, kind: "backup" } }) },
    };
  }
  const drill = scheduled(state, "drill", name)?.last_run;
  if (drill?.outcome === "failed") {
    yield {
      key: `drill ${name}`,
      tone: "warning",
      title: `The last restore drill of ${name} failed`,
      detail: drill.message,
      cure: drill.cure || "Until a drill succeeds, nobody knows whether the newest backup can be restored.",
      act: { words: `Run a drill of ${name} now`, work: () => rehearse(name) },
      link: { text: "Drills", href: address({ view: "schedule" }) },
    };
  }
}

/** A backup that is begun now would not fail at once. */
export const canRun = ({ mongodb, storage }) => (mongodb.is_up || !mongodb.asked_at) && storage.has_sufficient_space;

const mend = (name) => ({ words: `Back up ${name} now`, work: () => backUp(name) });

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** Where a restore from the newest backup that can be restored begins; nothing where there is none. */
function wayBack(name, newest) {
  if (!newest) return undefined;
  const href = address({ view: "set", set: name, id: newest.backup_id, action: "restore" });
  return { text: `Restore from ${brieflyLocal(newest.timestamp)}…`, href };
}

function* ofBackups(state, name, status, entry) {
  const link = { text: `Backups of ${name}`, href: address({ view: "set", set: name }) };
  const last = status.last_backup;
  if (!last && !entry.last_run && entry.next_run && !entry.pause) {
    yield {
      key: `first ${name}`,
      tone: "caution",
      isCalm: canRun(state.health),
      title: `${name} has no backup yet: the first one begins ${relative(entry.next_run)}`,
      detail: "",
      cure: canRun(state.health) ? "Wait for it, or run it now." : "It will fail until the problem above is solved.",
      act: mend(name),
    };
  } else if (!last) {
    yield { key: `none ${name}`, tone: "critical", title: `${name} has no backup`, detail: "", cure: "Run one now.", act: mend(name), link };
  } else if (status.status === "corrupted") {
    yield {
      key: `corrupt ${name}`,
      tone: "critical",
      title: `The newest backup of ${name} is damaged`,
      detail: `${last.filename}: ${brief(last.verify_message)}`,
      cure: canRun(state.health) ? "No restore uses it. Back up now, and check the disk." : "No restore uses it. Check the disk.",
      act: mend(name),
      link: (state.health.mongodb.is_up && wayBack(name, status.newest_restorable)) || link,
    };
  } else if (status.status === "stale") {
    yield {
      key: `stale ${name}`,
      tone: "warning",
      title: `The last backup of ${name} is more than 48 hours old`,
      detail: `It is of ${local(last.timestamp)}, ${ago((now() - new Date(last.timestamp)) / 1000)} old.`,
      cure: "Run one now, and see why the schedule made none.",
      act: mend(name),
      link,
    };
  } else if (entry.is_overdue && !entry.pause) {
    yield {
      key: `overdue ${name}`,
      tone: "warning",
      title: `A backup of ${name} is overdue`,
      detail: `The newest is of ${relative(last.timestamp)}; the schedule is ${entry.schedule}.`,
      cure: "Run one now, and see why the schedule made none.",
      act: mend(name),
      link,
    };
  }
  const broken = status.states.invalid ? "invalid" : "missing";
  const bad = status.states.invalid + status.states.missing - (status.status === "corrupted" ? 1 : 0);
  if (bad > 0) {
    yield {
      key: `invalid ${name}`,
      tone: "warning",
      title: `${count(bad, "backup")} of ${name} failed ${bad === 1 ? "its" : "their"} integrity check`,
      detail: "",
      cure: "No restore uses an invalid backup. Check the disk; delete the backup once you know the cause.",
      link: { text: bad === 1 ? "Show it" : "Show them", href: address({ view: "set", set: name, query: { state: broken } }) },
    };
  }
  if (status.suspicions.length) {
    yield {
      key: `suspect ${name}`,
      tone: "warning",
      title: `The newest backup of ${name} is suspect`,
      detail: `${status.suspicions.join("; ")}.`,
      cure: "Nothing of the set is deleted until the data is back, or until you confirm that it was deleted on purpose.",
      link: { text: "Look at it", href: address({ view: "set", set: name, id: last.backup_id }) },
    };
  }
}
