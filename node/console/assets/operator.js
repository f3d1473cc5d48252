// What operators see. All of it is from GET /v1/cluster/overview, asked every two
// seconds while the page is looked at; nothing here changes the cluster.

import { button, bytes, el, empty, field, guard, number, table } from './dom.js';
import { asOperator, operatorToken } from './api.js';
import { ringPicture, legend } from './ring.js';
import { charts, remember } from './charts.js';
import { explorer } from './explain.js';

const pace = 2000; // milliseconds
const tabs = [['', 'Overview'], ['nodes', 'Nodes'], ['partitions', 'Partitions'], ['traffic', 'Traffic'], ['explain', 'Explorer']];

export function operator(view) {
  if (!operatorToken.get()) return askForToken();
  const body = el('div', { id: 'operator' }, empty('Asking all nodes…'));
  const verdict = el('p', { id: 'verdict', role: 'status' });
  const node = el('div', {}, el('div', { class: 'row' }, el('h1', { class: 'grow' }, 'Cluster'), verdict, button('Forget the token', () => { operatorToken.set(''); dispatchEvent(new Event('hashchange')); }, { class: 'quiet' })),
    el('nav', { class: 'tabs', 'aria-label': 'Cluster' }, tabs.map(([name, label]) => el('a', { href: `#/cluster${name && '/'}${name}`, 'aria-current': name === view ? 'page' : undefined }, label))), body);
  return { node, channels: [], close: view === 'explain' ? explain(body, verdict) : poll(view, body, verdict) };
}

function explain(body, verdict) {
  body.replaceChildren(explorer());
  verdict.textContent = '';
}

function askForToken() {
  const input = el('input', { id: 'operator-token', type: 'password', required: true, autocomplete: 'off' });
  const wrong = el('p', { class: 'wrong', role: 'alert' });
  const send = el('button', { type: 'submit', class: 'main' }, 'Look into the cluster');
  const form = el('form', { class: 'card narrow', 'aria-label': 'Operator token' }, el('h1', {}, 'Cluster'),
    el('p', {}, 'For those who run it: the ring, the nodes, what is wrong and what to do.'),
    field('Operator token', input, 'Printed by grapevine token. It is kept in this tab only.'), wrong, send);
  form.addEventListener('submit', guard(send, async () => {
    operatorToken.set(input.value.trim());
    try {
      await asOperator('/v1/cluster/overview');
      dispatchEvent(new Event('hashchange'));
    } catch (error) {
      operatorToken.set('');
      wrong.textContent = error.message;
    }
  }));
  return form;
}

const drawn = { '': overview, nodes, partitions, traffic: (o) => charts(o) };

function poll(view, body, verdict) {
  let timer, closed = false, digest = false;
  const draw = drawn[view] ?? overview;
  async function round() {
    if (!document.hidden) {
      try {
        const o = await asOperator(`/v1/cluster/overview${view === 'partitions' ? `?partitions=true${digest ? '&digest=true' : ''}` : ''}`);
        if (closed) return;
        remember(o);
        judge(verdict, o);
        const focused = document.activeElement?.id;
        body.replaceChildren(draw(o, () => { digest = true; clearTimeout(timer); return round(); }));
        digest = false;
        if (focused && body.querySelector(`#${CSS.escape(focused)}`)) document.getElementById(focused).focus({ preventScroll: true });
      } catch (error) {
        if (closed) return;
        if (error.status === 401) operatorToken.set(''), dispatchEvent(new Event('hashchange'));
        setText(verdict, 'Out of reach', 'pill failing');
        if (!body.querySelector('.wrong')) body.prepend(el('p', { class: 'wrong', role: 'alert' }, `${error.message} It is asked again every two seconds; what is below is old.`));
      }
    }
    if (!closed && !(view === 'partitions')) timer = setTimeout(round, pace);
    else if (!closed) timer = setTimeout(round, 5 * pace);
  }
  round();
  return () => { closed = true; clearTimeout(timer); };
}

// A status that has not changed is not set again, or a screen reader would repeat it.
function setText(node, text, kind) {
  if (node.textContent !== text) node.textContent = text;
  node.className = kind;
}

function judge(verdict, o) {
  const n = o.problems.length;
  setText(verdict, n ? `Not well: ${n} problem${n === 1 ? '' : 's'}` : 'All is well', n ? 'pill failing' : 'pill ok');
}

const tile = (label, value, note) => el('div', { class: 'tile' }, el('span', { class: 'dim' }, label), el('strong', {}, value), note && el('span', { class: 'dim' }, note));
const answering = (o) => o.nodes.filter((n) => n.health);
const sum = (list, of) => list.reduce((total, x) => total + (of(x) || 0), 0);

function overview(o) {
  const up = answering(o);
  return el('div', {}, problemList(o), el('div', { class: 'tiles' },
    tile('Nodes', `${up.length} of ${o.nodes.length}`, 'answer'),
    tile('Partitions', number(o.ring.partitions), `${o.ring.copies} copies each`),
    tile('Requests in flight', number(sum(up, (n) => n.load.requests.in_flight))),
    tile('Waiting for fan-out', number(sum(up, (n) => n.load.waiting.fanout_changes)), 'changes'),
    tile('Hints', bytes(sum(up, (n) => n.load.waiting.hint_bytes)), 'kept for absent owners'),
    tile('Disk', bytes(sum(up, (n) => n.load.disk.used_bytes)), `${bytes(Math.min(...up.map((n) => n.load.disk.free_bytes)))} free where least`)),
  el('section', { class: 'card split', 'aria-label': 'Ring' }, ringPicture(o), el('div', {}, el('h2', {}, 'Ring'), legend(o), el('p', { class: 'dim' }, 'Each ray is a partition; from the outside in, its first, second and third owner. What is dashed is down; the outer marks are copies on their way.'))),
  transfers(o), restarts(o));
}

function problemList(o) {
  if (o.well) return el('p', { class: 'card good' }, 'All is well: every node answers and none complains.');
  return el('section', { 'aria-label': 'Problems', id: 'problems' }, o.problems.map((p) => el('article', { class: 'card bad' },
    el('h2', {}, el('span', { class: `pill ${p.severity}` }, p.severity), ` ${p.what}`),
    p.follows && el('ul', {}, p.follows.map((f) => el('li', {}, `so that ${f}`))),
    el('p', {}, el('strong', {}, 'To do: '), p.do))));
}

function restarts(o) {
  return el('section', { class: 'card', id: 'restarts' }, el('h2', {}, o.safe_to_restart_next ? 'Safe to restart the next node' : 'Not safe to restart a node'),
    o.why_not.length > 0 && el('ul', {}, o.why_not.map((why) => el('li', {}, why))),
    o.notes.map((n) => el('p', { class: 'dim' }, n)));
}

function transfers(o) {
  const rows = answering(o).flatMap((n) => {
    const c = n.health.partitions;
    return [c.coming > 0 && [n.member.short, 'takes over', progress(c.coming_caught_up, c.coming), `${c.coming_caught_up} of ${c.coming} partitions`],
      ...n.health.transfers.map((t) => [n.member.short, `copies partition ${t.partition} from ${t.from.slice(-8)}`, '', `${number(t.rows)} rows, ${bytes(t.bytes)}`]),
      n.health.kept.hints > 0 && [n.member.short, 'keeps hints', '', `${number(n.health.kept.hints)} partitions, ${bytes(n.health.kept.hint_bytes)}`],
      n.health.kept.moved > 0 && [n.member.short, 'keeps what moved away', '', `${number(n.health.kept.moved)} partitions, ${bytes(n.health.kept.moved_bytes)}`]].filter(Boolean);
  });
  return el('section', { class: 'card' }, el('h2', {}, 'Transfers and hints'),
    o.under_way.length > 0 && el('ul', {}, o.under_way.map((text) => el('li', {}, text))), rows.length
    ? table('Transfers and hints', ['Node', 'What', 'Progress', 'How much'], rows)
    : el('p', { class: 'dim' }, 'Nothing is on its way, and no writes are kept for absent owners.'));
}

const progress = (value, max) => el('progress', { value, max, 'aria-label': `${value} of ${max}` });
const mean = (seconds, count) => (count ? `${number((1000 * seconds) / count, 2)} ms` : '–');

// What a node does now, and the share of what it can do that is left, of what there is least.
function estimated(e) {
  if (!e) return Array(4).fill('–');
  const all = `cpu ${percent(e.head_room.cpu)}, requests ${percent(e.head_room.requests)}, disk ${percent(e.head_room.disk)}`;
  return [number(e.requests_per_s, 1), `${number(e.response_ms, 1)} ms`, `${number(e.queue_ms, 2)} ms`,
    el('span', { title: all }, `${percent(e.head_room.least)} ${e.head_room.limit}`)];
}
const percent = (share) => `${number(100 * share)} %`;

function nodes(o) {
  const rows = o.nodes.map((n) => {
    const name = el('span', { title: n.member.id }, n.member.short, n.member.self ? ' (this)' : '');
    if (!n.health) return [name, el('span', { class: 'pill failing' }, 'no answer'), n.member.ring_state, n.member.zone ?? '–', n.member.http || '–', ...Array(12).fill('–')];
    const { load: l, health: h } = n;
    return [name, el('span', { class: `pill ${h.status}` }, h.status), n.member.ring_state, n.member.zone ?? '–', n.member.http,
      `${h.partitions.caught_up} of ${h.partitions.owned}`, number(l.requests.in_flight), ...estimated(h.load),
      mean(l.disk.sync_s, l.disk.syncs), number(l.waiting.fanout_changes + l.waiting.search_changes), `${bytes(l.disk.used_bytes)} / ${bytes(l.disk.free_bytes)} free`,
      bytes(l.process.memory_bytes), `${number(h.stability.log_entries)} / ${number(h.stability.marks)}`, h.version];
  });
  return el('div', {}, el('section', { class: 'card' }, el('h2', {}, 'Nodes'), table('Nodes', ['Node', 'Health', 'Ring', 'Zone', 'HTTP', 'Caught up', 'In flight', 'Requests/s', 'Response', 'Queue', 'Head-room', 'Mean sync', 'Lag', 'Disk', 'Memory', 'Log / marks', 'Version'], rows)),
    el('section', { class: 'card' }, el('h2', {}, 'Round trips and clocks'), matrix(o)), hot(o));
}

function matrix(o) {
  const to = (n, other) => {
    if (n === other) return '·';
    const link = n.links?.links.find((l) => l.to === other.member.id);
    if (!link) return '–';
    if (!link.answers) return el('span', { class: 'wrong', title: link.error ?? '' }, 'no answer');
    return `${number(link.rtt_ms, 2)} ms${Math.abs(link.clock_offset_ms) > 50 ? `, clock ${number(link.clock_offset_ms)} ms` : ''}`;
  };
  return table('Round-trip time from a row to a column', ['From \\ to', ...o.nodes.map((n) => n.member.short)], o.nodes.map((n) => [n.member.short, ...o.nodes.map((other) => to(n, other))]));
}

function hot(o) {
  const rows = answering(o).flatMap((n) => n.load.hot.keys.slice(0, 5).map((k) => [n.member.short, k.kind, el('code', {}, k.owner), number(k.partition), number(k.writes)]));
  return el('section', { class: 'card' }, el('h2', {}, 'Hot keys of the last minute'), rows.length ? table('Hot keys', ['Node', 'Kind', 'Owner', 'Partition', 'Writes'], rows) : el('p', { class: 'dim' }, 'Nothing was written.'));
}

function partitions(o, sumUp) {
  const held = o.nodes.map((n) => new Map((n.held ?? []).map((p) => [p.id, p])));
  let apart = 0, behind = 0;
  const rows = o.owners.map((owners, id) => {
    const copies = owners.map((n) => held[n].get(id)).filter(Boolean);
    const equal = (of) => new Set(copies.map((c) => c[of])).size < 2;
    const summed = copies.some((c) => c.digest);
    const same = summed ? equal('digest') : equal('vector');
    const whole = copies.filter((c) => c.caught_up).length;
    if (!same) apart++;
    if (whole < owners.length) behind++;
    return [String(id), owners.map((n) => o.nodes[n].member.short).join(', '), el('span', { class: same ? 'ok' : 'wrong' }, same ? 'equal' : 'differ'), `${whole} of ${owners.length}`,
      summed ? (copies[0].digest ?? '–').slice(0, 12) : (copies[0]?.vector ?? '–').slice(0, 12), number(Math.max(0, ...copies.map((c) => c.rows))), bytes(Math.max(0, ...copies.map((c) => c.bytes))), number(Math.max(0, ...copies.map((c) => c.log)))];
  });
  return el('section', { class: 'card' }, el('div', { class: 'row' }, el('h2', { class: 'grow' }, apart ? `${apart} of ${rows.length} partitions differ among the owners that answer` : 'All owners that answer are equal'), button('Compare all rows', sumUp, { id: 'sum-up' })),
    el('p', { class: 'dim' }, `${behind ? `${behind} partitions lack a whole copy. ` : ''}Owners that hold the same writes have equal vectors; while writes come they differ for moments. Comparing all rows has every node read all it holds.`),
    table('Partitions', ['Partition', 'Owners', 'Copies', 'Whole', 'Digest', 'Rows', 'Bytes', 'Log'], rows));
}
