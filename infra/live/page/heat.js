// Every visit of the last minute: a column a second, a row for each step of duration. Ways keep their colours.
import { colour, placeOf } from './words.js';

const COLUMNS = 60;
const LEAST_MICROS = 64;
const PER_DOUBLING = 6;
const LEFT = 54;
const BOTTOM = 22;
const marks = [100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];

export function drawHeat(canvas, seconds) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (width === 0) return;
  const scale = devicePixelRatio;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext('2d');
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  let [least, most, top] = [200, 0, 1];
  for (const { ways } of seconds)
    for (const [, heat] of ways)
      for (let at = 0; at < heat.length; at += 2) {
        least = Math.min(least, heat[at]);
        most = Math.max(most, heat[at]);
        top = Math.max(top, heat[at + 1]);
      }
  if (most < least) [least, most] = [12, 60];
  // Room above and below, and never so few steps that noise looks like a change.
  least = Math.max(0, least - 3);
  most = Math.max(most + 3, least + 24);
  const [wide, high] = [width - LEFT, height - BOTTOM];
  const y = (bucket) => high - (high * (bucket - least)) / (most - least);
  const step = high / (most - least);
  context.font = '12px system-ui, sans-serif';
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  for (const mark of marks) {
    const bucket = PER_DOUBLING * Math.log2(mark / LEAST_MICROS);
    if (bucket < least || bucket > most) continue;
    context.fillStyle = colour('--line');
    context.fillRect(LEFT, y(bucket), wide, 1);
    context.fillStyle = colour('--quiet');
    context.fillText(
      `${mark >= 1e6 ? mark / 1e6 : mark / 1000} ${mark >= 1e6 ? 's' : 'ms'}`,
      LEFT - 8,
      Math.max(8, y(bucket)),
    );
  }
  const column = wide / COLUMNS;
  const now = seconds.at(-1)?.at ?? 0;
  for (const { at, ways } of seconds) {
    const x = width - (column * (now - at)) / 1000 - column;
    if (x < LEFT - 1) continue;
    for (const [way, heat] of ways) {
      context.fillStyle = colour(`--way-${placeOf(way)}`);
      for (let index = 0; index < heat.length; index += 2) {
        // A single visit is to be seen as well.
        context.globalAlpha = 0.16 + 0.84 * Math.sqrt(heat[index + 1] / top);
        context.fillRect(x, y(heat[index]) - step / 2, Math.ceil(column), Math.ceil(step));
      }
    }
  }
  context.globalAlpha = 1;
  context.fillStyle = colour('--quiet');
  context.textBaseline = 'alphabetic';
  context.textAlign = 'left';
  context.fillText('a minute ago', LEFT, height - 5);
  context.textAlign = 'right';
  context.fillText('now', width, height - 5);
}
