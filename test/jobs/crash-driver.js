// Works on a file job queue until it is killed: enqueues, claims, reports and cancels. Prints what the queue has
// acknowledged as lines of JSON. Run by kill.slow.ts; plain JavaScript, since it is forked.
import { writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '../../dist/src/common/logger.js';
import { openFileJobQueue } from '../../dist/src/jobs/file-job-queue.js';

const [folder, round] = process.argv.slice(2);
const queue = await openFileJobQueue(join(folder, 'jobs'), createLogger('silent'), {
  maxQueued: 8,
  keepFinished: 1000,
});

function acknowledged(fact) {
  writeSync(1, `${JSON.stringify(fact)}\n`);
}

acknowledged({ open: true });

async function client() {
  for (let i = 0; ; i += 1) {
    const label = `${round}.${i}`;
    const archivePath = join(folder, `upload-${label}`);
    writeFileSync(archivePath, label);
    const { id } = await enqueueOnceThereIsRoom({ payload: { label }, archivePath });
    acknowledged({ enqueued: id, label });
    if (i % 3 !== 2) continue;
    try {
      acknowledged({ ended: (await queue.cancel(id)).id, state: 'cancelled' });
    } catch (thrown) {
      if (thrown.code !== 'job_finished') throw thrown;
    }
  }
}

async function enqueueOnceThereIsRoom(request) {
  for (;;) {
    try {
      return await queue.enqueue(request);
    } catch (thrown) {
      if (thrown.code !== 'job_queue_full') throw thrown;
      await new Promise(setImmediate);
    }
  }
}

async function worker() {
  for (;;) {
    const claim = await queue.claim();
    const { id } = claim.job;
    acknowledged({ claimed: id, attempts: claim.job.attempts });
    try {
      for (let step = 1; step <= 3; step += 1) {
        await queue.report(claim, { type: 'progress', progress: { phase: 'train', step } });
        acknowledged({ progressed: id, step });
      }
      await queue.report(claim, { type: 'succeeded', result: { of: id } });
      acknowledged({ ended: id, state: 'succeeded' });
    } catch (thrown) {
      if (thrown.name !== 'ClaimLostError') throw thrown;
    }
  }
}

await Promise.all([client(), worker(), worker()]);
