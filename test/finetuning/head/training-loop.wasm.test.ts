import { describeTrainingLoop } from './training-loop-suite.ts';

describeTrainingLoop('wasm');
