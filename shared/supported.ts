/**
 * The versions of Node.js that Baton runs on. This file is imported before everything else, and is plain enough for any
 * version: whoever has another one is told which to get, before something that it lacks breaks.
 */

/** The least release of each line, oldest first; of the last line and all after it as well. package.json agrees. */
export const supportedNodes = ['22.20', '24.12', '26.0'];

const shown = supportedNodes.map((release) => release.replace(/\.0$/, ''));

/** As npm reads it: `^22.20 || >=26`. */
export const nodeRange = shown
  .map((release, index) => (index < shown.length - 1 ? `^${release}` : `>=${release}`))
  .join(' || ');

export function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return supportedNodes.some((release, index) => {
    const [leastMajor = 0, leastMinor = 0] = release.split('.').map(Number);
    const isLater = major > leastMajor && index === supportedNodes.length - 1;
    return isLater || (major === leastMajor && minor >= leastMinor);
  });
}

/** One line for a person; undefined where all is well. */
export function whyUnsupported(version: string): string | undefined {
  if (isSupported(version)) return undefined;
  return `Baton needs Node.js ${shown.slice(0, -1).join(', ')} or ${shown.slice(-1)[0]} (or later ones of these), and this is ${version}; get one from https://nodejs.org`;
}
