// The only places where nodes are made. Text goes in as text nodes, never as markup.

const svgSpace = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'value') node.value = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat(3).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) => fill(document.createElementNS(svgSpace, name), attributes, children);
export const byID = (id) => document.getElementById(id);

// say tells it to those who listen rather than look, and for a moment to all.
export function say(text, isError) {
  const place = byID('say');
  place.textContent = text;
  place.className = isError ? 'error' : '';
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.className = 'hushed'; }, isError ? 8000 : 3000);
}

// guard runs what a button or form does, once at a time, and tells what failed.
export function guard(control, act) {
  return async (event) => {
    event?.preventDefault();
    if (control.disabled) return;
    control.disabled = true;
    try {
      await act(event);
    } catch (error) {
      say(error.message, true);
    } finally {
      control.disabled = false;
    }
  };
}

export function button(label, act, attributes) {
  const b = el('button', { type: 'button', ...attributes }, label);
  b.addEventListener('click', guard(b, act));
  return b;
}

export function field(label, input, help) {
  const id = input.id || (input.id = `f-${label.toLowerCase().replaceAll(/\W+/g, '-')}`);
  const hint = help && el('small', { id: `${id}-help` }, help);
  if (hint) input.setAttribute('aria-describedby', hint.id);
  return el('div', { class: 'field' }, el('label', { for: id }, label), input, hint);
}

export const empty = (text, ...more) => el('p', { class: 'empty' }, text, ...more);

const steps = [[60, 's', 1], [3600, 'min', 60], [86400, 'h', 3600], [Infinity, 'd', 86400]];

export function ago(time) {
  const date = new Date(time);
  const seconds = Math.max(0, (Date.now() - date) / 1000);
  const [, unit, size] = steps.find(([limit]) => seconds < limit);
  const text = seconds < 5 ? 'now' : `${Math.floor(seconds / size)} ${unit}`;
  return el('time', { datetime: date.toISOString(), title: date.toLocaleString() }, text);
}

export function bytes(n) {
  if (!(n > 0)) return '0 B';
  const unit = Math.min(4, Math.floor(Math.log2(n) / 10));
  return `${(n / 1024 ** unit).toFixed(unit && n / 1024 ** unit < 10 ? 1 : 0)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

export const number = (n, digits = 0) => Number(n ?? 0).toLocaleString('en', { maximumFractionDigits: digits });

export function table(caption, heads, rows) {
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', {}, el('caption', { class: 'visually-hidden' }, caption),
      el('thead', {}, el('tr', {}, heads.map((h) => el('th', { scope: 'col' }, h)))),
      el('tbody', {}, rows.map((row) => el('tr', {}, row.map((c, i) => el(i ? 'td' : 'th', i ? {} : { scope: 'row' }, c)))))));
}
