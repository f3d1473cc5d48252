// Server-sent events over fetch, which can send the Authorization header.

import { headers } from './api.js';

const first = 500, longest = 15000; // milliseconds between attempts

// listen calls take(event, data) for what comes to channels, and state(text) when the
// connection comes and goes, until the returned function is called. After a break it
// goes on, at the same node, after the last event that was taken.
export function listen(channels, take, state) {
  const abort = new AbortController();
  run(channels, take, state, abort.signal);
  return () => abort.abort();
}

async function run(channels, take, state, signal) {
  let last = '';
  for (let wait = first; !signal.aborted; wait = Math.min(2 * wait, longest)) {
    try {
      const h = headers();
      if (last) h['Last-Event-ID'] = last;
      const response = await fetch(`/v1/stream?channels=${encodeURIComponent(channels.join(','))}`, { headers: h, signal });
      if (response.status === 400 && last) last = '';
      if (response.status === 401) return state('off');
      if (!response.ok) throw new Error(`the node answered ${response.status}`);
      state('live');
      wait = first;
      for await (const e of events(response.body)) {
        if (e.id) last = e.id;
        if (e.event === 'closed') break;
        take(e.event, JSON.parse(e.data));
      }
    } catch {
      // The next attempt tells whether it was the node or the way to it.
    }
    if (signal.aborted) return;
    state('reconnecting');
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function* events(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const e = {};
      for (const line of block.split('\n')) {
        const at = line.indexOf(': ');
        if (at > 0) e[line.slice(0, at)] = line.slice(at + 2);
      }
      if (e.event) yield e;
    }
  }
}
