// The ring as a picture.

import { el, number, svg } from './dom.js';

const size = 320, outer = 150, width = 26, gap = 3;

const point = (r, turn) => [r * Math.sin(turn), -r * Math.cos(turn)].map((v) => v.toFixed(2)).join(' ');

// arc is the outline of the ring's part from one turn to another, in radians.
function arc(from, to, r, w) {
  const large = to - from > Math.PI ? 1 : 0;
  return `M${point(r, from)}A${r} ${r} 0 ${large} 1 ${point(r, to)}L${point(r - w, to)}A${r - w} ${r - w} 0 ${large} 0 ${point(r - w, from)}Z`;
}

// runs joins neighbours with one owner, so that few shapes are drawn.
function runs(owners, rank) {
  const out = [];
  owners.forEach((o, id) => {
    const last = out.at(-1);
    if (last && last.node === o[rank]) last.to = id + 1;
    else out.push({ node: o[rank], from: id, to: id + 1 });
  });
  return out.filter((r) => r.node !== undefined);
}

export const isUp = (n) => Boolean(n.health);

export function ringPicture(o) {
  const count = Math.max(1, o.owners.length);
  const turn = (id) => Math.min((2 * Math.PI * id) / count, 2 * Math.PI - 1e-4);
  const down = o.nodes.filter((n) => !isUp(n)).map((n) => n.member.short);
  const label = `The ring of ${count} partitions and ${o.nodes.length} nodes${down.length ? `; down: ${down.join(', ')}` : '; all are up'}`;
  const shapes = [0, 1, 2].flatMap((rank) => runs(o.owners, rank).map((r) => svg('path', {
    d: arc(turn(r.from), turn(r.to), outer - rank * (width + gap), width),
    class: `arc c${r.node % 8}${isUp(o.nodes[r.node]) ? '' : ' down'}`,
  }, svg('title', {}, `${o.nodes[r.node].member.short}: partition ${r.from}${r.to - r.from > 1 ? ` to ${r.to - 1}` : ''}, owner ${rank + 1}`))));
  const moving = o.nodes.flatMap((n, i) => (n.health?.transfers ?? []).map((t) => svg('path', { d: arc(turn(t.partition), turn(t.partition + 1), outer + 8, 6), class: `arc moving c${i % 8}` }, svg('title', {}, `partition ${t.partition} comes to ${n.member.short}`))));
  const up = o.nodes.length - down.length;
  return svg('svg', { viewBox: `${-size / 2} ${-size / 2} ${size} ${size}`, class: 'ring', role: 'img', 'aria-label': label },
    ...shapes, ...moving,
    svg('text', { class: 'big', y: -2 }, `${up}/${o.nodes.length}`), svg('text', { y: 18 }, 'nodes up'));
}

export function legend(o) {
  return el('ul', { class: 'plain legend' }, o.nodes.map((n, i) => {
    const place = o.ring.members.find((m) => m.id === n.member.id);
    return el('li', { class: 'row' }, el('span', { class: `swatch c${i % 8}${isUp(n) ? '' : ' down'}`, 'aria-hidden': 'true' }),
      el('strong', {}, n.member.short), el('span', { class: `pill ${n.health?.status ?? 'failing'}` }, n.health?.status ?? 'down'),
      el('span', { class: 'dim' }, `${n.member.ring_state || 'not in the ring'}, owns ${number(place?.owned)}, first of ${number(place?.primary)}`));
  }));
}
