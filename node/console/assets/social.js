// Timelines, threads, and the way in.

import { button, el, empty, field, guard, say } from './dom.js';
import { get, logIn, part, put, signUp, viewer } from './api.js';
import { card, composer, feed } from './posts.js';
import { userItem } from './people.js';

export function welcome() {
  if (viewer()) {
    location.hash = '#/home';
    return el('p');
  }
  const form = (title, act, withName) => {
    const name = el('input', { id: `${title}-name`, autocomplete: 'username', required: true, maxlength: 32, autocapitalize: 'none', spellcheck: 'false' });
    const word = el('input', { id: `${title}-word`, type: 'password', autocomplete: withName ? 'new-password' : 'current-password', required: true, maxlength: 256 });
    const display = withName && el('input', { id: 'display', autocomplete: 'name', maxlength: 64 });
    const send = el('button', { type: 'submit', class: 'main' }, withName ? 'Sign up' : 'Log in');
    const wrong = el('p', { class: 'wrong', role: 'alert' });
    const f = el('form', { class: 'card', 'aria-label': withName ? 'Sign up' : 'Log in', id: title },
      el('h2', {}, withName ? 'New here?' : 'Log in'),
      field('Username', name, withName && 'Letters, digits and _'), withName && field('Name shown', display),
      field('Password', word, withName && 'At least 8 characters'), wrong, send);
    f.addEventListener('submit', guard(send, async () => {
      wrong.textContent = '';
      try {
        await act({ username: name.value, password: word.value, ...(withName && display.value && { display_name: display.value }) });
        location.hash = withName ? '#/public' : '#/home';
      } catch (error) {
        wrong.textContent = error.message;
      }
    }));
    return f;
  };
  return el('div', {}, el('section', { class: 'hero' },
    el('h1', {}, 'Heard it through the grapevine'),
    el('p', {}, 'A social network without a master: every node serves everything, and any of them may fail. Sign up, follow somebody, post — and open another node to see it arrive there.')),
  el('div', { class: 'pair' }, form('signup', signUp, true), form('login', logIn, false)),
  el('p', { class: 'dim' }, el('a', { href: '#/public' }, 'Look around without an account'), ' · ', el('a', { href: '/docs' }, 'Read the API'), ' · ', el('a', { href: '#/cluster' }, 'Operate the cluster')));
}

const page = (title, ...children) => el('div', {}, el('h1', {}, title), ...children);

// A view is a node, the channels that it wants live, and what to do with their posts.
function timeline(title, path, channel, nothing, { compose = true, above } = {}) {
  const f = feed(path, nothing);
  const write = compose && viewer() && composer((p) => { if (p.visibility === 'public' || channel === 'home') f.add(p); });
  return { node: page(title, above, write, f.node), channels: channel ? [channel] : [], onPost: (p) => f.add(p) };
}

export const home = () => timeline('Home', '/v1/timelines/home', 'home', 'Nothing here yet. Follow somebody: look under Public or Search for people you like, or post something yourself.');
export const everybody = () => timeline('Public', '/v1/timelines/public', 'public', 'Nobody has posted yet. Be the first.');
export const tagged = (tag) => timeline(`#${tag}`, `/v1/timelines/tags/${part(tag)}`, `tag:${tag}`, `No post has #${tag} yet. Write one.`);
export const mentions = () => timeline('Mentions', '/v1/timelines/mentions', '', 'Nobody has mentioned you yet.', { compose: false });

export async function thread(id) {
  const focus = el('div');
  const answers = el('div', { class: 'feed' });
  const load = async () => {
    const t = await get(`/v1/posts/${part(id)}/thread`);
    focus.replaceChildren(...t.ancestors.map((p) => card(p)), card(t.post, { isFocus: true, onReply: () => document.getElementById('reply')?.focus() }));
    answers.replaceChildren(...t.descendants.map((p) => card(p)));
    if (!t.descendants.length) answers.append(empty('No replies yet.'));
  };
  await load();
  const write = viewer() ? composer((p) => { answers.querySelector('.empty')?.remove(); answers.append(card(p)); }, id) : empty('Log in to reply.');
  return page('Thread', focus, write, answers);
}

export async function lists() {
  const { items } = await get('/v1/lists');
  const title = el('input', { id: 'list-title', maxlength: 100, required: true });
  const send = el('button', { type: 'submit', class: 'main' }, 'Make a list');
  const form = el('form', { class: 'card', 'aria-label': 'New list' }, field('Title', title), send);
  form.addEventListener('submit', guard(send, async () => {
    const { post } = await import('./api.js');
    const made = await post('/v1/lists', { title: title.value });
    location.hash = `#/list/${part(made.id)}`;
  }));
  return page('Lists', form, items.length
    ? el('ul', { class: 'plain' }, items.map((l) => el('li', { class: 'card' }, el('a', { href: `#/list/${part(l.id)}` }, l.title))))
    : empty('You have no lists. A list is a timeline of accounts that you choose; only you know of it.'));
}

export async function list(id) {
  const [l, members] = await Promise.all([get(`/v1/lists/${part(id)}`), get(`/v1/lists/${part(id)}/members`)]);
  const name = el('input', { id: 'list-add', required: true, maxlength: 64, placeholder: '@name' });
  const send = el('button', { type: 'submit' }, 'Add');
  const form = el('form', { class: 'row', 'aria-label': 'Add to the list' }, field('Add somebody', name), send);
  form.addEventListener('submit', guard(send, async () => {
    const ref = name.value.startsWith('@') ? name.value : `@${name.value}`;
    await put(`/v1/lists/${part(id)}/members/${part(ref)}`);
    say('Added');
    dispatchEvent(new Event('hashchange'));
  }));
  const who = el('details', { class: 'card' }, el('summary', {}, `${members.items.length} in it`), el('ul', { class: 'plain' }, members.items.map((u) => el('li', { class: 'row' }, userItem(u),
    button('Take out', async () => { await put(`/v1/lists/${part(id)}/members/${part(u.id)}`, false); dispatchEvent(new Event('hashchange')); }, { class: 'quiet' })))), form);
  return timeline(l.title, `/v1/timelines/lists/${part(id)}`, '', 'No posts here yet. Add accounts to the list.', { compose: false, above: who });
}
