/** Entry of the thread that runs the model of a training, while other threads decode and augment images. */
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../common/errors.ts';
import { openSession } from '../../runtime/open-session.ts';
import type { SessionSource } from '../../runtime/session.ts';
import type { SessionReply, SessionRequest } from './session-thread.ts';

const session = await openSession(workerData as SessionSource);
const { runtime, backend, version, rejected } = session;
reply({ type: 'ready', runtime, backend, version, rejected });

parentPort?.on('message', async ({ id, pixels, outputs: names, classes }: SessionRequest) => {
  try {
    const outputs = await session.run(pixels, names, classes);
    reply({ type: 'ran', id, outputs });
  } catch (thrown) {
    reply({ type: 'failed', id, reason: messageOf(thrown) });
  }
});

function reply(message: SessionReply): void {
  parentPort?.postMessage(message);
}
