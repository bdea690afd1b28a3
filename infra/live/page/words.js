// Figures as a person reads them, and elements whose texts are texts: nothing here makes markup of a word.

const places = ['direct', 'handoff-fd', 'redirect', 'created', 'handoff-migrate'];
/** The same colour for the same way as in every report. */
export const placeOf = (way) => {
  const place = places.indexOf(way);
  return place < 0 ? 5 : place;
};

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const short = (value) => String(Number(value.toPrecision(3)));

export function millis(micros) {
  if (micros == null) return '–';
  const value = micros / 1000;
  if (value >= 1000) return `${short(value / 1000)} s`;
  if (value >= 100) return `${Math.round(value)} ms`;
  return `${value.toPrecision(value < 1 ? 2 : 3)} ms`;
}

export const count = (value) =>
  value >= 1e6 ? `${short(value / 1e6)} M` : value >= 1e4 ? `${short(value / 1000)} k` : String(value);

export const clock = (at) =>
  new Date(at).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  });

export const byId = (id) => document.getElementById(id);

/** `el('td', { class: 'x' }, 'text', otherElement)` */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Only when it is another one: screen readers and layouts are told of nothing that is as it was. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
