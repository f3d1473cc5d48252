// Posts: how one is shown, written, and listed in pages with what comes live.

import { ago, button, el, empty, guard, say } from './dom.js';
import { call, get, part, post, put, userOf, viewer } from './api.js';

export const maxText = 5000;

// person links to an account.
export function person(user) {
  return el('a', { class: 'person', href: `#/user/${part(user.id)}` },
    el('strong', {}, user.display_name || user.username), ' ', el('span', { class: 'dim' }, `@${user.username}`));
}

export function face(user) {
  const name = user.display_name || user.username;
  const hue = [...user.id].reduce((h, c) => (h * 31 + c.charCodeAt(0)) % 8, 0);
  return el('span', { class: `face hue${hue}`, 'aria-hidden': 'true' }, [...name][0]?.toUpperCase() ?? '?');
}

// rich makes links of @names and #tags.
function rich(text) {
  return text.split(/((?<![\p{L}\p{N}_])[@#][\p{L}\p{N}_]+)/u).map((piece) => {
    if (piece.startsWith('@')) return el('a', { href: `#/user/${part(piece)}` }, piece);
    if (piece.startsWith('#')) return el('a', { href: `#/tag/${part(piece.slice(1))}` }, piece);
    return piece;
  });
}

function toggle(label, doneLabel, is, count, path, counted) {
  const show = el('span', {}, '');
  const b = button('', async () => {
    await put(path, !is);
    is = !is;
    count += is ? 1 : -1;
    draw();
    say(is ? doneLabel : `Taken back: ${label.toLowerCase()}`);
  }, { class: 'act' });
  function draw() {
    show.textContent = `${label}${counted && count > 0 ? ` ${count}` : ''}`;
    b.setAttribute('aria-pressed', String(is));
  }
  b.append(show);
  draw();
  if (!viewer()) b.disabled = true, b.title = 'Log in to do this';
  return b;
}

// card shows a post. It asks for the author, whom posts name by id.
export function card(p, { onReply, isFocus } = {}) {
  const shown = p.reposted ?? p;
  const who = el('div', { class: 'who' }, el('span', { class: 'dim' }, '…'));
  const place = el('div', { class: 'facebox' });
  const acts = el('div', { class: 'acts' });
  const article = el('article', { class: isFocus ? 'post focus' : 'post', 'data-id': p.id },
    place, el('div', { class: 'body' },
      p.repost_of && el('p', { class: 'dim note' }, 'Reposted'),
      who,
      el('p', { class: 'text' }, ...rich(shown.text ?? '')), acts));
  const byline = el('span', { class: 'dim' }, shown.visibility !== 'public' && shown.visibility ? ` · ${shown.visibility}` : '', shown.edited_at ? ' · edited' : '');
  userOf(shown.author).then((user) => {
    place.append(face(user));
    who.replaceChildren(person(user), el('span', { class: 'dim' }, ' · '), el('a', { class: 'dim', href: `#/post/${part(shown.id)}` }, ago(shown.created_at)), byline);
    article.setAttribute('aria-label', `Post by ${user.display_name || user.username}`);
  }, () => who.replaceChildren(el('span', { class: 'dim' }, 'The author cannot be read now')));
  const counts = shown.counts ?? {}, mine = shown.viewer ?? {};
  const base = `/v1/posts/${part(shown.id)}`;
  acts.append(
    onReply
      ? button('Reply', () => onReply(shown), { class: 'act' })
      : el('a', { class: 'act', href: `#/post/${part(shown.id)}` }, `Reply${counts.replies ? ` ${counts.replies}` : ''}`),
    toggle('Repost', 'Reposted', Boolean(mine.reposted), counts.reposts ?? 0, `${base}/repost`, true),
    toggle('Like', 'Liked', Boolean(mine.liked), counts.likes ?? 0, `${base}/like`, true));
  if (viewer()?.id === p.author) {
    acts.append(button('Delete', async () => {
      if (!confirm('Delete this post for everybody? It cannot be brought back.')) return;
      await call('DELETE', `/v1/posts/${part(p.id)}`);
      article.remove();
      say('Deleted');
    }, { class: 'act danger' }));
  }
  return article;
}

// composer writes a post and gives it to done.
export function composer(done, replyTo) {
  const text = el('textarea', { id: replyTo ? 'reply' : 'compose', rows: 3, maxlength: maxText, required: true, placeholder: replyTo ? 'Your reply' : 'What goes round?' });
  const visibility = el('select', { id: 'visibility' },
    [['public', 'Everybody'], ['followers', 'Followers'], ['direct', 'Only those mentioned']].map(([v, l]) => el('option', { value: v }, l)));
  const send = el('button', { type: 'submit', class: 'main' }, replyTo ? 'Reply' : 'Post');
  const left = el('span', { class: 'dim' });
  const count = () => { left.textContent = text.value.length > maxText - 200 ? `${maxText - text.value.length} left` : ''; };
  text.addEventListener('input', count);
  const form = el('form', { class: 'composer card', 'aria-label': replyTo ? 'Reply' : 'New post' },
    el('label', { class: 'visually-hidden', for: text.id }, replyTo ? 'Your reply' : 'Text of the post'), text,
    el('div', { class: 'row' }, el('label', { for: 'visibility', class: 'visually-hidden' }, 'Who sees it'), visibility, left, el('span', { class: 'grow' }), send));
  form.addEventListener('submit', guard(send, async () => {
    const made = await post('/v1/posts', { text: text.value, visibility: visibility.value, ...(replyTo && { reply_to: replyTo }) });
    text.value = '';
    count();
    say('Posted');
    done(made);
  }));
  text.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return form;
}

const maxShown = 300; // posts that a page keeps

// feed is a list of posts in pages. add puts what comes live at its top, once.
export function feed(path, nothing) {
  const list = el('div', { class: 'feed', role: 'feed', 'aria-busy': 'true' });
  const foot = el('div', { class: 'foot' });
  const has = new Set();
  const join = (url, cursor) => (cursor ? `${url}${url.includes('?') ? '&' : '?'}cursor=${part(cursor)}` : url);
  async function more(cursor) {
    try {
      const page = await get(join(path, cursor));
      list.querySelector('.empty')?.remove();
      for (const item of page.items) {
        const p = item.post ?? item;
        if (!has.has(p.id)) has.add(p.id), list.append(card(p));
      }
      if (!has.size) list.append(empty(nothing));
      foot.replaceChildren(page.next ? button('Older', () => more(page.next), { class: 'quiet' }) : '');
    } catch (error) {
      foot.replaceChildren(empty(`${error.message} `, button('Try again', () => more(cursor), { class: 'quiet' })));
    }
    list.setAttribute('aria-busy', 'false');
  }
  function add(p) {
    if (has.has(p.id)) return false;
    has.add(p.id);
    list.querySelector('.empty')?.remove();
    const c = card(p);
    c.classList.add('fresh');
    list.prepend(c);
    while (list.children.length > maxShown) list.lastChild.remove();
    return true;
  }
  more('');
  return { node: el('section', { 'aria-label': 'Posts' }, list, foot), add };
}
