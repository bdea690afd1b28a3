// The page: what comes each second is shown at once by every part of it, and drawn once however much comes.
import { cpuChart, latencyChart, visitsChart } from './charts.js';
import { buildControls, showControls } from './controls.js';
import { drawHeat } from './heat.js';
import { History } from './history.js';
import { Journey, leadOf } from './journey.js';
import { addEvents, showCounts, showDeliveries, showFailures, showKernel, showNow } from './places.js';
import { follow } from './stream.js';
import { byId, setText } from './words.js';

const about = await (await fetch('about')).json();
const titles = new Map(about.ways.map(({ name, title }) => [name, title]));
const titleOf = (name) => titles.get(name) ?? name;
const history = new History();
const journey = new Journey(byId('journey'));
const lines = new Set(['p50', 'p99']);
let span = 180;
const latency = latencyChart(byId('latency'), () => [...lines].sort());
const visits = visitsChart(byId('visits'));
const cpu = cpuChart(byId('cpu'));
let latest;
let drawing = false;

setText(byId('where'), about.on);
document.title = `Baton live, ${about.on}`;
buildControls(about, about.policies);

function draw() {
  drawing = false;
  if (!latest) return;
  latency.draw(history, span);
  visits.draw(history, span);
  cpu.draw(history, span);
  drawHeat(byId('heat'), history.heat);
  showDeliveries(latest.deliveries, latest.wanted.drained);
  showControls(latest);
  showCounts(latest);
  showKernel(latest.kernel);
  showNow(latest.ways, titleOf);
  showFailures(latest.failures);
  setText(byId('journey-lead'), leadOf(latest.wanted.way, latest.wanted.turns?.map(titleOf)));
  journey.show(latest, titleOf);
}

function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

const states = { live: 'live', lost: 'the connection is lost; trying again', over: 'it has ended' };
follow({
  lastSeen: () => history.last,
  onTick(tick) {
    if (tick.n <= history.last) return;
    history.add(tick);
    addEvents(tick.events);
    latest = tick;
    document.body.dataset.seconds = String(history.times.length);
    document.body.dataset.lost = String(history.lost);
    drawSoon();
  },
  onState(state) {
    setText(byId('state'), states[state]);
    byId('state').dataset.state = state;
  },
  onOver({ html, json }) {
    setText(
      byId('over-text'),
      html ? `The report is in ${html} and ${json}.` : 'No report could be written.',
    );
    byId('over-link').hidden = !html;
    for (const control of document.querySelectorAll(
      '.top button, main button[data-do], main input, main select',
    ))
      control.disabled = true;
    byId('over').showModal();
  },
});

for (const button of document.querySelectorAll('button[data-line]'))
  button.addEventListener('click', () => {
    const { line } = button.dataset;
    if (lines.has(line) && lines.size > 1) lines.delete(line);
    else lines.add(line);
    button.setAttribute('aria-pressed', String(lines.has(line)));
    drawSoon();
  });
for (const button of document.querySelectorAll('button[data-span]'))
  button.addEventListener('click', () => {
    span = Number(button.dataset.span);
    for (const each of document.querySelectorAll('button[data-span]'))
      each.setAttribute('aria-pressed', String(each === button));
    drawSoon();
  });
new ResizeObserver(drawSoon).observe(document.querySelector('main'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawSoon);
