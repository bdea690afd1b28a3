// What is steered. A control shows what is wanted by whoever steered last; one that can do nothing here is grey, and says
// why and what helps when somebody tries it.
import { perform } from './stream.js';
import { byId, el, placeOf, setText } from './words.js';

let cannot = {};
/** Controls that somebody has just used show what was chosen until the next second but one. */
const touched = new WeakMap();
const TOUCHED_MS = 1500;
const isTouched = (control) => performance.now() - (touched.get(control) ?? -Infinity) < TOUCHED_MS;

function say(text, isBad = false) {
  const said = byId('said');
  setText(said, text);
  said.classList.toggle('bad', isBad);
}

const sentence = ({ reason, mend }) => `Not now: ${reason}. What helps: ${mend}.`;

export async function act(control, name, key, given) {
  touched.set(control, performance.now());
  const why = cannot[`${name}:${key}`];
  if (why) {
    say(sentence(why), true);
    touched.delete(control);
    return false;
  }
  say('');
  control.classList.add('busy');
  const problem = await perform(name, given);
  control.classList.remove('busy');
  if (problem) say(problem, true);
  return !problem;
}

function grey(control, why) {
  if (why) {
    control.setAttribute('aria-disabled', 'true');
    control.title = sentence(why);
  } else if (control.hasAttribute('aria-disabled')) {
    control.removeAttribute('aria-disabled');
    control.removeAttribute('title');
  }
}

export function buildControls({ ways }, policies) {
  const group = byId('ways');
  for (const { name, title, about } of ways) {
    const input = el('input', { type: 'radio', name: 'way', value: name, 'data-cannot': `way:${name}` });
    input.addEventListener('change', () => act(input, 'way', name, { way: name }));
    input.addEventListener('click', (event) => {
      if (input.getAttribute('aria-disabled') !== 'true') return;
      event.preventDefault();
      act(input, 'way', name, {});
    });
    group.append(
      el(
        'label',
        { title: about },
        input,
        el('span', {}, el('i', { class: `swatch back-${placeOf(name)}` }), title),
      ),
    );
  }
  const turns = byId('turns');
  turns.append(
    el('option', { value: '' }, 'nothing'),
    ...ways.map(({ name, title }) => el('option', { value: name }, title)),
  );
  turns.addEventListener('change', async () => {
    const way = group.querySelector('input:checked')?.value;
    const pair = turns.value === '' ? null : [way, turns.value];
    if (!(await act(turns, 'turns', pair ? pair.join('+') : '', { ways: pair }))) turns.value = '';
  });
  const policy = byId('policy');
  policy.append(...policies.map((name) => el('option', { value: name }, name)));
  policy.addEventListener('change', () => act(policy, 'policy', policy.value, { policy: policy.value }));
  const rate = byId('rate');
  rate.addEventListener('input', () => {
    touched.set(rate, performance.now());
    setText(byId('rate-now'), rate.value);
  });
  rate.addEventListener('change', () => act(rate, 'rate', '', { rate: Number(rate.value) }));
  document.addEventListener('click', ({ target }) => {
    const button = target.closest?.('button[data-do]');
    if (!button) return;
    const { do: name, key } = button.dataset;
    const given = button.dataset.on === undefined ? {} : { on: button.dataset.on === 'true' };
    void act(button, name, key, key === '' ? given : { delivery: key, ...given });
  });
}

function cableRow(host) {
  const field = (name, label, unit, most, step) => {
    const input = el('input', {
      type: 'number',
      min: 0,
      max: most,
      step,
      value: 0,
      'data-field': name,
      'aria-label': `${label} of ${host}, ${unit}`,
    });
    return [input, el('label', { class: 'cable-field' }, input, ` ${unit}`)];
  };
  const [rtt, rttLabel] = field('rttMs', 'round trip', 'ms', 1000, 1);
  const [loss, lossLabel] = field('lossPercent', 'loss', '% lost', 100, 0.1);
  const row = el('div', { class: 'cable', 'data-host': host }, el('strong', {}, host), rttLabel, lossLabel);
  for (const input of [rtt, loss])
    input.addEventListener('change', () => {
      const given = { host, rttMs: Number(rtt.value), lossPercent: Number(loss.value) };
      if (rtt.validity.valid && loss.validity.valid) act(input, 'cable', host, given);
      else say(`a round trip is 0 to 1000 ms, a loss 0 to 100 %`, true);
    });
  return row;
}

/** As the second that came says. */
export function showControls({ wanted, head, cannot: now }) {
  cannot = now;
  const ways = [...document.querySelectorAll('#ways input')];
  // To check what was wanted a moment ago would uncheck what has just been chosen.
  const isChosen = ways.some((input) => input.checked && isTouched(input));
  for (const input of ways) {
    if (!isChosen) input.checked = input.value === wanted.way;
    input.parentElement.classList.toggle('in-turns', wanted.turns?.includes(input.value) ?? false);
    grey(input, now[input.dataset.cannot]);
  }
  const turns = byId('turns');
  if (!isTouched(turns)) turns.value = wanted.turns ? wanted.turns[1] : '';
  const rate = byId('rate');
  if (!isTouched(rate)) {
    if (wanted.rate > Number(rate.max)) rate.max = String(Math.ceil(wanted.rate / 1000) * 1000);
    rate.value = String(wanted.rate);
    setText(byId('rate-now'), String(wanted.rate));
  }
  grey(rate, now['rate:']);
  const policy = byId('policy');
  if (head && !isTouched(policy)) policy.value = head.policy;
  grey(policy, now[`policy:${policy.options[0].value}`]);
  grey(turns, now['rate:']);
  for (const button of document.querySelectorAll('button[data-do]'))
    grey(button, now[`${button.dataset.do}:${button.dataset.key}`]);
  showCables(wanted.cables, now['cable:client']);
}

function showCables(cables, why) {
  const place = byId('cables');
  const hosts = Object.keys(cables);
  setText(
    byId('cables-why'),
    why && hosts.length === 0 ? sentence(why) : 'Round trip and loss, each way the half.',
  );
  if (place.childElementCount !== hosts.length) place.replaceChildren(...hosts.map(cableRow));
  for (const row of place.children)
    for (const input of row.querySelectorAll('input')) {
      if (!isTouched(input) && document.activeElement !== input)
        input.value = String(cables[row.dataset.host][input.dataset.field]);
    }
}
