// Signing in: the whole page on a first visit, a window over it when a session ends, so that nobody loses their place.

import { Dialog } from "../elements.js";
import { html, useState } from "../html.js";
import { Icon, Mark } from "../icons.js";
import { refresh } from "../refresh.js";
import { signIn } from "../session.js";

export function SignIn({ state, isOver = false }) {
  const form = html`<${Form} note=${state.sessionNote} />`;
  if (isOver) return html`<${Dialog} title="Sign in again" kind="sign-in">${form}<//>`;
  return html`<main class="sign-in">
    <h1><${Mark} size="40" />Backups</h1>
    ${form}
  </main>`;
}

function Form({ note }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    const { token } = event.target.elements;
    setBusy(true);
    setProblem(null);
    try {
      await signIn(token.value.trim());
      await refresh();
    } catch (refused) {
      setProblem(refused);
      setBusy(false);
      token.focus();
      token.select();
    }
  };
  return html`<form onSubmit=${submit}>
    ${note && html`<p class="note">${note}</p>`}
    <label>Token
      <input name="token" type="password" required autofocus autocomplete="current-password"
        aria-describedby="token-help token-problem" aria-invalid=${Boolean(problem)} />
    </label>
    <p id="token-help" class="help">The admin token or the read token. If no admin token is configured, the sidecar prints one when it starts.</p>
    <p id="token-problem" role="alert" class="problem">${problem && html`<${Icon} name="critical" />${refusal(problem)}`}</p>
    <button class="primary" aria-disabled=${isBusy}>${isBusy && html`<${Icon} name="running" />`}Sign in</button>
  </form>`;
}

function refusal(problem) {
  if (problem.isSignedOut) return "This token is wrong.";
  return `${problem.message} ${problem.cure}`;
}
