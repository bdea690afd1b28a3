// Where the parts of the drawing are, on a wide screen and on a phone: boxes as [x, y, width, height], ways as curves.

export const wide = {
  size: [1000, 300],
  client: [16, 105, 150, 90],
  head: [400, 34, 210, 118],
  delivery: (index, all) => {
    const [pitch, height] = [276 / Math.max(3, all), all > 4 ? 36 : 52];
    return [806, 12 + (276 - pitch * all) / 2 + pitch * index + (pitch - height) / 2, 180, height];
  },
  toHead: 'M166 132 C 260 132 300 92 398 92',
  back: 'M398 112 C 310 112 270 150 168 150',
  toDelivery: (y) => `M610 92 C 700 92 720 ${y} 804 ${y}`,
  around: (y) => `M166 174 C 300 300 620 300 804 ${y + 10}`,
};
export const narrow = {
  size: [360, 460],
  client: [8, 8, 130, 76],
  head: [170, 122, 182, 104],
  delivery: (index, all) => {
    const pitch = Math.min(62, 200 / all);
    return [166, 262 + pitch * index, 156, Math.min(50, pitch - 6)];
  },
  toHead: 'M138 40 C 220 40 262 70 262 120',
  back: 'M240 120 C 240 84 200 58 140 58',
  toDelivery: (y) => `M338 226 C 362 ${y - 30} 352 ${y} 323 ${y}`,
  around: (y) => `M60 84 C 40 ${y - 40} 70 ${y} 164 ${y}`,
};
