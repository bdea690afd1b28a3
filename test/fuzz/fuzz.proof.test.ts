import { declareHolds } from './holds.ts';

declareHolds(2000);
