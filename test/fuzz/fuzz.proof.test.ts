/** Longer than `fuzz.slow.test.ts`, and still a moment beside `npm run fuzz`. */
import { declareHolds } from './holds.ts';

declareHolds(2000);
