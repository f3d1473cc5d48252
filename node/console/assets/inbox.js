// Notifications and channels.

import { ago, button, el, empty, guard, say } from './dom.js';
import { call, get, part, post, userOf, viewer } from './api.js';
import { face, person } from './posts.js';

const did = {
  mention: 'mentioned you', reply: 'answered you', like: 'liked your post', repost: 'reposted your post',
  follow: 'follows you', friend_request: 'asks to be friends', friend_accept: 'is now your friend',
};

function item(n) {
  const people = n.actors ?? [];
  const rest = n.count > people.length ? ` and ${n.count - people.length} more` : '';
  const target = n.post ? `#/post/${part(n.post.id)}` : n.kind.startsWith('friend') ? `#/friends/${part(viewer()?.id ?? '')}` : `#/user/${part(people[0]?.id ?? '')}`;
  return el('li', { class: n.read ? 'card row' : 'card row unread', 'data-id': n.id },
    people[0] && face(people[0]),
    el('div', { class: 'grow' }, people.map((u, i) => [i ? ', ' : '', person(u)]), `${rest} `, el('a', { href: target }, did[n.kind] ?? n.kind), n.post?.text && el('p', { class: 'dim text' }, n.post.text)),
    el('span', { class: 'dim' }, ago(n.created_at)));
}

export async function notifications() {
  const page = await get('/v1/notifications');
  const list = el('ul', { class: 'plain', id: 'notifications' }, page.items.map(item));
  const none = empty('Nothing yet. You are told here when somebody follows, mentions, answers, likes or reposts you.');
  if (!page.items.length) list.append(el('li', {}, none));
  let newest = page.items[0]?.id;
  const read = button('Mark all as read', async () => {
    if (newest) await post('/v1/notifications/read', { up_to: newest });
    list.querySelectorAll('.unread').forEach((n) => n.classList.remove('unread'));
    dispatchEvent(new Event('unread'));
  });
  return {
    node: el('div', {}, el('div', { class: 'row' }, el('h1', { class: 'grow' }, 'Notifications'), read), el('p', { class: 'dim' }, el('a', { href: '#/mentions' }, 'Posts that mention you')), list),
    channels: [],
    onNotification: (n) => {
      none.parentElement?.remove();
      newest = n.id;
      list.querySelector(`[data-id="${CSS.escape(n.id)}"]`)?.remove();
      list.prepend(item(n));
    },
  };
}

async function message(m) {
  const user = await userOf(m.author);
  return el('li', { class: 'row message', 'data-id': m.id }, face(user), el('div', { class: 'grow' }, el('div', {}, person(user), ' ', el('span', { class: 'dim' }, ago(m.created_at))), el('p', { class: 'text' }, m.message)));
}

export async function channel(name) {
  const open = el('input', { id: 'channel-name', required: true, maxlength: 64, value: name, pattern: '[A-Za-z0-9._\\-]+', title: 'Letters, digits, point, - and _' });
  const go = el('form', { class: 'card row', 'aria-label': 'Open a channel' }, el('label', { for: open.id }, 'Channel'), open, el('button', { type: 'submit' }, 'Open'));
  go.addEventListener('submit', (event) => { event.preventDefault(); location.hash = `#/channel/${part(open.value.toLowerCase())}`; });
  const { items } = await get(`/v1/channels/${part(name)}?limit=50`);
  const list = el('ol', { class: 'plain card messages', role: 'log', 'aria-label': `Messages in ${name}`, tabindex: '0' });
  const has = new Set();
  let chain = Promise.resolve(); // keeps messages in order while authors are asked for
  const add = (m) => {
    if (has.has(m.id)) return;
    has.add(m.id);
    list.querySelector('.empty')?.remove();
    chain = chain.then(async () => { list.append(await message(m)); list.scrollTop = list.scrollHeight; }).catch((error) => say(error.message, true));
  };
  if (!items.length) list.append(el('li', { class: 'empty' }, 'Nothing was said here in the last 7 days. Say hello.'));
  items.toReversed().forEach(add);
  const text = el('input', { id: 'message', required: true, maxlength: 4096, autocomplete: 'off' });
  const send = el('button', { type: 'submit', class: 'main' }, 'Say');
  const form = el('form', { class: 'row', 'aria-label': 'Say something' }, el('label', { for: text.id, class: 'visually-hidden' }, 'Message'), text, send);
  form.addEventListener('submit', guard(send, async () => {
    const said = await post('/v1/notifications', { channel: name, message: text.value });
    text.value = '';
    if (said?.id) add(said);
  }));
  return { node: el('div', {}, el('h1', {}, 'Channels'), go, list, form), channels: [`channel:${name}`], onMessage: add };
}

export const unread = async () => (viewer() ? (await call('GET', '/v1/notifications/unread')).count : 0);
