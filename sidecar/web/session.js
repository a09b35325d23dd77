// Signing in and out. That there is a session is remembered so that a first visit asks for nothing; the cookie itself is out of reach.

import { call, get } from "./api.js";
import { forget, update } from "./store.js";

const REMEMBERED = "sidecar.signed-in";

/** Raises a Problem for a wrong token. */
export async function signIn(token) {
  entered(await call("POST", "/session", { body: { token } }));
}

export async function signOut() {
  await call("DELETE", "/session").catch(() => {}); // one that is over already
  forget();
  left("");
}

/** Whether the session of an earlier visit still holds. */
export async function resume() {
  if (!localStorage.getItem(REMEMBERED)) return left("");
  try {
    entered(await get("/session"));
  } catch (problem) {
    if (problem.isSignedOut) left("Your session is over.");
    else throw problem;
  }
}

function entered(session) {
  localStorage.setItem(REMEMBERED, "yes");
  update({ session, role: session.role, sessionNote: "" });
}

export function left(note) {
  localStorage.removeItem(REMEMBERED);
  update({ session: null, sessionNote: note });
}
