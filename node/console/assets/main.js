// The frame of the page: which view a location shows, and what comes live to it.

import { button, byID, el, empty, say } from './dom.js';
import { get, logOut, part, viewer } from './api.js';
import { listen } from './stream.js';
import { face, person } from './posts.js';
import * as social from './social.js';
import * as people from './people.js';
import * as inbox from './inbox.js';

const cluster = async (view) => (await import('./operator.js')).operator(view);

const views = [
  [/^\/?$/, social.welcome], [/^\/login$/, social.welcome],
  [/^\/home$/, social.home, true], [/^\/public$/, social.everybody], [/^\/tag\/(.+)$/, social.tagged],
  [/^\/post\/(.+)$/, social.thread], [/^\/mentions$/, social.mentions, true],
  [/^\/lists$/, social.lists, true], [/^\/list\/(.+)$/, social.list, true],
  [/^\/user\/(.+)$/, people.profile], [/^\/(following|followers|friends)\/(.+)$/, people.related],
  [/^\/search(?:\?(.*))?$/, people.search],
  [/^\/notifications$/, inbox.notifications, true], [/^\/channel\/(.+)$/, inbox.channel, true],
  [/^\/cluster(?:\/(.*))?$/, cluster],
];

const links = [
  ['#/home', 'Home', true], ['#/public', 'Public'], ['#/search', 'Search'], ['#/notifications', 'Notifications', true],
  ['#/channel/lobby', 'Channels', true], ['#/lists', 'Lists', true], ['#/cluster', 'Cluster'],
];

const counter = el('span', { class: 'badge', hidden: true });
let unread = 0;

function showUnread(n) {
  unread = n;
  counter.hidden = n === 0;
  counter.textContent = n >= 100 ? '99+' : String(n);
  counter.setAttribute('aria-label', `${n} unread`);
  document.title = n ? `(${n}) Grapevine` : 'Grapevine';
}

const refreshUnread = () => inbox.unread().then(showUnread, () => {});

function drawNav() {
  const here = location.hash || '#/';
  byID('nav').replaceChildren(...links.filter(([, , needs]) => !needs || viewer()).map(([href, label]) =>
    el('a', { href, 'aria-current': here.startsWith(href.split('/', 2).join('/')) ? 'page' : undefined }, label, label === 'Notifications' && counter)));
  if (!viewer()) byID('nav').append(el('a', { href: '#/login', 'aria-current': here === '#/' || here === '#/login' ? 'page' : undefined }, 'Log in'));
}

let shown = {}, stop = () => {}, turn = 0;

function take(event, data) {
  if (event === 'notification') {
    refreshUnread();
    shown.onNotification?.(data);
    say(`New notification from ${data.actors?.[0]?.display_name ?? 'somebody'}`);
  } else if (event === 'message') {
    shown.onMessage?.(data);
  } else if (event === 'post' && shown.channels?.includes(data.channel)) {
    shown.onPost?.(data);
  } else if (event === 'gap') {
    say('More came than is shown. Load the page again to see all of it.');
  }
}

function connection(state) {
  const pill = byID('live');
  pill.textContent = { live: 'live', reconnecting: 'reconnecting…', off: '' }[state];
  pill.className = `pill ${state}`;
}

function follow() {
  stop();
  const channels = [...(viewer() ? ['notifications'] : []), ...(shown.channels ?? [])];
  if (channels.length) stop = listen(channels, take, connection);
  else stop = () => {}, connection('off');
}

async function show() {
  const mine = ++turn;
  const path = (location.hash || '#/').slice(1);
  const [pattern, view, needs] = views.find(([p]) => p.test(path)) ?? [/^/, () => empty('There is no such page. ', el('a', { href: '#/' }, 'Go to the start'))];
  if (needs && !viewer()) {
    location.hash = '#/login';
    return;
  }
  shown.close?.();
  shown = {};
  const args = path.match(pattern).slice(1).map((a) => (a === undefined ? '' : pattern.source.includes('search') ? a : decode(a)));
  let next;
  try {
    next = await view(...args);
  } catch (error) {
    next = { node: empty(`${error.message} `, button('Try again', show, { class: 'quiet' })) };
  }
  if (mine !== turn) {
    next.close?.();
    return;
  }
  shown = next instanceof Node ? { node: next, channels: [] } : next;
  const main = byID('main');
  main.className = path.startsWith('/cluster') ? 'wide' : '';
  byID('aside').hidden = path.startsWith('/cluster');
  main.replaceChildren(shown.node);
  if (show.began) main.focus({ preventScroll: true }), scrollTo(0, 0);
  show.began = true;
  drawNav();
  follow();
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function drawAside() {
  const user = viewer();
  const trends = el('section', { class: 'card' }, el('h2', {}, 'Trends'));
  byID('aside').replaceChildren(user
    ? el('section', { class: 'card', id: 'account' }, el('div', { class: 'row' }, face(user), person(user)), button('Log out', logOut, { class: 'quiet' }))
    : el('section', { class: 'card' }, el('p', {}, 'Everything public is open to all.'), el('a', { class: 'button main', href: '#/login' }, 'Sign up or log in')), trends);
  try {
    const { items } = await get('/v1/trends/tags?limit=8');
    trends.append(items.length
      ? el('ul', { class: 'plain' }, items.map((t) => el('li', {}, el('a', { href: `#/tag/${part(t.tag)}` }, `#${t.tag}`), el('span', { class: 'dim' }, ` ${t.posts} posts`))))
      : el('p', { class: 'dim' }, 'No hashtag trends yet. Write #something.'));
  } catch {
    trends.append(el('p', { class: 'dim' }, 'Trends cannot be read now.'));
  }
}

function drawTheme(theme) {
  const dark = theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  if (theme) document.documentElement.dataset.theme = theme;
  byID('theme').textContent = dark ? '☀' : '☾';
  byID('theme').setAttribute('aria-label', dark ? 'Use light colours' : 'Use dark colours');
  byID('theme').onclick = () => {
    localStorage.setItem('theme', dark ? 'light' : 'dark');
    drawTheme(dark ? 'light' : 'dark');
  };
}

async function drawNode() {
  try {
    const health = await get('/v1/cluster/health');
    byID('node').textContent = `node ${health.node.slice(-8)}`;
    byID('node').className = `pill ${health.status}`;
    byID('node').title = `This page and its data come from node ${health.node} at ${location.host}, which calls itself ${health.status}`;
  } catch {
    byID('node').textContent = 'node out of reach';
    byID('node').className = 'pill failing';
  }
}

addEventListener('hashchange', show);
addEventListener('unread', () => refreshUnread());
addEventListener('account', () => { drawAside(); refreshUnread(); drawNav(); if (!viewer()) show(); });
drawTheme(localStorage.getItem('theme'));
drawNav();
show();
drawAside();
drawNode();
refreshUnread();
setInterval(drawNode, 10000);
