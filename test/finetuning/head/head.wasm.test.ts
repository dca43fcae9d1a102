import { describeHead } from './head-suite.ts';

describeHead('wasm');
