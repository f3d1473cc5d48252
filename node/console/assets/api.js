// The node's HTTP API. The session token of each reply goes back with the next request,
// so that own writes are seen; tokens are kept in this tab only.

const kept = (name) => ({
  get: () => sessionStorage.getItem(name) ?? '',
  set: (value) => (value ? sessionStorage.setItem(name, value) : sessionStorage.removeItem(name)),
});

export const token = kept('token');
export const operatorToken = kept('operator-token');
const seen = kept('seen');
const me = kept('me');

export const viewer = () => (me.get() ? JSON.parse(me.get()) : null);

export class Problem extends Error {
  constructor(status, problem) {
    const where = problem.field ? `${problem.field}: ` : '';
    super(where + (problem.detail || problem.title || `the node answered ${status}`));
    this.status = status;
    this.field = problem.field;
  }
}

export function headers(asOperator) {
  const h = {};
  const bearer = asOperator ? operatorToken.get() : token.get();
  if (bearer) h.Authorization = `Bearer ${bearer}`;
  if (seen.get()) h['Grapevine-Session'] = seen.get();
  return h;
}

async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  return new Problem(response.status, problem);
}

export async function call(method, path, body, { operator = false, key, anonymous = false } = {}) {
  const h = headers(operator);
  if (anonymous) delete h.Authorization;
  if (key) h['Idempotency-Key'] = key;
  if (body !== undefined) h['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method, headers: h, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, { detail: 'The node cannot be reached. See that it runs, or open the console of another node.' });
  }
  const session = response.headers.get('Grapevine-Session');
  if (session && !operator) seen.set(session);
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.status === 401 && !operator && token.get() && !anonymous) end();
    throw problem;
  }
  const text = await response.text();
  return text ? JSON.parse(text) : undefined;
}

export const get = (path) => call('GET', path);
export const put = (path, on = true) => call(on ? 'PUT' : 'DELETE', path);
export const post = (path, body) => call('POST', path, body, { key: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` });
export const asOperator = (path) => call('GET', path, undefined, { operator: true });
export const part = encodeURIComponent;

function begin(session, user) {
  token.set(session.token);
  me.set(JSON.stringify(user));
  dispatchEvent(new Event('account'));
}

function end() {
  token.set('');
  me.set('');
  seen.set('');
  users.clear();
  dispatchEvent(new Event('account'));
}

export async function signUp(form) {
  const made = await call('POST', '/v1/users', form, { anonymous: true });
  begin(made.session, made);
}

export async function logIn(form) {
  const session = await call('POST', '/v1/sessions', form, { anonymous: true });
  begin(session, session.user);
}

export async function logOut() {
  try {
    await call('DELETE', '/v1/sessions/current');
  } finally {
    if (token.get()) end();
  }
}

const users = new Map(); // promises of users, by id; the oldest go first
const maxUsers = 500;

export function userOf(id) {
  if (!users.has(id)) {
    if (users.size >= maxUsers) users.delete(users.keys().next().value);
    users.set(id, get(`/v1/users/${part(id)}`).catch((error) => {
      users.delete(id);
      if (error.status !== 404) throw error;
      return { id, username: 'deleted', display_name: 'A deleted account', bio: '' };
    }));
  }
  return users.get(id);
}
