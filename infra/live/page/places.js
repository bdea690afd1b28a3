// Tables and lists: where connections are, what the kernel counts, what happened.
import { byId, clock, count, el, millis, placeOf, setText } from './words.js';

const EVENTS_SHOWN = 100;

/** A row for each name, in this order, made anew only when the names change. */
function rows(body, names, make) {
  if (body.dataset.names !== names.join('\n')) {
    body.dataset.names = names.join('\n');
    body.replaceChildren(...names.map(make));
  }
  return [...body.children];
}

const button = (name, key, text, kind = '') =>
  el('button', { type: 'button', class: kind, 'data-do': name, 'data-key': key }, text);

function deliveryRow(name) {
  const cells = ['open', 'taken', 'sent', 'all'].map((key) => el('td', { 'data-cell': key }));
  const state = el('small', { 'data-cell': 'state' });
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, name, state),
    ...cells,
    el(
      'td',
      { class: 'buttons' },
      button('drain', name, 'drain'),
      button('freeze-delivery', name, 'freeze'),
      button('kill-delivery', name, 'kill', 'grave'),
    ),
  );
}

export function showDeliveries(deliveries, drained) {
  const body = byId('deliveries').tBodies[0];
  const made = rows(
    body,
    deliveries.map(({ name }) => name),
    deliveryRow,
  );
  for (const [index, each] of deliveries.entries()) {
    const row = made[index];
    const cell = (key, text) => setText(row.querySelector(`[data-cell=${key}]`), text);
    const state = each.running === 'running' || each.running === null ? each.state : each.running;
    const isDrained = drained.includes(each.name);
    row.className = `is-${state}`;
    cell('state', `${state}, by ${each.transport}`);
    cell('open', count(each.inUse));
    cell('taken', count(each.taken));
    cell('sent', count(each.sent));
    cell('all', count(each.takenInAll));
    const [drain, freeze, kill] = row.querySelectorAll('button');
    drain.dataset.on = String(!isDrained);
    setLabel(drain, isDrained ? 'undrain' : 'drain', each.name);
    const frozen = each.running === 'frozen';
    freeze.dataset.do = frozen ? 'continue-delivery' : 'freeze-delivery';
    setLabel(freeze, frozen ? 'continue' : 'freeze', each.name);
    const ended = each.running === 'ended';
    kill.dataset.do = ended ? 'start-delivery' : 'kill-delivery';
    kill.classList.toggle('grave', !ended);
    setLabel(kill, ended ? 'start' : 'kill', each.name);
  }
}

function setLabel(control, text, name) {
  setText(control, text);
  control.setAttribute('aria-label', `${text} ${name}`);
}

function pairs(list, entries) {
  const made = rows(
    list,
    entries.map(([name]) => name),
    (name) => el('div', {}, el('dt', {}, name), el('dd')),
  );
  for (const [index, [, value]] of entries.entries()) {
    setText(made[index].lastElementChild, count(value));
    made[index].classList.toggle('zero', value === 0);
  }
}

export function showCounts({ head, moved, inFlight }) {
  pairs(byId('counts'), [
    ['visits under way', inFlight],
    ['in the accept queue', head?.queued ?? 0],
    ['under inspection', head?.open ?? 0],
    ['answered, being read', head?.lingering ?? 0],
    ...(moved
      ? [
          ['on other hosts', moved.flows],
          ['moving', moved.moving],
          ['moved, a second', moved.adopted],
        ]
      : []),
  ]);
  setText(byId('head-now'), head ? `process ${head.pid}, mode ${head.mode}` : 'does not answer');
  const cpu = head ? `${(100 * head.cpuShare).toFixed(1)} % of a core` : '';
  setText(
    byId('cpu-now'),
    head && head.cpuMicros !== null ? `${Math.round(head.cpuMicros)} µs now; ${cpu}` : cpu,
  );
}

export const showKernel = (kernel) => pairs(byId('kernel'), Object.entries(kernel));

export function showNow(ways, titleOf) {
  const body = byId('now').tBodies[0];
  const names = [...body.children].map(({ dataset }) => dataset.way);
  const fresh = Object.keys(ways).filter((name) => !names.includes(name));
  for (const name of fresh) {
    const cells = Array.from({ length: 5 }, () => el('td'));
    body.append(
      el(
        'tr',
        { 'data-way': name },
        el('th', { scope: 'row' }, el('i', { class: `swatch back-${placeOf(name)}` }), titleOf(name)),
        ...cells,
      ),
    );
  }
  for (const row of body.children) {
    const here = ways[row.dataset.way];
    row.classList.toggle('past', !here);
    if (!here) continue;
    const { done, p50, p90, p99, failed } = here;
    const time = (micros) => (micros > 0 ? millis(micros) : '–');
    const texts = [count(done), time(p50), time(p90), time(p99), count(failed)];
    for (const [index, text] of texts.entries()) setText(row.children[index + 1], text);
    row.lastElementChild.classList.toggle('bad', failed > 0);
  }
}

export function showFailures(failures) {
  const entries = Object.entries(failures);
  const text = entries.map(([name, number]) => `${name} ${number}`).join(', ');
  setText(byId('failures'), text === '' ? 'no failures' : `failures in this second: ${text}`);
  byId('failures').classList.toggle('bad', entries.length > 0);
}

export function addEvents(events) {
  const list = byId('events');
  for (const { at, kind, text } of events)
    list.prepend(
      el(
        'li',
        { class: `event-${kind}` },
        el('time', { datetime: new Date(at).toISOString() }, clock(at)),
        ` ${text}`,
      ),
    );
  while (list.childElementCount > EVENTS_SHOWN) list.lastElementChild.remove();
}
