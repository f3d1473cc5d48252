// Accounts: profiles, follows, friends, and search.

import { ago, button, el, empty, guard, number, say } from './dom.js';
import { get, part, post, put, call, viewer } from './api.js';
import { face, feed, person } from './posts.js';

export const userItem = (u) => el('div', { class: 'row grow' }, face(u), el('div', {}, person(u), u.bio && el('p', { class: 'dim bio' }, u.bio)));

export const userList = (items, nothing) => (items.length
  ? el('ul', { class: 'plain' }, items.map((u) => el('li', { class: 'card' }, userItem(u))))
  : empty(nothing));

async function relationButtons(user) {
  const base = `/v1/users/${part(viewer().id)}`;
  const box = el('div', { class: 'row' });
  async function draw() {
    const r = await get(`${base}/relations/${part(user.id)}`);
    const act = (label, run, done, attributes) => button(label, async () => { await run(); say(done); await draw(); }, attributes);
    const friend = r.friends ? ['Remove friend', () => call('DELETE', `${base}/friends/${part(user.id)}`), 'No longer friends']
      : r.requested ? ['Withdraw friend request', () => call('DELETE', `${base}/friends/${part(user.id)}`), 'Withdrawn']
        : [r.asked ? 'Accept as friend' : 'Add friend', () => post(`${base}/friends`, { friend: user.id }), r.asked ? 'You are friends' : 'Asked to be friends'];
    box.replaceChildren(
      act(r.following ? 'Unfollow' : 'Follow', () => put(`${base}/following/${part(user.id)}`, !r.following), r.following ? 'Unfollowed' : 'Following', { class: r.following ? '' : 'main', id: 'follow' }),
      act(...friend),
      act(r.muting ? 'Unmute' : 'Mute', () => put(`${base}/mutes/${part(user.id)}`, !r.muting), r.muting ? 'Unmuted' : 'Muted', { class: 'quiet' }),
      act(r.blocking ? 'Unblock' : 'Block', async () => {
        if (r.blocking || confirm(`Block @${user.username}? Follows and friendship between you end.`)) await put(`${base}/blocks/${part(user.id)}`, !r.blocking);
      }, 'Done', { class: 'quiet danger' }),
      r.followed_by ? el('span', { class: 'pill' }, 'follows you') : '');
  }
  await draw();
  return box;
}

export async function profile(ref) {
  const user = await get(`/v1/users/${part(ref)}`);
  const isMe = viewer()?.id === user.id;
  const f = feed(`/v1/users/${part(user.id)}/posts`, 'No posts yet.');
  const link = (what, count) => el('a', { href: `#/${what}/${part(user.id)}` }, el('strong', {}, number(count)), ` ${what}`);
  return { node: el('div', {}, el('section', { class: 'card profile' },
    el('div', { class: 'row' }, face(user), el('div', { class: 'grow' }, el('h1', {}, user.display_name || user.username), el('span', { class: 'dim' }, `@${user.username}`))),
    user.bio && el('p', { class: 'bio' }, user.bio),
    el('p', { class: 'row' }, link('following', user.following_count), link('followers', user.followers_count), link('friends', user.friends_count), el('span', { class: 'dim' }, 'here since ', ago(user.created_at))),
    viewer() && !isMe && await relationButtons(user), isMe && editor(user)), f.node), channels: [] };
}

function editor(user) {
  const bio = el('textarea', { id: 'bio', rows: 2, maxlength: 500 }, user.bio);
  const name = el('input', { id: 'display-name', maxlength: 64, value: user.display_name });
  const send = el('button', { type: 'submit' }, 'Save');
  const form = el('form', { 'aria-label': 'Your profile' }, el('label', { for: name.id }, 'Name shown'), name, el('label', { for: bio.id }, 'About you'), bio, send);
  form.addEventListener('submit', guard(send, async () => {
    await call('PATCH', `/v1/users/${part(user.id)}`, { display_name: name.value, bio: bio.value });
    say('Saved');
  }));
  return el('details', {}, el('summary', {}, 'Edit your profile'), form);
}

export async function related(what, ref) {
  const [user, page] = await Promise.all([get(`/v1/users/${part(ref)}`), get(`/v1/users/${part(ref)}/${what}`)]);
  const nodes = [el('h1', {}, `${what[0].toUpperCase()}${what.slice(1)} of ${user.display_name || user.username}`)];
  if (what === 'friends' && viewer()?.id === user.id) {
    const asked = await get(`/v1/users/${part(ref)}/friend-requests`);
    if (asked.items.length) nodes.push(el('h2', {}, 'They ask to be friends'), userList(asked.items, ''));
  }
  return el('div', {}, nodes, userList(page.items, 'Nobody yet.'));
}

export async function search(query) {
  const words = new URLSearchParams(query);
  const q = words.get('q') ?? '', type = words.get('type') ?? 'posts';
  const input = el('input', { id: 'q', type: 'search', value: q, maxlength: 500, required: true, placeholder: 'Words, names or hashtags' });
  const kind = el('select', { id: 'type' }, [['posts', 'Posts'], ['users', 'People'], ['tags', 'Hashtags']].map(([v, l]) => el('option', { value: v, selected: v === type }, l)));
  const form = el('form', { role: 'search', class: 'card row' }, el('label', { class: 'visually-hidden', for: 'q' }, 'Search for'), input, el('label', { class: 'visually-hidden', for: 'type' }, 'Kind'), kind, el('button', { type: 'submit', class: 'main' }, 'Search'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    location.hash = `#/search?${new URLSearchParams({ q: input.value, type: kind.value })}`;
  });
  const found = el('div', { id: 'found' });
  if (q) await results(found, q, type);
  else found.append(await suggestions());
  return el('div', {}, el('h1', {}, 'Search'), form, found);
}

async function results(found, q, type) {
  const path = `/v1/search?${new URLSearchParams({ q, type })}`;
  if (type === 'posts') return found.append(feed(path, 'No post has these words. Try fewer, or another form of them.').node);
  const page = await get(path);
  if (page.shards?.answered < page.shards?.asked) found.append(empty('Some partitions did not answer: this may not be all.'));
  if (type === 'users') return found.append(userList(page.items, 'Nobody has such a name.'));
  return found.append(page.items.length
    ? el('ul', { class: 'plain' }, page.items.map((t) => el('li', { class: 'card' }, el('a', { href: `#/tag/${part(t.tag)}` }, `#${t.tag}`), el('span', { class: 'dim' }, ` ${number(t.posts)} posts`))))
    : empty('No hashtag begins so.'));
}

async function suggestions() {
  if (!viewer()) return empty('Type what you look for. Posts, people and hashtags of all nodes are found.');
  const page = await get(`/v1/users/${part(viewer().id)}/suggestions?limit=8`);
  if (page.items.length) return el('section', {}, el('h2', {}, 'Whom you might follow'), userList(page.items.map((s) => s.user), ''));
  const all = await get('/v1/users?limit=12');
  return el('section', {}, el('h2', {}, 'People here'), userList(all.items.filter((u) => u.id !== viewer().id), 'You are the first.'));
}
