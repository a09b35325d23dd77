// Signing in and out. That there is a session is remembered so that a first visit asks for nothing; the cookie itself is out of reach.

import { call } from "./api.js";
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

/** Whether there was a session when the page was last left; the server knows whether it still holds. */
export const isRemembered = () => localStorage.getItem(REMEMBERED) !== null;

export function entered(session) {
  localStorage.setItem(REMEMBERED, "yes");
  update({ session, role: session.role, sessionNote: "" });
}

export function left(note) {
  localStorage.removeItem(REMEMBERED);
  update({ session: null, sessionNote: note });
}
