// The API's words as people say them, with the tone that each is shown in.

export const HEALTH = {
  healthy: ["good", "Healthy"],
  caution: ["caution", "Caution"],
  warning: ["warning", "Warning"],
  critical: ["critical", "Critical"],
};

export const STATE = {
  valid: ["good", "Valid"],
  invalid: ["critical", "Invalid"],
  missing: ["critical", "Data missing"],
  orphan: ["warning", "Orphan"],
};

export const OUTCOME = {
  running: ["running", "Running"],
  succeeded: ["good", "Succeeded"],
  failed: ["critical", "Failed"],
  skipped: ["caution", "Skipped"],
  missed: ["warning", "Missed"],
  aborted: ["warning", "Aborted"],
};

export const NOW = {
  same: ["good", "The same now"],
  changed: ["caution", "Changed since"],
  gone: ["warning", "Deleted since"],
};

export const ELSEWHERE = {
  read_back: ["good", "Copied to"],
  not_read: ["caution", "Not read back in"],
  damaged: ["critical", "Damaged in"],
  missing: ["neutral", "Not in"],
};

export const TRIGGER = {
  scheduled: "Scheduled",
  manual: "Manual",
  pre_restore: "Before a restore",
  start_up: "At start-up",
};

export const CONSISTENCY = { snapshot: "One snapshot", per_collection: "Per collection" };

export const KIND = { backup: "Backup", verify: "Verification", prune: "Clean-up", restore: "Restore", drill: "Drill", copy: "Copy" };

export const NOTICE = { heartbeat: "Heartbeat", webhook: "Webhook", mail: "Mail" };

export const ACTION = { backup: "Reading", hash: "Reading", verify: "Checking", restore: "Writing", send: "Sending", "read back": "Reading back", fetch: "Fetching" };

export const setWords = (set) => (set === "all" ? "all sets" : set);

export const OVERALL = {
  healthy: "Every set is protected",
  caution: "Something needs a look",
  warning: "Something needs attention",
  critical: "Something needs you now",
};
