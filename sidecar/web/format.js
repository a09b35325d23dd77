// Numbers and times as the reader's own language writes them.

const LANGUAGE = navigator.languages;
const formats = new Map();

function format(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(LANGUAGE, options));
  return formats.get(key);
}

// -- numbers

export const number = (value) => format(Intl.NumberFormat, {}).format(value);

export const percent = (share) => format(Intl.NumberFormat, { style: "percent" }).format(share);

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** Steps of 1024, as the API's own `size_mb`. */
export function bytes(value) {
  const step = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), UNITS.length - 1);
  const shown = value / 1024 ** step;
  return quantity(shown, UNITS[step], "short", { maximumFractionDigits: step && shown < 100 ? 1 : 0 });
}

export const megabytes = (value) => bytes(value * 2 ** 20);

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

export const local = (moment) => format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short" }).format(new Date(moment));

export const clock = (moment) => format(Intl.DateTimeFormat, { timeStyle: "medium" }).format(new Date(moment));

export const day = (moment) => format(Intl.DateTimeFormat, { dateStyle: "medium" }).format(new Date(moment));

/** Unambiguous, the same for everybody: `2026-11-24 02:18:37 UTC`. */
export const utc = (moment) => `${new Date(moment).toISOString().slice(0, 19).replace("T", " ")} UTC`;

const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** `3 hours ago`, `in 2 days`; less than a minute is now. */
export function relative(moment) {
  const seconds = (new Date(moment).getTime() - now()) / 1000;
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size * (size === 3600 ? 2 : 1)) ?? ["minute", 60];
  const value = unit === "second" ? 0 : Math.trunc(seconds / size);
  return value === 0 ? "just now" : format(Intl.RelativeTimeFormat, { numeric: "always" }).format(value, unit);
}

/** `1h 5m`, `12s`, `0.8s`. */
export function duration(seconds) {
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
