import { openSessionThread } from '../../../src/finetuning/features/session-thread.ts';
import { describeSession } from '../../contract/session.ts';

describeSession('a session on a thread of its own', { runtime: 'onnx', threads: 1 }, openSessionThread);
