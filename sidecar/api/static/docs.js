// Lets a reader try each route where it is described. The token stays in the memory of this page.

const MOST_SHOWN = 100_000; // characters of an answer: a download may be of gigabytes, and events never end

const described = await fetch("openapi.json").then((answer) => answer.json());
const token = input({ name: "token", type: "password", autocomplete: "off", spellcheck: false });
document.querySelector("header").append(labelled("Token to try routes with; it is kept in this page's memory only", token));

for (const [path, operations] of Object.entries(described.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    document.getElementById(operation.operationId)?.append(trial(method, path, operation));
  }
}

function trial(method, path, operation) {
  const parameters = (operation.parameters ?? []).filter((one) => one.in !== "cookie");
  const form = element("form");
  for (const one of parameters) form.append(labelled(one.name, input({ name: one.name, required: one.required, autocomplete: "off" })));
  const body = operation.requestBody && element("textarea", { name: "body", rows: 4, spellcheck: false, value: "{}" });
  if (body) form.append(labelled("Body, as JSON", body));
  const answer = element("pre", { tabIndex: 0, hidden: true });
  answer.setAttribute("role", "status");
  form.append(element("button", { textContent: method === "get" ? "Send" : `Send ${method.toUpperCase()}: this is done for real` }), answer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(method, address(path, parameters, form), headers(parameters, form, body), body?.value, answer);
  });
  const details = element("details", { className: "trial" });
  details.append(element("summary", { textContent: "Try it" }), form);
  return details;
}

/** Relative to this page, which may lie below the path of a proxy. */
function address(path, parameters, form) {
  const query = new URLSearchParams();
  let filled = path.replace(/^\//, "");
  for (const { name, in: place } of parameters) {
    const { value } = form.elements.namedItem(name);
    if (place === "path") filled = filled.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "query" && value) query.set(name, value);
  }
  return query.size ? `${filled}?${query}` : filled;
}

function headers(parameters, form, body) {
  const sent = new Headers(body ? { "Content-Type": "application/json" } : {});
  if (token.value) sent.set("Authorization", `Bearer ${token.value}`);
  for (const { name, in: place } of parameters) {
    const { value } = form.elements.namedItem(name);
    if (place === "header" && value) sent.set(name, value);
  }
  return sent;
}

async function send(method, url, sent, body, answer) {
  answer.hidden = false;
  answer.textContent = "…";
  try {
    const response = await fetch(url, { method: method.toUpperCase(), headers: sent, body });
    answer.textContent = `${response.status} ${response.statusText}\n${await beginning(response)}`;
  } catch (error) {
    answer.textContent = `Not sent: ${error.message}`;
  }
}

/** The text of an answer, set out where it is JSON, and not more of it than can be shown. */
async function beginning(response) {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let text = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader.read()) {
    text += decoder.decode(part.value, { stream: true });
    if (text.length > MOST_SHOWN) {
      await reader.cancel();
      return `${text.slice(0, MOST_SHOWN)}…`;
    }
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// -- parts of the page

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

function input(properties) {
  return element("input", properties);
}

function labelled(words, control) {
  const label = element("label", { textContent: words });
  label.append(control);
  return label;
}
