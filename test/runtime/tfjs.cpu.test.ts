import { describeSession } from '../contract/session.ts';
import { describeMemory } from './tfjs-memory.ts';

describeSession('a session of TensorFlow.js in plain JavaScript', { runtime: 'tfjs', threads: 1, backend: 'cpu' });
describeMemory('cpu');
