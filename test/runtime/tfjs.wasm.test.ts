import { describeSession } from '../contract/session.ts';
import { describeMemory } from './tfjs-memory.ts';

describeSession('a session of TensorFlow.js on WebAssembly', { runtime: 'tfjs', threads: 1, backend: 'wasm' });
describeMemory('wasm');
