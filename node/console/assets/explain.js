// The key explorer: what every owner has of a thing.

import { el, empty, field, guard, table } from './dom.js';
import { asOperator, part } from './api.js';

export function explorer() {
  const input = el('input', { id: 'explain-id', required: true, maxlength: 128, placeholder: '@name, id, FOLLOWER:FOLLOWEE or POST:READER', spellcheck: 'false' });
  const send = el('button', { type: 'submit', class: 'main' }, 'Explain');
  const out = el('div', { id: 'explained', 'aria-live': 'polite' }, empty('Name a user, a post, or how two of them stand: which owners have it, which writes win, and why it is not seen yet.'));
  const form = el('form', { class: 'card', 'aria-label': 'Explain' }, field('What to explain', input), send);
  form.addEventListener('submit', guard(send, async () => {
    try {
      out.replaceChildren(explanation(await asOperator(`/v1/cluster/explain/${part(input.value.trim())}`)));
    } catch (error) {
      out.replaceChildren(el('p', { class: 'wrong', role: 'alert' }, error.message));
    }
  }));
  return el('div', {}, form, out);
}

const short = (ids) => ids.map((id) => id.slice(-8)).join(', ') || '–';

function explanation(e) {
  return el('div', {}, el('section', { class: 'card' }, el('h2', {}, `${e.id}: ${e.kind}`), el('ul', {}, e.verdict.map((v) => el('li', {}, v)))),
    e.places.map((p) => el('section', { class: 'card' }, el('h2', {}, `Partition ${p.partition}, slot ${p.slot}`),
      table(`Owners of partition ${p.partition}`, ['Node', 'Role', 'Answers', 'Caught up', 'Writes seen'], p.holders.map((h) => [short([h.node]), p.leader === h.node ? `${h.role}, leads` : h.role, h.answers ? 'yes' : h.error ?? 'no', h.caught_up ? 'yes' : 'no', String(h.writes)])))),
    e.rows.map((r) => el('section', { class: 'card' }, el('h2', {}, r.name), el('p', { class: 'dim' }, `${r.key} · ${r.exists ? 'exists' : 'does not exist'} · ${r.agreed ? 'owners agree' : 'owners differ'}`),
      table(`Writes of ${r.name}`, ['What', 'Dot', 'When', 'Outcome', 'Why', 'Has', 'Lacks'], r.writes.map((w) => [w.what, el('code', {}, w.dot), new Date(w.time).toLocaleString(), w.outcome, w.why, short(w.has), short(w.lacks)])))));
}
