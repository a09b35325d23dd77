// Numbers and times in English, as the words around them are, in the reader's own time zone.

const LANGUAGE = "en-GB"; // the order of day, month and year that nobody mistakes
const formats = new Map();

function format(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(LANGUAGE, options));
  return formats.get(key);
}

// -- numbers

export const number = (value) => format(Intl.NumberFormat, {}).format(value);

export const percent = (share) => format(Intl.NumberFormat, { style: "percent" }).format(share);

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** Steps of 1024, as the API's own `size_mb`. */
export function bytes(value) {
  const step = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), UNITS.length - 1);
  const shown = value / 1024 ** step;
  const digits = { maximumFractionDigits: step && shown < 100 ? 1 : 0 };
  return `${format(Intl.NumberFormat, digits).format(shown)} ${value === 1 ? "byte" : UNITS[step]}`;
}

export const mebibytes = (value) => bytes(value * 2 ** 20);

export const rate = (bytesPerSecond) => `${bytes(bytesPerSecond)}/s`;

export const days = (value) => quantity(value, "day");

const quantity = (value, unit, unitDisplay = "long", more = {}) =>
  format(Intl.NumberFormat, { style: "unit", unit, unitDisplay, ...more }).format(value);

/** `3 things`, `1 thing`. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

// -- times

let skew = 0;

/** The server's clock counts, not that of the reader's machine. */
export function setClock(serverDate) {
  if (serverDate) skew = new Date(serverDate).getTime() - Date.now();
}

export const now = () => Date.now() + skew;

const LOCAL = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };

/** `24 Nov 2026, 03:18 CET`: the reader's own time, and which that is. */
export const local = (moment) => format(Intl.DateTimeFormat, LOCAL).format(new Date(moment)).replace(/ (?=\S+$)/, "\u00a0"); // a line never begins with the zone

/** `03:18`, the reader's own time. */
export const timeOfDay = (moment) => format(Intl.DateTimeFormat, { timeStyle: "short" }).format(new Date(moment));

export const clock = (moment) => format(Intl.DateTimeFormat, { timeStyle: "medium" }).format(new Date(moment));

export const day = (moment) => format(Intl.DateTimeFormat, { dateStyle: "medium" }).format(new Date(moment));

/** Unambiguous, the same for everybody: `2026-11-24 02:18:37 UTC`. */
export const utc = (moment) => `${new Date(moment).toISOString().slice(0, 19).replace("T", " ")} UTC`;

const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** `3 hours`, `1 hour 59 minutes`, `2 days`; below a minute that is said. Hours are exact as long as they are few. */
export function ago(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return count(minutes, "minute");
  const hours = Math.floor(minutes / 60);
  if (hours < 6 && minutes % 60) return `${count(hours, "hour")} ${count(minutes % 60, "minute")}`;
  return hours < 48 ? count(hours, "hour") : count(Math.floor(hours / 24), "day");
}

/** `3 hours ago`, `in 2 days`; less than a minute is now. */
export function relative(moment) {
  const seconds = (new Date(moment).getTime() - now()) / 1000;
  if (Math.abs(seconds) < 60) return "just now";
  return seconds < 0 ? `${ago(-seconds)} ago` : `in ${ago(seconds)}`;
}

/** `03:18` of today; of another day with the date. */
export const brieflyLocal = (moment) => (midnight(moment) === midnight(now()) ? timeOfDay(moment) : local(moment));

/** The midnight that begins a moment's day, to tell days apart; the reader's own. */
const midnight = (moment) => new Date(moment).setHours(0, 0, 0, 0);

/** The last moment of a day as a date field gives it, in the reader's own time zone; nothing where it is no day. */
export function endOfDay(date) {
  const end = new Date(`${date}T23:59:59.999`);
  return Number.isNaN(end.getTime()) ? undefined : end.toISOString();
}

/** `Today`, `Yesterday`, `Tuesday, 24 November 2026`. */
export function dayName(moment) {
  const apart = Math.round((midnight(now()) - midnight(moment)) / 86_400_000);
  if (apart === 0) return "Today";
  if (apart === 1) return "Yesterday";
  return format(Intl.DateTimeFormat, { dateStyle: "full" }).format(new Date(moment));
}

/** `1h 5m`, `12s`, `0.8s`, `<0.1s`. */
export function duration(seconds) {
  if (seconds < 0.05) return "<0.1s";
  if (seconds < 10) return quantity(seconds, "second", "narrow", { maximumFractionDigits: 1 });
  const [unit, size] = STEPS.find(([, size]) => seconds >= size);
  const index = STEPS.findIndex(([name]) => name === unit);
  const parts = [quantity(Math.floor(seconds / size), unit, "narrow")];
  const [smaller, smallerSize] = STEPS[index + 1] ?? [];
  const rest = smaller ? Math.floor((seconds % size) / smallerSize) : 0;
  if (rest) parts.push(quantity(rest, smaller, "narrow"));
  return parts.join(" ");
}

export const between = (from, to) => duration((new Date(to) - new Date(from)) / 1000);

/** The beginning of a digest, which is enough to compare it by eye. */
export const shortDigest = (digest) => `${digest.slice(0, 12)}…`;

/** A message with its digests cut to that. */
export const brief = (message) => message.replace(/\b[0-9a-f]{64}\b/g, shortDigest);
