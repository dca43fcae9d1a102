import { describeSession } from '../contract/session.ts';

describeSession('a session of ONNX Runtime', { runtime: 'onnx', threads: 1 });
