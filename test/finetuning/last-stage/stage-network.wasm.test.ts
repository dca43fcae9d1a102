import { describeStageNetwork } from './stage-network-suite.ts';

describeStageNetwork('wasm');
