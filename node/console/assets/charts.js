// Traffic of the last minutes, from what this tab has seen.

import { bytes, el, empty, number, svg } from './dom.js';

const kept = 150; // samples of two seconds
const past = [];

export function remember(o) {
  past.push({ at: Date.parse(o.at), nodes: new Map(o.nodes.filter((n) => n.load).map((n) => [n.member.id, n.load])) });
  if (past.length > kept) past.shift();
}

const figures = [
  ['Requests per second', (l) => l.requests.served, (v) => number(v, 1)],
  ['Writes applied per second', (l) => l.writes, (v) => number(v, 1)],
  ['Mean time of requests', (l) => l.requests.seconds, (v) => `${number(v, 1)} ms`, (l) => l.requests.served / 1000],
  ['Failed requests per second', (l) => l.requests.failed, (v) => number(v, 2)],
  ['Mean time of a disk sync', (l) => l.disk.sync_s, (v) => `${number(v, 2)} ms`, (l) => l.disk.syncs / 1000],
  ['Sent to peers per second', (l) => l.network.sent_bytes, (v) => bytes(v)],
  ['Processor', (l) => 100 * l.process.cpu_s, (v) => `${number(v)} %`],
];
const levels = [
  ['Waiting for fan-out and search', (l) => l.waiting.fanout_changes + l.waiting.search_changes, (v) => number(v)],
  ['Memory', (l) => l.process.memory_bytes, bytes],
];

// rate gives for a node the change of a count per second, or per unit of another count.
function rate(id, of, per) {
  const out = [];
  for (let i = 1; i < past.length; i++) {
    const [a, b] = [past[i - 1].nodes.get(id), past[i].nodes.get(id)];
    if (!a || !b || b.uptime_s < a.uptime_s) continue;
    const base = per ? per(b) - per(a) : b.uptime_s - a.uptime_s;
    out.push([past[i].at, base > 0 ? Math.max(0, (of(b) - of(a)) / base) : 0]);
  }
  return out;
}

const level = (id, of) => past.filter((s) => s.nodes.has(id)).map((s) => [s.at, of(s.nodes.get(id))]);

const wide = 300, high = 90;

function chart(title, lines, format) {
  const all = lines.flatMap((l) => l.points);
  const top = Math.max(1e-9, ...all.map(([, v]) => v));
  const [from, to] = [past[0].at, Math.max(past.at(-1).at, past[0].at + 60000)];
  const at = ([t, v]) => `${((wide * (t - from)) / (to - from)).toFixed(1)},${(high - (v / top) * (high - 6)).toFixed(1)}`;
  const now = lines.map((l) => [l.name, l.points.at(-1)?.[1] ?? 0]);
  return el('figure', { class: 'card chart' }, el('figcaption', {}, el('strong', {}, title), el('span', { class: 'dim' }, `at most ${format(all.length ? top : 0)}`)),
    svg('svg', { viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${title}: ${now.map(([n, v]) => `${n} ${format(v)}`).join(', ')}` },
      [0.25, 0.5, 0.75].map((y) => svg('line', { x1: 0, x2: wide, y1: high * y, y2: high * y, class: 'grid' })),
      lines.map((l) => svg('polyline', { points: l.points.map(at).join(' '), class: `line s${l.index % 8}` }))),
    el('p', { class: 'row now' }, now.map(([n, v], i) => el('span', {}, el('span', { class: `swatch c${lines[i].index % 8}`, 'aria-hidden': 'true' }), `${n} `, el('strong', {}, format(v))))));
}

export function charts(o) {
  if (past.length < 2) return empty('Gathering: the first figures come in some seconds.');
  const lines = (points) => o.nodes.map((n, index) => ({ index, name: n.member.short, points: points(n.member.id) })).filter((l) => l.points.length);
  return el('div', { class: 'charts' },
    figures.map(([title, of, format, per]) => chart(title, lines((id) => rate(id, of, per)), format)),
    levels.map(([title, of, format]) => chart(title, lines((id) => level(id, of)), format)));
}
