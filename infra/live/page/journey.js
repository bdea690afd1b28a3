// The way of a connection as a drawing: where it goes, who has it, and that nothing of a handed-over one passes the head.
import { narrow, wide } from './layouts.js';
import { count, placeOf, setText } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';
const DOTS_MAX = 12;
const FRAME_MS = 40;
const LISTED = 6;

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export class Journey {
  #place;
  #shape = '';
  #parts;
  #dots = [];
  #way = '';
  #frame = 0;
  #timers = new Set();
  #still = matchMedia('(prefers-reduced-motion: reduce)');
  #seen = true;

  constructor(place) {
    this.#place = place;
    new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
    }).observe(place);
  }

  show(tick, titleOf) {
    const listed = tick.deliveries.slice(0, LISTED);
    const layout = this.#place.clientWidth < 620 ? narrow : wide;
    const shape = `${layout === wide} ${listed.map(({ name }) => name).join('\n')}`;
    if (shape !== this.#shape) this.#build(layout, listed);
    this.#shape = shape;
    this.#way = tick.wanted.way;
    const { head, inFlight } = tick;
    const done = Object.values(tick.ways).reduce((sum, way) => sum + way.done, 0);
    const parts = this.#parts;
    setText(parts.rate, `${count(done)} visits/s`);
    setText(parts.flight, `${count(inFlight)} under way`);
    parts.head.classList.toggle('gone', !head);
    setText(parts.headTitle, head ? 'head' : 'head does not answer');
    setText(parts.queue, head ? `accept queue ${count(head.queued)}` : '');
    setText(parts.open, head ? `under inspection ${count(head.open)}` : '');
    setText(parts.accepted, head ? `${count(head.accepted)} accepted/s` : '');
    for (const [index, square] of parts.squares.entries())
      square.classList.toggle('full', index < Math.min(8, Math.ceil(Math.log2((head?.queued ?? 0) + 1))));
    for (const [index, each] of listed.entries()) {
      const box = parts.deliveries[index];
      const state = each.running === 'frozen' ? 'frozen' : each.running === 'ended' ? 'down' : each.state;
      box.group.setAttribute('class', `box delivery is-${state}`);
      setText(
        box.open,
        `${state === 'up' ? `open ${count(each.inUse)}` : state}, ${count(each.taken + each.sent)}/s`,
      );
    }
    this.#lightLegs(tick);
    const way = titleOf(this.#way);
    parts.svg.setAttribute(
      'aria-label',
      `Clients, a head and ${tick.deliveries.length} deliveries; visits go by ${way}. ${done} visits ended in this second.`,
    );
    this.#send(tick, done);
  }

  /** Those legs that the way has. */
  #lightLegs({ wanted: { way }, deliveries }) {
    const { toHead, back, legs } = this.#parts;
    const viaHead = way !== 'direct';
    const handedOver = way.startsWith('handoff');
    const light = (path, on) => {
      path.setAttribute('class', `leg${on ? ` lit stroke-${placeOf(way)}` : ''}`);
    };
    light(toHead, viaHead);
    light(back, viaHead && !handedOver);
    for (const [index, { over, around }] of legs.entries()) {
      const each = deliveries[index];
      const gets = each.taken + each.sent > 0 || way === 'direct';
      light(over, handedOver && gets);
      light(around, gets);
    }
  }

  #build(layout, listed) {
    this.#clear();
    const box = ([x, y, width, height], kind) => svg('rect', { x, y, width, height, rx: 10, class: kind });
    const word = (x, y, kind, text = '') => {
      const made = svg('text', { x, y, class: kind });
      made.textContent = text;
      return made;
    };
    const leg = (d) => svg('path', { d, class: 'leg' });
    const [cx, cy] = layout.client;
    const [hx, hy, hw] = layout.head;
    const [toHead, back] = [leg(layout.toHead), leg(layout.back)];
    const legs = listed.map((_, index) => {
      const [, y, , height] = layout.delivery(index, listed.length);
      return {
        over: leg(layout.toDelivery(y + height / 2, index)),
        around: leg(layout.around(y + height / 2)),
      };
    });
    const squares = Array.from({ length: 8 }, (_, index) =>
      svg('rect', { x: hx + hw - 92 + index * 10, y: hy + 16, width: 7, height: 10, rx: 2, class: 'square' }),
    );
    const texts = {
      rate: word(cx + 14, cy + 48, 'figure'),
      flight: word(cx + 14, cy + 66, 'small'),
      headTitle: word(hx + 14, hy + 26, 'name', 'head'),
      queue: word(hx + 14, hy + 52, 'small'),
      open: word(hx + 14, hy + 71, 'small'),
      accepted: word(hx + 14, hy + 90, 'small'),
    };
    const head = svg(
      'g',
      { class: 'box' },
      box(layout.head, 'frame'),
      texts.headTitle,
      ...squares,
      texts.queue,
      texts.open,
      texts.accepted,
    );
    const client = svg(
      'g',
      { class: 'box' },
      box(layout.client, 'frame'),
      word(cx + 14, cy + 26, 'name', 'clients'),
      texts.rate,
      texts.flight,
    );
    const deliveries = listed.map(({ name }, index) => {
      const place = layout.delivery(index, listed.length);
      const [x, y, , height] = place;
      const tight = height < 44;
      const label = name.length > 16 ? `${name.slice(0, 15)}…` : name;
      const open = word(x + (tight ? 54 : 14), tight ? y + height / 2 + 4 : y + 40, 'small');
      const group = svg(
        'g',
        { class: 'box delivery' },
        box(place, 'frame'),
        word(x + 14, tight ? y + height / 2 + 4 : y + 22, 'name', label),
        open,
      );
      return { group, open };
    });
    const dots = svg('g', { class: 'dots' });
    const [width, height] = layout.size;
    const made = svg(
      'svg',
      { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': '' },
      ...legs.map(({ around }) => around),
      ...legs.map(({ over }) => over),
      back,
      toHead,
      dots,
      client,
      head,
      ...deliveries.map(({ group }) => group),
    );
    this.#place.replaceChildren(made);
    this.#parts = { svg: made, dots, client, head, deliveries, toHead, back, legs, squares, ...texts };
    // Looked up once: the browser would walk along the curve for each frame.
    this.#parts.points = new Map(
      [toHead, back, ...legs.flatMap(({ over, around }) => [over, around])].map((path) => [
        path,
        walked(path),
      ]),
    );
  }

  /** Dots for the visits of the last second, spread over the next. */
  #send({ deliveries, wanted: { way }, failures, head }, done) {
    if (this.#still.matches || document.hidden || !this.#seen || done === 0) return;
    const dots = Math.min(DOTS_MAX, Math.ceil(Math.sqrt(done)));
    const failed = Object.values(failures).reduce((sum, one) => sum + one, 0);
    const weights = deliveries
      .slice(0, LISTED)
      .map(({ taken, sent, state }) => (way === 'direct' ? Number(state !== 'down') : taken + sent));
    const all = weights.reduce((sum, one) => sum + one, 0);
    for (let index = 0; index < dots; index++) {
      const timer = setTimeout(
        () => {
          this.#timers.delete(timer);
          const fails = index < (dots * failed) / done;
          const to = chosen(weights, (all * (index + 0.5)) / dots);
          if (fails || to >= 0) this.#launch(way, fails || to < 0 ? undefined : to, Boolean(head));
        },
        (1000 * ((index * 7) % dots)) / dots,
      );
      this.#timers.add(timer);
    }
  }

  #launch(way, to, headIsThere) {
    const { toHead, back, legs, dots } = this.#parts;
    const leg = to === undefined ? undefined : legs[to];
    if (to !== undefined && !leg) return;
    const steps = !leg
      ? [[way === 'direct' ? legs[0]?.around : toHead, false, 500]]
      : way === 'direct'
        ? [
            [leg.around, false, 520],
            [leg.around, true, 520],
          ]
        : way.startsWith('handoff')
          ? [
              [toHead, false, 420],
              [undefined, false, 120],
              [leg.over, false, 320],
              [leg.around, true, 520],
            ]
          : [
              [toHead, false, 420],
              [back, false, 420],
              [leg.around, false, 480],
              [leg.around, true, 480],
            ];
    if (!leg && !headIsThere && !steps[0][0]) return;
    const dot = svg('circle', { r: 4.5, class: leg ? `dot fill-${placeOf(way)}` : 'dot bad' });
    const first = this.#parts.points.get(steps[0][0])?.at(0);
    if (!first) return;
    dot.setAttribute('cx', first[0]);
    dot.setAttribute('cy', first[1]);
    dots.append(dot);
    this.#dots.push({ dot, steps, began: performance.now() });
    if (this.#frame === 0) this.#frame = setTimeout(() => this.#move(), FRAME_MS);
  }

  #move() {
    this.#frame = 0;
    const now = performance.now();
    this.#dots = this.#dots.filter((each) => {
      let spent = now - each.began;
      for (const [path, reverse, lasts] of each.steps) {
        if (spent < lasts) {
          const points = path && this.#parts.points.get(path);
          if (points) {
            const share = reverse ? 1 - spent / lasts : spent / lasts;
            const [x, y] = points[Math.round(share * (points.length - 1))];
            each.dot.setAttribute('cx', x);
            each.dot.setAttribute('cy', y);
          }
          return true;
        }
        spent -= lasts;
      }
      each.dot.remove();
      return false;
    });
    if (this.#dots.length > 0) this.#frame = setTimeout(() => this.#move(), FRAME_MS);
  }

  #clear() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    clearTimeout(this.#frame);
    this.#frame = 0;
    this.#dots = [];
  }
}

/** The place of that share; -1 where nobody has any. */
function chosen(weights, share) {
  let left = share;
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return index;
  }
  return -1;
}

function walked(path) {
  const length = path.getTotalLength();
  return Array.from({ length: 41 }, (_, step) => {
    const { x, y } = path.getPointAtLength((length * step) / 40);
    return [x, y];
  });
}

const leads = {
  direct: 'Straight to a delivery: the least that a visit takes. The head has no part in it.',
  'handoff-fd':
    'The head looks at the first bytes and hands the socket itself to a delivery. The answer goes straight back: nothing of it passes the head.',
  'handoff-migrate':
    'The head looks at the first bytes, and the connection moves to another host. The answer goes from there to the client, who notices nothing.',
  redirect:
    'The head answers 307 with the address of a delivery. The client connects a second time, and waits for that.',
  created:
    'The head answers 201 with the address of a delivery. Visitors here follow it, which clients do not by themselves.',
};
export const leadOf = (way, turns) =>
  turns ? `${turns.join(' and ')} in turns, a second each.` : (leads[way] ?? '');
