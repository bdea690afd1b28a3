/** Imported first by what programs import: throws one line where Node.js is too old for the rest. */
import { whyUnsupported } from './supported.ts';

const problem = whyUnsupported(process.versions.node);
if (problem !== undefined) {
  const error = new Error(problem);
  // Where it was thrown helps nobody.
  error.stack = `Error: ${problem}`;
  throw error;
}
